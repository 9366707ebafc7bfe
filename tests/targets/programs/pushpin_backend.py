"""The backend behind Pushpin: it lets Pushpin hold each stream, and says which channel it is of.

Usage: python pushpin_backend.py PORT
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Held(BaseHTTPRequestHandler):
    """GET /events/ROOM is held as a stream of ROOM; anything else is answered at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer by headers alone."""
        _, way, room = [*self.path.split("/"), "", ""][:3]
        self.send_response(200)
        if way == "events":
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Grip-Hold", "stream")
            self.send_header("Grip-Channel", room)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Held).serve_forever()
