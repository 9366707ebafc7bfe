"""nginx in front of a server, twice: as it comes, and with the settings that its manual names for streams."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.records.errors import LabError
from loadtests.run.process import Child
from loadtests.run.servers import free_port, listens

_READY_S = 10.0
_STOP_S = 5.0

# https://nginx.org/en/docs/http/websocket.html and ngx_http_proxy_module, proxy_buffering
_FOR_STREAMS = """proxy_http_version 1.1; proxy_buffering off;
   proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"""

_CONFIG = """daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn; USER
events {{ worker_connections 128; }}
http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy;
 fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
 map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
 server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
 server {{ listen 127.0.0.1:{configured}; location / {{ proxy_pass http://127.0.0.1:{behind}; {settings} }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Ports of this machine: nginx as it comes, and configured for streams."""

    plain_port: int
    configured_port: int


def version() -> str:
    """Return nginx's version, empty where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        return ""
    said = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    found = re.search(r"nginx/(\S+)", said.stderr + said.stdout)
    return found[1] if found else "unknown version"


@contextmanager
def proxies(behind_port: int, folder: Path) -> Iterator[Proxies]:
    """Run nginx before a port until the context is left. Raises LabError."""
    program = shutil.which("nginx")
    if program is None:
        raise LabError("nginx was not found")
    ports = Proxies(free_port(), free_port())
    config = _CONFIG.format(
        plain=ports.plain_port, configured=ports.configured_port, behind=behind_port, settings=_FOR_STREAMS
    )
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(config.replace("USER", user), encoding="utf-8")
    child = Child(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")],
        log=folder / "nginx.log",
        environment=os.environ,
    )
    try:
        for port in (ports.plain_port, ports.configured_port):
            if not listens(port, _READY_S, lambda: child.exit_code() is not None):
                raise LabError(f"nginx did not listen within {_READY_S:g} s, or ended: {child.last_line()}")
        yield ports
    finally:
        child.stop(_STOP_S)
