"""Open the race page in the visitor's browser once the server answers."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import webbrowser
from typing import Final

_READY_S: Final = 20.0
_POLL_S: Final = 0.05


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them: an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_when_ready(host: str, port: int, scheme: str = "http") -> threading.Thread:
    """Wait for `/health` beside the server that is about to start, then open its page. Gives up after 20 s."""
    thread = threading.Thread(target=_open, args=(host, port, scheme), daemon=True)
    thread.start()
    return thread


def _open(host: str, port: int, scheme: str) -> None:
    deadline_s = time.monotonic() + _READY_S
    while time.monotonic() < deadline_s:
        if _answers(host, port, scheme):
            webbrowser.open(f"{scheme}://{authority(host, port)}/")
            return
        time.sleep(_POLL_S)


def _answers(host: str, port: int, scheme: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1.0)
    if scheme == "https":  # it is our own server: whose certificate it has is for the browser to judge
        unverified = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, port, timeout=1.0, context=unverified)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
