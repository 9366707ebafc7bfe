"""`python -m transports NAME` serves a transport; `python -m transports token` prints a token."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NoReturn

from core.auth import sign
from core.errors import RoomError
from core.model import room_id
from core.settings import DECLARED, SettingError, Settings
from transports import proxy
from transports.instances import Instances, commands, end_with_parent, prepare_environment, share_port
from transports.logs import log_from
from transports.registry import SERVED, TRANSPORTS
from transports.visit import authority, open_when_ready

if TYPE_CHECKING:
    import ssl

    from starlette.applications import Starlette

_MAX_INSTANCES: Final = 64
_LOOPS: Final = ("auto", "asyncio", "uvloop")  # auto: uvloop where it is installed
_MAX_TTL_S: Final = 315_360_000.0  # ten years


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and serve, or print a token. Exits with 2 and one sentence when something is wrong."""
    parser = argparse.ArgumentParser(prog="rtlab serve", description="Serve one transport over the room core.")
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name in TRANSPORTS:
        _add_serve(commands.add_parser(name, help=f"serve {name}"))
    _add_race(commands.add_parser("race", help="serve all with --demo, and open the race page in a browser"))
    _add_token(commands.add_parser("token", help="print a token for a user and rooms"))
    proxy.add_options(commands.add_parser("proxy", help="run the built-in proxy, with its bad habits, before a server"))
    _add_demo(commands.choices["all"])
    for record in SERVED.values():
        if record.server.http2 != "no":
            _add_http2(commands.choices[record.name], too=record.server.http2 == "optional")
    options = parser.parse_args(arguments)
    if options.name == "token":
        _print_token(options)
    elif options.name == "proxy":
        end_with_parent()
        proxy.run(options)
    else:
        _serve(options)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000; 0: a free one)")
    parser.add_argument("--deflate", action="store_true", help="permessage-deflate on WebSockets (default: off)")
    parser.add_argument("--instances", type=int, default=1, metavar="N", help="processes that share rooms and the port")
    parser.add_argument("--separate-ports", action="store_true", help="instances on PORT, PORT+1, …, not on one port")
    parser.add_argument("--share-port", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tls", action="store_true", help="https and wss by a certificate made at start")
    parser.add_argument("--certfile", metavar="PEM", help="certificate chain: https and wss by yours")
    parser.add_argument("--keyfile", metavar="PEM", help="its private key")
    parser.add_argument("--loop", default="auto", choices=_LOOPS, help="event loop (HTTP/2: uvloop)")
    parser.add_argument("--log-level", default="warning", choices=["error", "warning", "info", "debug"])
    for each in DECLARED:
        if each.option:
            said = f"{each.help} (default {each.default})"
            parser.add_argument(each.option, dest=each.variable, metavar=each.variable, help=said.replace("%", "%%"))


def _add_http2(parser: argparse.ArgumentParser, *, too: bool) -> None:
    if too:
        parser.add_argument("--http2", action="store_true", help="over TLS by Hypercorn, HTTP/2 or 1.1 as clients like")
    parser.set_defaults(http2=not too)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="tokens for visitors of the page at /; loopback only")


def _add_race(parser: argparse.ArgumentParser) -> None:
    _add_serve(parser)
    parser.epilog = "--tls serves the page beside http: on the next port, with a link to it."
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.set_defaults(demo=True)


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, help="the user id: 1 to 64 of A-Z a-z 0-9 _ . @ -")
    parser.add_argument("--room", action="append", required=True, help="a room it opens, or '*'; may be repeated")
    parser.add_argument("--ttl", type=float, default=3600.0, metavar="SECONDS", help="how long it is good (3600)")


def _print_token(options: argparse.Namespace) -> None:
    try:
        secret = Settings.from_environ(os.environ).secret
        if secret is None:
            _fail("RTLAB_SECRET is not set: a token is only good for a server that has the same secret")
        for room in options.room:
            if room != "*":
                room_id(room)
        if not 0 < options.ttl <= _MAX_TTL_S:
            _fail(f"--ttl {options.ttl:g}: more than 0 and at most {_MAX_TTL_S:g} seconds are allowed")
        print(sign(secret, options.user, options.room, time.time() + options.ttl))
    except (ValueError, RoomError) as error:
        _fail(str(error))


def _serve(options: argparse.Namespace) -> None:
    given = {each.variable: getattr(options, each.variable) for each in DECLARED if each.option}
    os.environ.update({variable: value for variable, value in given.items() if value is not None})
    os.environ["RTLAB_HOST"] = options.host
    if options.deflate:
        os.environ["RTLAB_DEFLATE"] = "1"
    if getattr(options, "demo", False):
        _prepare_demo(options.host)
    name = "all" if options.name == "race" else options.name
    _check_tls(options.certfile, options.keyfile)
    end_with_parent()
    log_from(options.log_level)
    if options.instances != 1:
        sys.exit(_serve_instances(name, options))
    app = _app(name)
    if getattr(options, "http2", False):
        _serve_http2(app, options)
    else:
        _serve_by_uvicorn(app, options)


