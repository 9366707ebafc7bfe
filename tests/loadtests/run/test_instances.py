"""Deliveries by instance: everybody is asked, both questions of one connection, and a newcomer is noticed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import pytest

from loadtests.records.errors import ServerError
from loadtests.run import instances
from tests.loadtests.run.stand_in_server import Handler, answers

HOST = "127.0.0.1"


@contextmanager
def serving(handler: type[Handler]) -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(5)


def handler_of(*turns: int, protocol: str = "HTTP/1.1") -> type[Handler]:
    class Turns(Handler):
        protocol_version = protocol

    Turns.turns = itertools.cycle([answers(instance) for instance in turns])
    return Turns


def test_all_are_asked_however_often_one_of_them_answers() -> None:
    with serving(handler_of(2, 2, 0, 2, 0, 1)) as port:
        assert instances.deliveries(HOST, port, {"i00", "i01", "i02"}) == {"i00": 100, "i01": 200, "i02": 300}


def test_a_newcomer_means_that_one_has_died() -> None:
    with serving(handler_of(0, 2)) as port, pytest.raises(ServerError, match="another took its place"):
        instances.deliveries(HOST, port, {"i00", "i01"})


def test_one_that_is_never_met_is_given_up() -> None:
    with serving(handler_of(0)) as port, pytest.raises(ServerError, match=r"only 1 of 2 instances .* within 0.3 s"):
        instances.deliveries(HOST, port, {"i00", "i01"}, timeout_s=0.3)


def test_answers_of_two_connections_are_never_put_together() -> None:
    with (
        serving(handler_of(0, 1, protocol="HTTP/1.0")) as port,
        pytest.raises(ServerError, match="only 0 of 2 instances"),
    ):
        instances.deliveries(HOST, port, {"i00", "i01"}, timeout_s=0.3)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"instance":7}', b'{"status":"ok"}'])
def test_a_health_that_names_no_instance_has_no_name(body: bytes) -> None:
    assert instances.name(body) == ""
