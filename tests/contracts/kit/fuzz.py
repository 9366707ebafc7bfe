"""Hostile input from a seed: frames, bodies and requests, each a mutation of something good or plain noise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from websockets.frames import Frame, Opcode

_SEEDS = (
    {"type": "chat", "content": "hello", "ref": "r-1"},
    {"type": "chat", "content": "<b>&amp;</b> \u2028 😀"},
    {"type": "ping", "ref": "p"},
    {"type": "hello", "token": "x.y.z", "since": "abcdefgh:1"},
    {"type": "leave", "extra": True},
)
_SCRAPS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b'"type":"chat",',
    b'"__proto__":{},',
    b"[[[[[[",
    b"{}{}",
    b"\\",
    b'"',
    b"\r\n\r\n",
)
_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    " ",
    "\ud7ff",
    "\x1b",
    "a\r\nb",
    [],
    {},
    [[]],
    "x" * 5000,
    "é" * 65,
)


def payload(rng: Random) -> bytes:
    """One frame's or body's bytes."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        return rng.choice(b'[{"').to_bytes(1, "big") * rng.randrange(1, 17_000)
    command: dict[str, object] = dict(rng.choice(_SEEDS))
    if kind in {2, 3}:
        command[rng.choice([*command, "userId", "id", "", "content"])] = rng.choice(_VALUES)
    data = json.dumps(command, ensure_ascii=rng.random() < 0.5).encode()
    for _ in range(rng.randrange(1, 4) if kind > 3 else 0):
        data = _mutated(rng, data)
    return data


def _mutated(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.choice(_SCRAPS) + data[at:]
    if kind == 2:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data[:at] + data[: rng.randrange(len(data) + 1)] + data[at:]


def frame_bytes(rng: Random) -> bytes:
    """One frame as a client would send it, or one that no client may send: any opcode, any flag, any mask."""
    data = payload(rng)
    if rng.random() < 0.6:
        return Frame(Opcode.TEXT, data).serialize(mask=True)
    opcode = rng.choice([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, 3, 11, 15])
    if opcode in {Opcode.PING, Opcode.PONG}:
        data = data[: rng.choice([0, 10, 125, 126, 1000])]
    wire = bytearray(Frame(Opcode.TEXT, data).serialize(mask=rng.random() < 0.9))
    flags = rng.choice([0x80, 0x80, 0x80, 0x00, 0xC0, 0xA0, 0x90])
    wire[0] = flags | opcode
    return bytes(wire)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, given to a stock client: what is wrong with it is in the parts, not in the syntax."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


def http_request(rng: Random, room: str, token: str) -> HttpRequest:
    """POSTs mostly; the rest are GETs with odd queries and headers."""
    scrap = "".join(rng.choice("abc019:.-_%=&~ é\u0661") for _ in range(rng.randrange(30)))
    tokens = [token, token[:-3], scrap.encode("ascii", "ignore").decode().strip() or "x", token.swapcase()]
    headers = {"Authorization": f"Bearer {rng.choice(tokens) if rng.random() < 0.3 else token}"}
    if rng.random() < 0.15:
        headers["Origin"] = rng.choice(["null", "http://evil.example", "http://[", "//", "http://127.0.0.1:99999"])
    if rng.random() < 0.1:
        headers["Cookie"] = rng.choice(["=", "a=b; a=c", "session", ";;;", "x=" + "y" * 3000])
    if rng.random() < 0.75:
        path = rng.choice([f"/rooms/{room}/messages"] * 4 + [f"/rooms/{room}/leave", "/session"])
        return HttpRequest("POST", path, headers, payload(rng))
    if rng.random() < 0.3:
        headers["Last-Event-ID"] = rng.choice(["", "x", "abcdefgh:99999999999999999999", "abcdefgh:-1", "a" * 3000])
    name = rng.choice(["poll", "events", "", "ws", "../health", "push"])
    query = rng.choice(
        ["", "since=", f"since={scrap}&wait=0", "wait=-1", "wait=1e9&since=x", f"{scrap}", "wait=0&wait=x"]
    )
    return HttpRequest(rng.choice(["GET", "GET", "HEAD", "OPTIONS"]), f"/rooms/{room}/{name}?{query}", headers, None)
