"""When a cut is over, and when its figures are taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.evidence.storm.storming import Asked, Storming
from loadtests.load.storm.member import Member, Outage
from loadtests.records.storm import KILL
from loadtests.run.one_address import OneAddress
from loadtests.run.process import available_cores, divide_cores
from loadtests.run.servers import Server, ServerSettings
from loadtests.run.targets import select


@pytest.fixture
def storming(tmp_path: Path) -> Iterator[Storming]:
    (target,) = select(("sse",))
    asked = Asked(
        target=target, kind=KILL, repeat=0, clients=1, window_ratio=0.0, window_s=0.0, seed=1,
        settings=ServerSettings(), redis_url="", redis_pid=0, cores=divide_cores(available_cores()), folder=tmp_path,
    )  # fmt: skip
    made = Storming(asked, lambda: None)
    yield made
    made._close()


def test_a_cut_is_over_once_somebody_noticed_it_and_bystanders_count_what_comes_late(storming: Storming) -> None:
    cut = cast(Member, SimpleNamespace(outages=[], close=lambda: None))
    bystander = cast(Member, SimpleNamespace(outages=[], close=lambda: None))
    storming._members = [cut, bystander]

    def notice() -> None:
        now_ns = time.monotonic_ns()
        cut.outages.append(Outage(now_ns, now_ns, now_ns))

    def end(_: object) -> None:  # its clients do not know yet
        storming._loop.at(time.monotonic_ns() + 20_000_000, notice)

    ending = cast(Server, SimpleNamespace(signal=end, has_ended=lambda: True))
    address = cast(OneAddress, SimpleNamespace(ended=lambda _: None))
    found = storming._cut(address, ending, [])
    due_ns = cut.outages[0].cut_ns - 1_000_000
    storming._delivered(bystander, due_ns, due_ns + 1_000_000_000)
    assert (found().clients, found().bystanders.deliveries) == (1, 1)
