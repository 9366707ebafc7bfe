"""What is compared: how to start it, and how the load client speaks to it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.auth import sign
from loadtests.records.errors import LabError


def compiled(name: str) -> Path:
    """The path of the built `name`, from `name`.c beside this file. Raises LabError."""
    source = Path(__file__).with_name(f"{name}.c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    binary = Path(tempfile.gettempdir()) / f"rtlab-{name}-{digest}"
    if binary.exists():
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise LabError("no C compiler on PATH: cc, gcc or clang is needed")
    building = binary.with_suffix(".new")
    built = subprocess.run(  # noqa: S603
        [compiler, "-O2", "-o", str(building), str(source)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise LabError(f"{source.name} does not compile here: {built.stderr.strip()[:400]}")
    building.replace(binary)
    return binary


TRANSPORTS: Final = ("websocket", "sse", "longpoll")
PLAIN: Final = "plain Starlette"  # what the stack alone costs: other figures are scaled by it
MODE: Final = {"websocket": "ws", "sse": "sse", "longpoll": "lp"}
_SECRET: Final = "bench-only-key-that-guards-nothing-at-all"  # noqa: S105
_NCHAN: Final = ("/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/share/nginx/modules/ngx_nchan_module.so")


@dataclass(frozen=True)
class System:
    """One thing to compare: `command(port, folder)` starts it, `client(transport)` are the load client's arguments.

    `rooms_client(transport)` are those for several rooms, POSTs into them included; None where there is one room only.
    `member_client(transport)` are those of `roomgen`, `%L` in them the load; None where it is not for that.
    """

    name: str
    command: Callable[[int, Path], list[str]]
    client: Callable[[str], list[str]] | None = None
    rooms_client: Callable[[str], list[str]] | None = None
    member_client: Callable[[str], list[str]] | None = None


def server_environ() -> dict[str, str]:
    """Of our servers under test: the key of `contract_token`, and no limit on messages."""
    return os.environ | {"RTLAB_SECRET": _SECRET, "RTLAB_RATE": "0"}


def systems() -> list[System]:
    """All that can be had here, ours first."""
    found = [_ours("direct"), _ours("direct by write", "--writes", "write"), _ours("portable", "--fanout", "portable")]
    found += [_bare(), _floor("floor", ()), _floor("floor coalescing", ("-c",))]
    module = next((path for path in _NCHAN if Path(path).exists()), None)
    nginx = shutil.which("nginx")
    if nginx is not None and module is not None:
        found.append(_nchan(nginx, module))
    return found


def _ours(name: str, *options: str) -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "transports", "all", "--port", str(port), *options]

    return System(name, command, _contract_client, _contract_rooms_client, _contract_member)


def _bare() -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "transports.bare", str(port)]

    return System(PLAIN, command, _contract_client, member_client=_bare_member)


def _floor(name: str, options: Sequence[str]) -> System:
    def command(port: int, folder: Path) -> list[str]:
        return [str(compiled("floor")), str(port), *options]

    return System(name, command, _relay_client)


def _nchan(nginx: str, module: str) -> System:
    def command(port: int, folder: Path) -> list[str]:
        template = Path(__file__).with_name("nchan.conf").read_text()
        user = "user root;" if os.geteuid() == 0 else ""
        config = template.replace("MODULE", module).replace("PORT", str(port)).replace("USER", user)
        (folder / "nchan.conf").write_text(config)
        return [nginx, "-p", str(folder), "-c", str(folder / "nchan.conf")]

    def rooms_client(transport: str) -> list[str]:
        return ["--path", f"/room/%R/{MODE[transport]}", "--pubpath", "/room/%R/pub", "--wrap", "%s"]

    return System("nchan", command, _relay_client, rooms_client)


def _relay_client(transport: str) -> list[str]:
    """The load client's arguments for a server that passes on what it gets: the floor and nchan."""
    upstream = ["--pub", "ws", "--pubpath", "/pub"] if transport == "websocket" else ["--pubpath", "/pub"]
    return ["--path", f"/{MODE[transport]}", *upstream, "--wrap", "%s"]


def contract_token(user_id: str = "bench") -> str:
    """A token that our servers under test accept."""
    return sign(_SECRET.encode(), user_id, ["*"], time.time() + 3600)


def contract_entry(transport: str, room: str, token: str) -> list[str]:
    """The load client's arguments to enter a room of the contract."""
    if transport == "websocket":
        return ["--path", f"/rooms/{room}/ws", "--wsinit", f'{{"type":"hello","token":"{token}"}}']
    bearer = ["--hdr", f"Authorization: Bearer {token}\r\n"]
    if transport == "sse":
        return ["--path", f"/rooms/{room}/events", *bearer]
    return ["--path", f"/rooms/{room}/poll?wait=25", "--curq", "since", *bearer]


def _contract_client(transport: str) -> list[str]:
    entry = contract_entry(transport, "r", contract_token())
    if transport == "websocket":
        wrap = '{"type":"chat","content":"%s"}'
        return [*entry, "--pub", "ws", "--pubpath", "/rooms/r/ws", "--text", "--wrap", wrap]
    return [*entry, "--pubpath", "/rooms/r/messages", "--text", "--wrap", '{"content":"%s"}']


def _contract_rooms_client(transport: str) -> list[str]:
    token = contract_token()
    entry = contract_entry(transport, "r%R", token)
    if transport == "websocket":  # the POSTs need it too
        entry += ["--hdr", f"Authorization: Bearer {token}\r\n"]
    return [*entry, "--pubpath", "/rooms/r%R/messages", "--text", "--wrap", '{"content":"%s"}']


def _contract_member(transport: str) -> list[str]:
    marks = {"websocket": ["--ready", '"welcome"', "--ack", '"ack"'], "sse": ["--ready", '"welcome"']}
    return [*_bare_member(transport), *marks.get(transport, [])]


def _bare_member(transport: str) -> list[str]:
    """Of a server that sends neither welcomes nor acks."""
    entry = contract_entry(transport, "%L-%R", "%T")
    if transport == "websocket":
        return [*entry, "--wrap", '{"type":"chat","content":"%s"}']
    return [*entry, "--pubpath", "/rooms/%L-%R/messages", "--wrap", '{"content":"%s"}']
