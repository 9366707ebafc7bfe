"""The probes distinguish a server that answers from one that refuses, stays silent, or is not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from core.catalogue import records
from loadtests.evidence.traits import (
    MULTIPLEXED,
    WIRE_CLIENTS,
    Passage,
    ProbedServer,
    WireClient,
    duplex,
    passage,
)
from loadtests.evidence.traits import __main__ as command
from loadtests.records.facts import Traits
from tests.conftest import missing

BRIEF_S = 0.3
REFUSAL = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port where every connection gets `answer` to its first bytes, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        held: list[socket.socket] = []

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                held.append(connection)
                connection.recv(65_536)
                connection.sendall(answer)
            except OSError:
                pass  # the test is over

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)
            for connection in held:
                connection.close()


@pytest.mark.parametrize("wire_client", WIRE_CLIENTS, ids=lambda each: each.transport)
@pytest.mark.parametrize(("answer", "outcome"), [(REFUSAL, Passage.REFUSED), (b"", Passage.HELD_BACK)])
def test_a_proxy_that_refuses_is_distinguished_from_one_that_keeps_silent(
    wire_client: WireClient, answer: bytes, outcome: Passage
) -> None:
    with answering(answer) as port:
        assert passage(wire_client, ProbedServer(port, "token"), port, BRIEF_S) is outcome


@pytest.mark.parametrize("wire_client", [WIRE_CLIENTS[0], MULTIPLEXED[0]], ids=lambda each: each.transport)
@pytest.mark.parametrize("answer", [REFUSAL, b"", b"no HTTP at all\r\n\r\n"])
def test_a_client_that_is_refused_is_not_duplex(wire_client: WireClient, answer: bytes) -> None:
    with answering(answer) as port:
        assert duplex(wire_client, ProbedServer(port, "token"), BRIEF_S) is False


def test_nobody_there_is_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert passage(WIRE_CLIENTS[0], ProbedServer(port, "token"), port, BRIEF_S) is Passage.REFUSED


def test_our_servers_are_asked_and_the_answers_are_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not command.nginx_version():
        missing("nginx")
    assert command.main(["--out", str(tmp_path / "traits.json")]) == 0, capsys.readouterr().err
    traits = msgspec.json.decode((tmp_path / "traits.json").read_bytes(), type=Traits)
    # Streams of one HTTP/2 connection go both ways, whatever is sent on them.
    able = {name: record.duplex or record.tls for name, record in records().items() if record.model != "short poll"}
    assert {row.transport: row.duplex for row in traits.rows} == able
    assert {row.proxy_told for row in traits.rows} == {"passes", ""}
    assert [row.proxy for row in traits.rows if row.transport in ("sse", "longpoll")] == ["passes", "passes"]


def test_without_nginx_the_rest_is_still_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_proxies(*_: object) -> Callable[[], None]:
        raise AssertionError("there is no nginx to start")

    monkeypatch.setattr(command, "nginx_version", lambda: "")
    monkeypatch.setattr(command, "proxies", no_proxies)
    monkeypatch.setattr(command, "WIRE_CLIENTS", WIRE_CLIENTS[:1])
    monkeypatch.setattr(command, "MULTIPLEXED", ())
    assert command.main([]) == 0
    said = capsys.readouterr()
    assert said.out == "websocket   duplex yes\n"
    assert "nginx was not found" in said.err
