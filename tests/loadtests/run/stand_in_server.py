"""A server of the standard library with `/health` and `/metrics` only: what the lab itself asks of a server.

`python -m tests.loadtests.run.stand_in_server NAME --host H --port N [--deflate] [--die-after S] [--instances N]`

With several instances each connection is answered by the next one, as by processes that share a port.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTH = {"status": "ok", "transport": "stand-in", "tcpNodelay": True, "deflate": False, "sink": "portable"}
METRICS = 'rtlab_connections{transport="a"} 2\nrtlab_connections{transport="b"} 3\nrtlab_outbox_bytes 7\n'


def answers(instance: int) -> dict[str, bytes]:
    """Return what an instance, counted from 0, answers; it has delivered 100 events more than the one before."""
    deliveries = f'rtlab_deliveries_total{{transport="a"}} {100 * (instance + 1)}\n'
    return {
        "/health": json.dumps(HEALTH | {"instance": f"i{instance:02}"}).encode(),
        "/metrics": (METRICS + deliveries).encode(),
    }


class Handler(BaseHTTPRequestHandler):
    """Answers from a table; one of these for each connection."""

    protocol_version = "HTTP/1.1"
    turns = itertools.cycle([answers(0)])

    def setup(self) -> None:
        super().setup()
        self.answers = next(self.turns)

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the log for last words."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--die-after", type=float)
    parser.add_argument("--redis")
    parser.add_argument("--instances", type=int, default=1)
    options = parser.parse_args()
    Handler.turns = itertools.cycle([answers(instance) for instance in range(options.instances)])
    if options.die_after is not None:
        threading.Timer(options.die_after, lambda: os._exit(9)).start()
    ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
