"""The command line: what is wrong is said in one sentence, with exit code 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from core.auth import Authenticator
from tests.contracts.kit.tls import made_pair
from tests.transports.access import SECRET
from transports.__main__ import main


@pytest.fixture(autouse=True)
def _environment_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("RTLAB_")]:
        del os.environ[name]
    os.environ["RTLAB_SECRET"] = SECRET.decode()
    yield
    os.environ.clear()
    os.environ.update(kept)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run, expecting exit code 2; the one sentence on standard error."""
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_port_outside_the_range_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    assert refused(capsys, "sse", "--port", port) == f"rtlab: --port {port}: 0 to 65535 is allowed\n"


def listening_refused(*arguments: str) -> str:
    """As `refused`, but as a process: what it leaves open goes with it."""
    command = [sys.executable, "-m", "transports", "sse", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60.0, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_busy_port_is_reported(busy_port: int) -> None:
    reported = listening_refused("--port", str(busy_port))
    assert reported == f"rtlab: cannot listen on 127.0.0.1 port {busy_port}: Address already in use\n"


@pytest.mark.parametrize("host", ["..", "x" * 64 + ".example", "no-such-host.invalid", "192.0.2.1"])
def test_host_that_is_not_ours_is_reported(host: str) -> None:
    reported = listening_refused("--host", host, "--port", "0")
    assert reported.startswith(f"rtlab: cannot listen on {host} port 0: ")
    assert reported.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "variable"),
    [
        ("--rate", "-1", "RTLAB_RATE"),
        ("--burst", "0", "RTLAB_BURST"),
        ("--history-events", "x", "RTLAB_HISTORY_EVENTS"),
        ("--history-seconds", "nan", "RTLAB_HISTORY_SECONDS"),
        ("--heartbeat-seconds", "0", "RTLAB_HEARTBEAT_SECONDS"),
        ("--presence-ttl-seconds", "0.1", "RTLAB_PRESENCE_TTL_SECONDS"),
        ("--hello-seconds", "0", "RTLAB_HELLO_SECONDS"),
        ("--outbox-bytes", "1", "RTLAB_OUTBOX_BYTES"),
        ("--max-bytes", "1", "RTLAB_MAX_BYTES"),
        ("--drain-seconds", "-5", "RTLAB_DRAIN_SECONDS"),
        ("--fanout", "both", "RTLAB_FANOUT"),
        ("--origins", "*", "RTLAB_ORIGINS"),
        ("--require-origin", "yes", "RTLAB_REQUIRE_ORIGIN"),
        ("--redis", "http://localhost", "RTLAB_REDIS_URL"),
    ],
)
def test_bad_setting_is_named_with_its_value(
    capsys: pytest.CaptureFixture[str], option: str, value: str, variable: str
) -> None:
    reported = refused(capsys, "sse", "--port", "0", f"{option}={value}")
    assert reported.startswith("rtlab: ")
    assert variable in reported
    assert reported.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "NAME"),
        (("carrierpigeon",), "websocket"),
        (("sse", "--port", "x"), "--port"),
        (("sse", "--log-level", "loud"), "--log-level"),
        (("sse", "--instances", "0", "--redis", "redis://localhost"), "1 to 64"),
        (("sse", "--instances", "2"), "--redis"),
        (("all", "--demo", "--host", "0.0.0.0"), "loopback"),
        (("token", "--user", "alice"), "--room"),
    ],
)
def test_bad_argument_is_reported(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], part: str) -> None:
    assert part in refused(capsys, *arguments)


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good and bad files."""
    folder = tmp_path_factory.mktemp("pems")
    pair = made_pair(folder)
    (folder / "other").mkdir()
    made_pair(folder / "other")
    key = load_pem_private_key(pair.keyfile.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    (folder / "locked.pem").write_bytes(locked)
    (folder / "empty.pem").write_bytes(b"")
    (folder / "broken.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return folder


@pytest.mark.parametrize(
    ("certfile", "keyfile", "part"),
    [
        ("certificate.pem", None, "give both"),
        (None, "key.pem", "give both"),
        ("none.pem", "key.pem", "cannot read --certfile none.pem: No such file or directory"),
        ("certificate.pem", "other", "cannot read --keyfile other: Is a directory"),
        ("empty.pem", "key.pem", "--certfile empty.pem has no line '-----BEGIN … CERTIFICATE-----'"),
        ("key.pem", "key.pem", "--certfile key.pem has no line"),
        ("certificate.pem", "certificate.pem", "--keyfile certificate.pem has no line"),
        ("broken.pem", "key.pem", "cannot use --certfile broken.pem with --keyfile key.pem"),
        ("certificate.pem", "other/key.pem", "the key is not that of the certificate"),
        ("certificate.pem", "locked.pem", "--keyfile locked.pem is encrypted"),
    ],
)
@pytest.mark.parametrize("name", [("sse",), ("sse", "--http2"), ("all", "--instances", "2", "--redis", "redis://x")])
def test_a_pair_that_cannot_be_used_is_reported(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pems: Path,
    name: tuple[str, ...],
    certfile: str | None,
    keyfile: str | None,
    part: str,
) -> None:
    monkeypatch.chdir(pems)
    given = (*(("--certfile", certfile) if certfile else ()), *(("--keyfile", keyfile) if keyfile else ()))
    reported = refused(capsys, *name, "--port", "0", *given)
    assert part in reported
    assert reported.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--user", "a b"), "'a b' cannot be a user id"),
        (("--user", "x" * 65), "cannot be a user id"),
        (("--user", "alice", "--room", "a/b"), "no such room"),
        (("--user", "alice", "--ttl", "0"), "--ttl 0"),
        (("--user", "alice", "--ttl", "-1"), "--ttl -1"),
        (("--user", "alice", "--ttl", "inf"), "--ttl inf"),
        (("--user", "alice", "--ttl", "nan"), "--ttl nan"),
    ],
)
def test_token_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], part: str
) -> None:
    assert part in refused(capsys, "token", "--room", "lobby", *arguments)


@pytest.mark.parametrize(("secret", "part"), [("", "RTLAB_SECRET is not set"), ("short", "at least 32")])
def test_token_needs_the_servers_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, secret: str, part: str
) -> None:
    os.environ["RTLAB_SECRET"] = secret
    assert part in refused(capsys, "token", "--user", "alice", "--room", "lobby")


def test_token_opens_its_rooms_until_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "--user", "alice", "--room", "lobby", "--room", "attic", "--ttl", "60"])
    principal = Authenticator(SECRET).verify(capsys.readouterr().out.strip(), time.time())
    assert principal.user_id == "alice"
    assert principal.rooms == frozenset({"lobby", "attic"})
    assert 55 < principal.expires_at_s - time.time() <= 60


def test_secret_is_in_no_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    os.environ["RTLAB_SECRET"] = "hunter2-hunter2"
    assert "hunter2" not in refused(capsys, "sse", "--port", "0")
