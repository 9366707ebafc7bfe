"""The built-in proxy: one HTTP/1.1 hop whose bad habits are knobs. Nothing is installed; each run does the same.

Real boxes do these things by default, or when somebody sets them so. Here each is one knob, so that what a transport
does behind it has one cause. Requests go upstream over a connection each; nothing else is changed than the knobs say.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Final

HOST: Final = "127.0.0.1"

_FLAG: Final = argparse.BooleanOptionalAction
"""A later `--no-…` takes a flag back: so a cure is appended to the options that made the trouble."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What the proxy does to what it carries; all off, it does nothing."""

    hold_bytes: int = 0  # of an answer's body are kept until there are so many, or until its end
    gzip: bool = False  # answers without a length are compressed, and nothing is flushed before their end
    obey_no_transform: bool = False  # `Cache-Control: no-transform` is left alone (RFC 9111, section 5.2.2.6)
    idle_s: float = 0.0  # so long without a byte, and both connections are closed, or a 504 is answered; 0: never
    http10: bool = False  # upstream is spoken to in HTTP/1.0
    drop_upgrade: bool = False  # Upgrade and Connection are taken as what they are: for one hop only
    rewrite_host: bool = False  # Host names the upstream, not what the client asked for
    tls: bool = False  # TLS ends here; the certificate is made at start
    forwarded: bool = False  # X-Forwarded-Proto and -For say what the client used


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the proxy's command line."""
    parser.add_argument(
        "--upstream", type=_port, required=True, metavar="PORT", help="the server's port on this machine, plain HTTP"
    )
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--until-stdin-ends", action="store_true", help=argparse.SUPPRESS)
    knobs = parser.add_argument_group("knobs")
    knobs.add_argument("--hold-bytes", type=int, default=0, metavar="N", help="hold answers until N bytes or the end")
    knobs.add_argument("--gzip", action=_FLAG, default=False, help="compress streams, and flush at their end only")
    knobs.add_argument(
        "--obey-no-transform", action=_FLAG, default=False, help="with --gzip: spare what says no-transform"
    )
    knobs.add_argument("--idle-s", type=float, default=0.0, metavar="S", help="cut connections idle for S seconds")
    knobs.add_argument("--http10", action=_FLAG, default=False, help="speak HTTP/1.0 to the server")
    knobs.add_argument("--drop-upgrade", action=_FLAG, default=False, help="pass no Upgrade header on")
    knobs.add_argument("--rewrite-host", action=_FLAG, default=False, help="send the server's own address as Host")
    knobs.add_argument("--tls", action=_FLAG, default=False, help="serve https; a certificate is made at start")
    knobs.add_argument("--forwarded", action=_FLAG, default=False, help="set X-Forwarded-Proto and X-Forwarded-For")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: 0 to 65535 is allowed")
    return int(text)


def knobs_of(options: argparse.Namespace) -> Knobs:
    """The knobs of a command line. Raises ValueError with what is allowed."""
    if options.hold_bytes < 0:
        raise ValueError(f"--hold-bytes {options.hold_bytes}: 0 or more is allowed")
    if not 0 <= options.idle_s <= 86_400:
        raise ValueError(f"--idle-s {options.idle_s:g}: 0 to 86400 seconds are allowed")
    return Knobs(**{each.name: getattr(options, each.name) for each in fields(Knobs)})


def arguments_of(knobs: Knobs) -> list[str]:
    """The command line of these knobs: what `knobs_of` reads."""
    given: list[str] = []
    for each in fields(Knobs):
        value, option = getattr(knobs, each.name), f"--{each.name.replace('_', '-')}"
        if value is True:
            given.append(option)
        elif value:
            given += [option, f"{value:g}"]
    return given


def start(upstream_port: int, port: int, knobs: Knobs) -> subprocess.Popen[bytes]:
    """Start the proxy as a process of its own, which ends with this one."""
    command = [sys.executable, "-m", "transports.proxy", "--upstream", str(upstream_port), "--port", str(port)]
    # Its standard input ends when this process does, however it ends.
    return subprocess.Popen(  # noqa: S603
        [*command, *arguments_of(knobs), "--until-stdin-ends"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


async def serve(upstream_port: int, port: int, knobs: Knobs, *, until_stdin_ends: bool = False) -> None:
    """Carry until SIGTERM or SIGINT. SIGHUP cuts all connections, as a box that is loaded anew without grace does."""
    from transports.proxy.hop import Hop

    hop = Hop(upstream_port, knobs)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, hop.cut)
    server = await loop.create_server(hop.protocol, HOST, port, ssl=_context() if knobs.tls else None, backlog=1024)
    listening = server.sockets[0].getsockname()[1]
    with suppress(BrokenPipeError):
        print(f"rtlab proxy listens on {'https' if knobs.tls else 'http'}://{HOST}:{listening}", flush=True)
    await ended.wait()
    server.close()
    hop.cut()


def _context() -> ssl.SSLContext:
    from transports.certificate import server_context

    context = server_context(None, None)
    context.set_alpn_protocols(["http/1.1"])
    return context


def run(options: argparse.Namespace) -> None:
    """Serve as a command line asks. Exits with 2 and one sentence where it cannot."""
    try:
        knobs = knobs_of(options)
        asyncio.run(serve(options.upstream, options.port, knobs, until_stdin_ends=options.until_stdin_ends))
    except (ValueError, OSError) as error:
        print(f"rtlab: {error}", file=sys.stderr)
        sys.exit(2)
