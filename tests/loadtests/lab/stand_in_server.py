"""A server of the standard library with `/health` and `/metrics` only: what the lab itself asks of a server.

`python -m tests.loadtests.lab.stand_in_server NAME --host H --port N [--deflate] [--die-after S]`
"""

from __future__ import annotations

import argparse
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "/health": b'{"status":"ok","transport":"stand-in","tcpNodelay":true,"deflate":false,"sink":"portable"}',
    "/metrics": b'rtlab_connections{transport="a"} 2\nrtlab_connections{transport="b"} 3\nrtlab_outbox_bytes 7\n',
}


class Handler(BaseHTTPRequestHandler):
    """Answers from a table."""

    def do_GET(self) -> None:
        body = ANSWERS.get(self.path)
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
    options = parser.parse_args()
    if options.die_after is not None:
        threading.Timer(options.die_after, lambda: os._exit(9)).start()
    ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
