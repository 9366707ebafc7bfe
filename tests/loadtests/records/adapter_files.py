"""Adapter files that are sound, for tests to read or to spoil."""

from __future__ import annotations

from pathlib import Path

from loadtests.records import adapter
from loadtests.records.adapter import Adapter

GOOD = """
name = "mine"
about = "my own"
protocol = "websocket"
[subscribe]
path = "/ws/{room}"
headers = { X-Api-Key = "{token}" }
first_message = '{"join":"{room}"}'
[publish]
path = "/pub"
body = '{"room":"{room}","text":"{content}"}'
"""

LONGPOLL = """
name = "mine"
about = "my own"
protocol = "longpoll"
[subscribe]
path = "/lp"
probe_path = "/now"
[publish]
path = "/pub"
"""


def read(folder: Path, text: str) -> Adapter:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    (found,) = adapter.find(str(path))
    return found


STEPS = """
name = "mine"
about = "my own"
protocol = "websocket"
[subscribe]
path = "/ws?sid={sid}"
steps = [
  { request = "POST /open", headers = { X-Api-Key = "{token}" }, body = "{}", capture = { sid = '"sid":"([^"]+)"' } },
  { send = "join {room} {user} {random} {seq}", expect = "^joined" },
]
values = { place = "0" }
capture = { place = "at=([0-9]+)" }
answer = { "^2$" = "3 {place}" }
heartbeat = { every_s = 20, send = "beat {sid}" }
[publish]
body = "{sid} {seq} {content}"
ack = "^ack ([0-9]+)"
"""

POLL = """
name = "mine"
about = "my own"
protocol = "longpoll"
[subscribe]
path = "/lp"
method = "POST"
body = "at={place}"
steps = [{ request = "GET /", capture = { place = "at=([0-9]+)" } }]
values = { place = "" }
capture = { place = "at=([0-9]+)" }
answer = { "^2$" = { request = "POST /pong", body = "3" } }
[publish]
path = "/pub/{place}"
session = true
"""
