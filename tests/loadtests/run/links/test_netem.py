"""The command line for tc. Whether it works, only a kernel with netem shows: there `test_route` uses it."""

from __future__ import annotations

from loadtests.records.link_spec import Link
from loadtests.run.links.namespace import netem_arguments


def test_each_direction_gets_half_of_delay_and_jitter_and_the_whole_loss_and_rate() -> None:
    link = Link(rtt_ms=50, jitter_ms=5, loss_percent=1.5, rate_mbit=0.512)

    assert netem_arguments(link) == ("limit", "10000", "delay", "25ms", "2.5ms", "loss", "1.5%", "rate", "512kbit")


def test_what_is_not_asked_for_is_not_said() -> None:
    assert netem_arguments(Link(rtt_ms=1)) == ("limit", "10000", "delay", "0.5ms")
