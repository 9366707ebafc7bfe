"""What a storm's figures say of a server that forgets an event in a replay, doubles one, or answers a second late."""

from __future__ import annotations

import json
import random
import socket
import time
from functools import partial

import pytest

from core.catalogue import records, resolve
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import fault_server
from loadtests.evidence.storm import measures
from loadtests.evidence.storm.measures import Spent
from loadtests.load.clients.base import Access, Endpoint
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.clients.sse import SseClient
from loadtests.load.storm.comeback import Window
from loadtests.load.storm.loop import Loop
from loadtests.load.storm.member import Member, Shared
from loadtests.load.storm.publisher import Publisher
from loadtests.records.storm import Cut

CLIENTS, BEFORE_CUT, RATE_PER_S, WINDOW_S = 12, 10, 100.0, 0.2


def _storm(transport: str, faults: Faults) -> tuple[Cut, list[Member]]:
    """Let all clients be cut once by a fault server, and come back."""
    loop = Loop()
    shared = Shared(loop, RealtimeOffset(), {}, Window(loop, WINDOW_S, random.Random(1)))
    live: list[tuple[Member, int, int]] = []
    client = resolve(records()[transport].load.client)
    with fault_server(faults) as port:
        endpoint = Endpoint("127.0.0.1", port)
        new_client = partial(client, Access(endpoint, "r", "token"))
        members = [Member(shared, new_client, None, lambda *each: live.append(each)) for _ in range(CLIENTS)]
        publisher = Publisher(shared, endpoint, "token", ["r"], RATE_PER_S)
        for member in members:
            member.start()
        try:
            assert loop.run(lambda: not shared.behind, 10, lambda: None)
            publisher.start()
            assert loop.run(lambda: all(each.outages for each in members), 10, lambda: None)
            assert loop.run(lambda: not shared.behind, 10, lambda: None)
            publisher.stop()
            until_s = time.monotonic() + 0.1
            loop.run(lambda: time.monotonic() > until_s and not publisher.unanswered, 10, lambda: None)
        finally:
            publisher.close()
            for member in members:
                member.close()
            loop.close()
    cut_ns = min(member.outages[-1].cut_ns for member in members)
    outages = [(member, member.outages[-1]) for member in members]
    return measures.cut(outages, live, cut_ns, Spent((0.0,), 0.0, 0.0, 1.0)), members


@pytest.mark.parametrize("transport", ["websocket", "sse"])
def test_a_replay_that_forgets_one_event_and_one_that_doubles_one_are_counted(transport: str) -> None:
    faults = Faults(delay_ms=0.0, cut_after=BEFORE_CUT, forget_in_replay=1, double_in_replay=2)
    cut, members = _storm(transport, faults)
    assert (sum(each.lost for each in members), sum(each.doubled for each in members)) == (1, 1)
    assert cut.clients == CLIENTS
    assert cut.replayed >= CLIENTS


def test_a_gap_that_is_announced_to_a_client_that_comes_back_counts_while_its_connection_stands() -> None:
    loop = Loop()
    shared = Shared(loop, RealtimeOffset(), {}, Window(loop, 0.0, random.Random(1)))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(body: bytes) -> socket.socket:
            accepted, _ = listener.accept()
            accepted.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            accepted.sendall(b"%x\r\n%b\r\n" % (len(body), body))
            return accepted

        access = Access(Endpoint("127.0.0.1", listener.getsockname()[1]), "r", "token")
        member = Member(shared, partial(SseClient, access), None, lambda *_: None)
        member.start()
        try:
            with answer(_event("welcome", "e:5")):
                assert loop.run(lambda: not shared.behind, 5, lambda: None)
            assert loop.run(lambda: bool(member.outages), 5, lambda: None)
            with answer(_event("welcome", "e:5") + _event("resync", "e:9")):
                assert loop.run(lambda: not shared.behind and member.offset == 9, 5, lambda: None)
                assert (member.told_gaps, member.lost) == (1, 0)
            assert loop.run(lambda: not member.up, 5, lambda: None)
            assert member.told_gaps == 1
        finally:
            member.close()
            loop.close()


def _event(kind: str, position: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": kind, "room": "r", "position": position}).encode()


@pytest.mark.alone  # it measures: of twelve clients the last decides, and other tests hold one up for 0.3 s
@pytest.mark.parametrize("transport", ["websocket", "sse"])
def test_a_server_that_takes_a_second_longer_is_found_and_nothing_else_is(transport: str) -> None:
    on_time, members = _storm(transport, Faults(delay_ms=0.0, cut_after=BEFORE_CUT))
    late, _ = _storm(transport, Faults(delay_ms=0.0, cut_after=BEFORE_CUT, replay_late_ms=1000.0))
    assert sum(each.lost + each.doubled + each.told_gaps for each in members) == 0
    assert on_time.back_50_s < 1.0 <= late.back_50_s
    assert late.back_100_s - on_time.back_100_s == pytest.approx(1.0, abs=0.25)
