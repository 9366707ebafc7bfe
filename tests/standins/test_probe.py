"""`rtlab probe`: it says what to change, and once that is changed the message comes."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.cli.program import main
from loadtests.records import adapter
from loadtests.run.foreign import TOKEN_VARIABLE, Foreign
from loadtests.run.probe import Probe, readable
from tests.standins import mercure

SSE = """
name = "mine"
about = "my own"
protocol = "sse"
[subscribe]
path = "/{way}/{{room}}"
{more}
[publish]
path = "/{way}/{{room}}"
headers = {{ Content-Type = "text/plain" }}
"""


def sse(way: str, more: str = "") -> str:
    return SSE.format(way=way, more=more)


POLL = sse("again", 'probe_path = "/api/publish"').replace('"sse"', '"longpoll"')
LIKE = 'like = "{}"\nname = "mine"\n'
PHOENIX = LIKE.format("phoenix-websocket") + '[subscribe]\npath = "/socket/websocket?vsn=2.0.0"\n{}'
MERCURE = LIKE.format("mercure-sse") + '[subscribe]\npath = "/.well-known/mercure?topic={room}"\nheaders = {} \n'
CENTRIFUGO = LIKE.format("centrifugo-websocket") + (
    '[publish]\npath = "/api/publish"\nheaders = { X-API-Key = "the-key" }\nack = \'"result"\'\n'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            sse("encoded").replace("text/plain", "a/b"),
            "the server answered 415 to the publication: set headers = { Content",
        ),
        (sse("encoded"), 'the message came, encoded: set encoding = "base64" in [subscribe]'),
        (sse("late"), "no head of the stream within 0.2 s: if it comes with the first event, set late_head = true"),
        (
            sse("encoded").replace('"/encoded/{room}"', '"/none/at/all"', 1),
            "answered 404 to the subscription: there is no",
        ),
        (
            sse("encoded").replace('"/encoded/{room}"', '"/api/publish"', 1),
            "answered 405 to the subscription: it wants an",
        ),
        (POLL, "the message came again: a poll has to say where it is. Capture the cursor"),
        (
            MERCURE,
            'answered 401 to the subscription: set headers = { Authorization = "Bearer {token}" } in [subscribe]',
        ),
        (
            PHOENIX.format("steps = [{ expect = '^hello' }]"),
            "step 1: nothing matched /^hello/; none came within 0.2 s: set",
        ),
        (
            PHOENIX.format('steps = [{ send = \'["1","1","room:t","phx_join",{}]\', expect = \'^hello\' }]'),
            'step 1: nothing matched /^hello/; the last was \'["1","1","room:t","phx_reply",{"status":"ok"',
        ),
        (
            PHOENIX.format("").replace("vsn", "version"),
            "the server answered 403 to the subscription: the credentials are",
        ),
        (PHOENIX.format("") + '[publish]\nbody = \'["1","1","x","e","{content}"]\'', "nothing came within 0.2 s"),
        (CENTRIFUGO + 'body = \'{"data":"{content}"}\'', "the answer to the publication does not hold what ack in"),
        (
            CENTRIFUGO + 'body = \'{"channel":"x","data":"{content}"}\'',
            "nothing that came within 0.2 s held the message; the last was '{}': do publisher and",
        ),
        (
            PHOENIX.format("steps = [{ send = 'no json', expect = 'x' }]"),
            "the subscription failed: connection ended by the server. Was what it got last what it expects?",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_change(text: str, said: str, url: str, tmp_path: Path) -> None:
    worked, lines = probed(url, text, tmp_path)
    assert not worked
    assert lines[-1].startswith("stopped: ")
    assert said in lines[-1], "\n".join(lines)


@pytest.mark.parametrize("text", [sse("late", "late_head = true"), sse("encoded", 'encoding = "base64"')])
def test_what_it_said_to_change_helps(text: str, url: str, tmp_path: Path) -> None:
    worked, lines = probed(url, text, tmp_path)
    assert worked, "\n".join(lines)
    assert lines[-1].startswith("   received ")


def probed(url: str, text: str, folder: Path) -> tuple[bool, list[str]]:
    (folder / "mine.toml").write_text(text)
    (described,) = adapter.find(str(folder / "mine.toml"))
    host, _, port = url.removeprefix("http://").partition(":")
    lines: list[str] = []
    return Probe(Foreign(host, int(port), described, "x"), lines.append, wait_s=0.2).run(), lines


def test_the_exit_code_says_whether_the_message_came(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, mercure.TOKEN)
    assert main(["probe", "mercure-sse", "--target", url]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line[:1].isdigit()] == ["1. subscribe", "2. publish", "3. receive"]
    assert shown[2].startswith("   subscriber > GET /.well-known/mercure?match=probe-")
    assert any(line.startswith("   publisher  < HTTP/1.1 200 OK; ") for line in shown)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        there = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert main(["probe", "mercure-sse", "--target", there]) == 1
    assert "Does the server run there?" in capsys.readouterr().out
    assert main(["probe", "nobody-sse", "--target", url]) == 2


@pytest.mark.parametrize("wait_s", ["inf", "nan", "0", "-1", "soon"])
def test_a_time_to_wait_that_can_not_be_is_refused(wait_s: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["probe", "mercure-sse", f"--wait-s={wait_s}"])
    assert "is no time to wait: more than 0 and at most 3600 s" in capsys.readouterr().err


def test_a_refused_publisher_is_not_advised_to_try_tls(tmp_path: Path) -> None:
    text = LIKE.format("phoenix-websocket") + "[subscribe]\npath = '/'\nsteps = [{ expect = '^hello' }]"
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        server.settimeout(10.0)
        served = threads.submit(_refuse_the_second, server)
        worked, lines = probed(f"http://127.0.0.1:{server.getsockname()[1]}", text, tmp_path)
        served.result()
    assert not worked
    assert lines[-1].startswith("stopped: the publisher's own subscription: the subscription failed: ")


def _refuse_the_second(server: socket.socket) -> None:
    """Take two WebSockets; say hello to the first and something else to the second, and end both."""
    with ExitStack() as stack:
        for said in (b"hello", b"no"):
            connection = stack.enter_context(server.accept()[0])
            (key,) = re.findall(rb"Sec-WebSocket-Key: (\S+)", connection.recv(4096), re.IGNORECASE)
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + bytes((0x81, len(said))) + said
            )


def test_what_is_shown_is_one_line_of_text() -> None:
    assert readable(b"GET / HTTP/1.1\r\nA: b\r\n\r\n{}\x1e\xff") == "GET / HTTP/1.1; A: b | {}\\x1e\\xff"
    assert readable(b"y" * 500).endswith(f"{'y' * 10}… (500 bytes)")
    assert readable(b"T0.0." + b"x" * 90 + b'"') == 'T0.0.xxx…"'
