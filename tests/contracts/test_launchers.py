"""The two ways to start a server, and the sentence with which each refuses a bad setting."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.contracts.kit.clients import DisconnectedError, RefusedError
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.events import parse_object
from tests.contracts.kit.limits import GONE_S
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import Launcher, ServerProcess
from tests.contracts.kit.tokens import SECRET
from tests.contracts.targets import TRANSPORTS, Connect, Target

NAMES = (*(name for name in TRANSPORTS if name != "socketio"), "all")


@pytest.mark.parametrize(("name", "tls"), [*((name, None) for name in NAMES), ("all", True)])
async def test_uvicorn_serves_the_same(servers: ServerPool, connect: Connect, name: str, tls: bool | None) -> None:
    """Same settings, same limits, same end: what the launcher sets up is not left to its own defaults."""
    settings = {"HEARTBEAT_SECONDS": "7", "RATE": "0"}
    health = []
    # The program starts from nothing for `all`; uvicorn does for each, so that no module needs another's imports.
    ours: Launcher = "module" if name == "all" else "forked"
    for launcher in (ours, "uvicorn"):
        server = servers.own(name, settings, launcher, tls=tls)
        target = Target(name, name if name != "all" else "websocket")
        alice = await connect("alice", transport=target.transport, server=server, room=f"room-{launcher}")
        await alice.publish("hello")
        assert (await alice.next_chat()).text("content") == "hello"
        with pytest.raises(RefusedError):
            await alice.publish("")
        said = f"rtlab {name} listens on {server.base_url}" if launcher == ours else ""
        assert said in server.log_text()
        async with http_client(server.base_url) as http:
            health.append(parse_object((await http.get("/health")).content) | {"instance": ""})
        await alice.close()
        assert server.stop() == 0
        assert not server.log_offences()
    assert health[0] == health[1]


BAD_SETTINGS = {
    "SECRET": "x" * 31,
    "RATE": "nan",
    "BURST": "-1",
    "HISTORY_EVENTS": "1.5",
    "HISTORY_SECONDS": "inf",
    "HEARTBEAT_SECONDS": "0",
    "PRESENCE_TTL_SECONDS": "soon",
    "HELLO_SECONDS": "-1",
    "OUTBOX_BYTES": "0",
    "MAX_BYTES": "16k",
    "DRAIN_SECONDS": "-1",
    "REDIS_URL": "http://127.0.0.1",
    "ORIGINS": "https://a.example/path",
    "REQUIRE_ORIGIN": "maybe",
    "TRUSTED_PROXIES": "proxy.example",
    "FANOUT": "magic",
    "COALESCE_MS": "1001",
    "WRITES": "writev",
}
"""One of each: which values are good is for the unit tests of the settings."""


@pytest.mark.parametrize(("name", "value"), tuple(BAD_SETTINGS.items()))
async def test_bad_setting_is_named_and_nothing_starts(servers: ServerPool, name: str, value: str) -> None:
    server = servers.own("websocket", {name: value}, start=False)
    with pytest.raises(RuntimeError, match="was not ready"):
        server.start()
    log = server.log_text()
    assert server.process.poll() not in {0, None}
    assert f"RTLAB_{name}" in log
    assert not server.log_offences()
    if name == "SECRET":
        assert value not in log, "a key was printed"


async def test_without_a_secret_the_key_is_random_and_said_so_once(servers: ServerPool, connect: Connect) -> None:
    server = servers.own("websocket", {"SECRET": ""})
    with pytest.raises((RefusedError, DisconnectedError), match=r"4401|unauthorized"):
        await connect("alice", transport="websocket", server=server)
    lines = [line for line in server.log_text().splitlines() if "RTLAB_SECRET" in line]
    assert len(lines) == 1
    assert server.stop() == 0


def run_token_command(server: ServerProcess, *arguments: str, secret: str) -> subprocess.CompletedProcess[str]:
    own = {"RTLAB_SECRET": secret} if secret else {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTLAB_")} | own
    command = [*server.spec.command(0)[:3], "token", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=GONE_S, check=False)


async def test_token_command_signs_what_a_server_takes(servers: ServerPool, connect: Connect, room: str) -> None:
    server = servers.shared("websocket")
    done = run_token_command(server, "--user", "alice", "--room", room, secret=SECRET)
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    alice = await connect("alice", transport="websocket", server=server, token=lambda _: token, join=False)
    alice.user_id = "alice"
    assert not (await alice.connect()).recovered


@pytest.mark.parametrize("secret", ["", "short"])
def test_token_command_needs_the_secret(servers: ServerPool, secret: str) -> None:
    done = run_token_command(servers.shared("websocket"), "--user", "alice", "--room", "lobby", secret=secret)
    assert done.returncode != 0
    assert "RTLAB_SECRET" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("arguments", [["--user", "a b"], ["--user", "alice", "--room", "a/b"], ["--room", "lobby"]])
def test_token_command_refuses_bad_names(servers: ServerPool, arguments: list[str]) -> None:
    done = run_token_command(servers.shared("websocket"), *arguments, secret=SECRET)
    assert done.returncode != 0
    assert done.stderr
    assert "Traceback" not in done.stderr
