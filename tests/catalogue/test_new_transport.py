"""A transport of three files in a folder elsewhere is served, loaded, measured and drawn without another edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RECORD = """
order = 25
title = "Carrier pigeon"
prose = "a pigeon"
label = "PGN"
model = "push"
duplex = false
resumes_by = "?since="
compared = true
look = { light = "#123456", dark = "#abcdef", mark = "d" }
[server]
implementation = "pigeon_server:PigeonTransport"
endpoint = "/rooms/{room}/pigeons"
[load]
client = "pigeon_client:PigeonClient"
user = "PigeonUser"
[needs]
api = "fetch"
reconnect = "the pigeon"
proxy = "no hawks for {heartbeat} s"
source = "RFC 1149"
[proof]
contract = "tests.contracts.kit.clients.ndjson:NdjsonClient"
"""
SERVER = """
from transports.app import create_app
from transports.downstream import stream_routes
from transports.lifespan import LazyApp
from transports.stream import StreamFormat

def frame(body, position=None, kind="notice"):
    return b"coo " + body + b"\\n"

class PigeonTransport:
    def routes(self, hub, fast=None):
        return stream_routes(hub, StreamFormat("pigeon", "/rooms/{room}/pigeons", "text/plain", frame, b"\\n"), fast)

app = LazyApp(lambda: create_app("pigeon"))
"""
CLIENT = """
from loadtests.load.clients.http import build_get
from loadtests.load.clients.stream import StreamClient

class PigeonClient(StreamClient):
    media_type = b"text/plain"

    def opening(self):
        return build_get(self.access, "/pigeons")

    def parse(self, payload, overhead):
        return [(line[4:], len(line) + 1 + overhead) for line in payload.split(b"\\n") if line]
"""
FOLLOWS = """
import json, sys, time
from pathlib import Path
from core.auth import sign
from core.catalogue import records
from loadtests import locustfile
from loadtests.evidence.calibration.trial import RAW_USERS
from loadtests.evidence.complexity import need
from loadtests.evidence.traits import ProbedServer, passage
from loadtests.evidence.traits import WIRE_CLIENTS
from loadtests.load.users.transports import load_user_class
from loadtests.report import claims, model, palette
from loadtests.run import targets
from loadtests.run.servers import Server, ServerSettings
from tests.contracts.targets import STREAMS, TARGETS, downstream
from transports.registry import parts

received = {}
speaks = next(each for each in WIRE_CLIENTS if each.transport == "pigeon")
for name in ("pigeon", "all"):
    with Server(name, ServerSettings(), log=Path(sys.argv[1]) / name) as server:
        server.wait_ready(lambda: None)
        token = sign(server.secret.encode(), "alice", ["*"], time.time() + 60)
        received[name] = passage(speaks, ProbedServer(server.port, token), server.port)
print(json.dumps({
    "received": received,
    "targets": [each.name for each in targets.select(["default"])],
    "user": targets.target("pigeon").user_class,
    "label": load_user_class("PigeonUser").label,
    "locust": locustfile.PigeonUser is load_user_class("PigeonUser"),
    "all": parts("all"),
    "suite": [str(each) for each in TARGETS if each.transport == "pigeon"],
    "stream": "pigeon" in STREAMS,
    "path": downstream("pigeon", "r"),
    "title": [claims.title("pigeon"), claims.in_prose("pigeon")],
    "drawn": [palette.look("pigeon").dark, palette.look("pigeon").marker, palette.rank("pigeon")[0]],
    "css": "--pigeon:#123456;" in palette.css_variables(dark=False),
    "kind": model.kind("pigeon"),
    "calibrated": "PigeonUser" in RAW_USERS,
    "proxy": need(records()["pigeon"], Path(sys.argv[2])).proxy,
}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process that knows the transport."""
    folder = tmp_path_factory.mktemp("pigeon")
    for name, text in (("pigeon.toml", RECORD), ("pigeon_server.py", SERVER), ("pigeon_client.py", CLIENT)):
        (folder / name).write_text(text)
    return {**os.environ, "RTLAB_CATALOGUE": str(folder), "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def test_everything_follows_from_the_record(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", FOLLOWS, str(tmp_path), str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "received": {"pigeon": "passes", "all": "passes"},
        "targets": ["websocket", "sse", "pigeon", "longpoll", "shortpoll", "h2push", "socketio"],
        "user": "PigeonUser",
        "label": "PGN",
        "locust": True,
        "all": ["websocket", "sse", "pigeon", "longpoll", "socketio", "fetchstream"],
        "suite": ["pigeon", "all-pigeon"],
        "stream": True,
        "path": "/rooms/r/pigeons",
        "title": ["Carrier pigeon", "a pigeon"],
        "drawn": ["#abcdef", "d", 2],
        "css": True,
        "kind": "push",
        "calibrated": False,
        "proxy": "no hawks for 15 s",
    }


def test_the_commands_know_it(environment: dict[str, str]) -> None:
    for command, expected in (
        (["loadtests.cli", "list"], "websocket, sse, pigeon, longpoll"),
        (["transports", "pigeon", "--help"], "rtlab serve pigeon"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert expected in done.stdout, done.stderr
