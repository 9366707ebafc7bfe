"""Reading goes before parsing, in order, and no slice blocks the event loop for long."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import pytest

from loadtests.load.users import hub as module
from loadtests.load.users.hub import Alarms, Inbox, Read


class Slow:
    """Takes a read as long as it is asked to, and says when."""

    def __init__(self, log: list[str], name: str, cost_s: float = 0.0) -> None:
        self.log, self.name, self.cost_s = log, name, cost_s

    def take(self, read: Read) -> None:
        self.log.append(f"{self.name} parses {read.data.decode()}")
        until_s = time.monotonic() + self.cost_s
        while time.monotonic() < until_s:
            pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


def _read(text: str) -> Read:
    return Read(text.encode(), [], 0)


def test_reads_are_parsed_in_their_order_once_the_hub_has_nothing_else_to_do(inbox: Inbox) -> None:
    log: list[str] = []
    first, second = Slow(log, "a"), Slow(log, "b")
    for taker, text in ((first, "1"), (second, "2"), (first, "3")):
        inbox.put(taker, _read(text))
    assert log == []
    gevent.sleep(0.01)
    assert log == ["a parses 1", "b parses 2", "a parses 3"]
    inbox.put(second, _read("4"))
    gevent.sleep(0.01)
    assert log[3:] == ["b parses 4"]


def test_an_alarm_waits_for_a_slice_and_not_for_the_whole_burst(inbox: Inbox) -> None:
    log: list[str] = []
    alarms = Alarms()

    class Arming(Slow):
        def take(self, read: Read) -> None:
            super().take(read)
            if log == ["a parses 0"]:  # set before the burst, it could be due before the hub begins with it
                alarms.at(time.monotonic_ns() + 1_000_000, lambda: log.append("alarm"))

    slow = Arming(log, "a", cost_s=2 * module.SLICE_NS / 1e9)
    for number in range(50):
        inbox.put(slow, _read(str(number)))
    limit_s = time.monotonic() + 10.0
    while len(log) < 51 and time.monotonic() < limit_s:
        gevent.sleep(0.01)
    assert 0 < log.index("alarm") < 50
    assert len(log) == 51
    alarms.close()


def test_past_its_bound_it_parses_at_once(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_READS", 3)
    monkeypatch.setattr(module, "SLICE_NS", 10**10)  # however busy this machine is
    log: list[str] = []
    taker = Slow(log, "a")
    for number in range(4):
        inbox.put(taker, _read(str(number)))
    assert log == ["a parses 0", "a parses 1", "a parses 2", "a parses 3"]


def test_bytes_that_wait_are_counted_by_who_is_to_parse_them(inbox: Inbox) -> None:
    log: list[str] = []
    ours, others = Slow(log, "ours"), Slow(log, "others")
    for taker, data in ((ours, b"abc"), (others, b"abcdef"), (ours, b"de")):
        inbox.put(taker, Read(data, [], 0))
    assert inbox.unparsed_bytes({ours}) == 5
    gevent.sleep(0.01)
    assert inbox.unparsed_bytes({ours, others}) == 0
