"""Links of the race page to itself elsewhere: at the https port, and behind the built-in proxy."""

from __future__ import annotations

import contextlib
import socket
import subprocess

from starlette.applications import Starlette

from transports import proxy
from transports.race import Place


def link_to_proxied(app: Starlette, listener: socket.socket, until: contextlib.ExitStack) -> None:
    """Let the race page link to itself behind the built-in proxy, which ends with `until`."""
    plain_port = listener.getsockname()[1]
    with socket.create_server((proxy.HOST, 0)) as probe:
        port = probe.getsockname()[1]
    knobs = proxy.Knobs(hold_bytes=65_536, drop_upgrade=True)
    until.callback(_ended, proxy.start(plain_port, port, knobs))
    others = getattr(app.state, "elsewhere", (Place("This page without the proxy", "http", plain_port),))
    app.state.elsewhere = (*others, Place("This page behind a proxy that nobody configured", "http", port))


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def link_to_each_other(app: Starlette, plain: socket.socket, secure: socket.socket) -> None:
    """Let the race page link to itself at the other port."""
    app.state.elsewhere = (
        Place("This page without TLS", "http", plain.getsockname()[1]),
        Place("This page over TLS", "https", secure.getsockname()[1]),
    )