def _serve_by_uvicorn(app: Starlette, options: argparse.Namespace) -> None:
    import uvicorn

    from transports.elsewhere import link_to_each_other, link_to_proxied
    from transports.hosting import PunctualServer, several

    config = uvicorn.Config(
        app,
        log_level=options.log_level,
        access_log=options.log_level in ("info", "debug"),
        ssl_certfile=options.certfile,
        ssl_keyfile=options.keyfile,
        ssl_context_factory=_made_context if options.tls and options.certfile is None else None,
        loop=options.loop,
    )
    scheme = "https" if config.is_ssl else "http"
    heartbeat_s = Settings.from_environ(os.environ).heartbeat_s
    with contextlib.ExitStack() as listeners:
        listener = listeners.enter_context(_listen(options.host, options.port, shared=options.share_port))
        plain = None
        if options.name == "race" and options.tls:
            plain, scheme = listener, "http"
            listener = listeners.enter_context(_listen(options.host, options.port and options.port + 1))
            link_to_each_other(app, plain, listener)
        first = plain or listener
        if options.name == "race" and scheme == "http" and first.family == socket.AF_INET:  # what the proxy asks
            link_to_proxied(app, first, listeners)
        if not getattr(options, "no_browser", True):
            host, port = first.getsockname()[:2]
            open_when_ready(host, port, scheme)

        announce = _announcement(options.name, (scheme, first), *((("https", listener),) if plain else ()))
        server = PunctualServer(config, heartbeat_s, announce, several(plain) if plain else ())
        server.run(sockets=several(listener))


def _serve_http2(app: Starlette, options: argparse.Namespace) -> None:
    from transports.certificate import server_context
    from transports.http2 import server

    tls = server_context(options.certfile, options.keyfile)
    with _listen(options.host, options.port, shared=options.share_port) as listener:
        listening = _announcement(options.name, ("https", listener))
        server.run(app, listener, tls, Settings.from_environ(os.environ), options.log_level, listening)


def _made_context(*_: object) -> ssl.SSLContext:
    """For uvicorn: TLS by a certificate that is made now."""
    from transports.certificate import server_context

    return server_context(None, None, alpn=["http/1.1"])


def _written_certificate(folder: Path) -> tuple[str, str]:
    from transports.certificate import write_made

    certfile, keyfile = write_made(folder)
    return str(certfile), str(keyfile)


def _check_tls(certfile: str | None, keyfile: str | None) -> None:
    if certfile is None and keyfile is None:
        return
    from transports.certificate import CertificateError, server_context

    try:
        server_context(certfile, keyfile)
    except CertificateError as error:
        _fail(str(error))


def _announcement(name: str, *listeners: tuple[str, socket.socket]) -> Callable[[], None]:
    """Return what says where a server listens, by scheme. The addresses are read now: the loop takes the sockets."""
    where = [f"{scheme}://{authority(*listener.getsockname()[:2])}" for scheme, listener in listeners]
    return lambda: print("\n".join(f"rtlab {name} listens on {address}" for address in where), flush=True)


def _tls_arguments(options: argparse.Namespace) -> list[str]:
    """The options of TLS that an instance gets."""
    arguments = (
        ["--http2"] if getattr(options, "http2", False) and SERVED[options.name].server.http2 == "optional" else []
    )
    for option in ("certfile", "keyfile"):
        if getattr(options, option) is not None:
            arguments += [f"--{option}", getattr(options, option)]
    return arguments


def _app(name: str) -> Starlette:
    from transports.app import create_app
    from transports.descriptors import refuse_too_few

    try:
        refuse_too_few()  # now, and not after the listening sockets have taken what there is
        return create_app(name)
    except SettingError as error:
        _fail(str(error))


def _serve_instances(name: str, options: argparse.Namespace) -> int:
    """Serve by several processes; returns the exit code."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingError as error:
        _fail(str(error))
    if not 1 <= options.instances <= _MAX_INSTANCES:
        _fail(f"--instances {options.instances}: 1 to {_MAX_INSTANCES} is allowed")
    if settings.redis_url is None:
        _fail("--instances needs --redis URL: without it each process would have rooms of its own")
    prepare_environment()
    _app(name)  # what is wrong with the settings is said once, here
    with _listen(options.host, options.port) as probe:  # says so when somebody else has the port
        port = probe.getsockname()[1]
    with contextlib.ExitStack() as reserved:
        ports = [port] * options.instances
        if options.separate_ports:
            ports = [port + number for number in range(options.instances)]
        else:  # bound, not listening: keeps the port ours while no instance listens
            reserved.enter_context(_listen(options.host, port, shared=True))
        if options.tls and options.certfile is None:  # one for all: a browser trusts a single certificate, not a port
            folder = reserved.enter_context(TemporaryDirectory(prefix="rtlab-tls-"))
            options.certfile, options.keyfile = _written_certificate(Path(folder))
        arguments = ["--log-level", options.log_level, "--loop", options.loop, *_tls_arguments(options)]
        started = commands(name, arguments, options.host, ports)
        return Instances(started, settings.drain_s).run()


def _prepare_demo(host: str) -> None:
    """Set what the race page needs where the caller has set nothing: a key, and room for a steady stream."""
    if host not in ("127.0.0.1", "localhost", "::1"):
        _fail(f"--demo gives a token to everybody who asks: --host {host} is not a loopback address")
    defaults = {"SECRET": secrets.token_hex(32), "RATE": "200", "BURST": "400", "HISTORY_EVENTS": "5000"}
    for name, value in defaults.items():
        os.environ.setdefault(f"RTLAB_{name}", value)
    os.environ["RTLAB_DEMO"] = "1"


def _listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    if not 0 <= port <= 65_535:
        _fail(f"--port {port}: 0 to 65535 is allowed")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            share_port(listener)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        _fail(
            f"cannot listen on {host} port {port}: {error.strerror if isinstance(error, OSError) else 'no host name'}"
        )
    return listener


def _fail(message: str) -> NoReturn:
    print(f"rtlab: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
