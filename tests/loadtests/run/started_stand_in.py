"""A server that answers every request 200, or does what its arguments say instead: `started_stand_in.py PORT [HOW]`.

HOW: `busy` answers 503; `crash` ends with a trace; `silent` never listens; `leave` starts a child that stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "busy" in sys.argv else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()


if "crash" in sys.argv:
    print(
        "Error: no such flag\n    at emitErrorNT (stand-in:1:1)\nEmitted 'error' event\n\nStand-in v1", file=sys.stderr
    )
    sys.exit(1)
if "leave" in sys.argv:
    # It neither ends with its parent nor belongs to its parent's session's leader once that is gone.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, "mine", os.environ.get("MINE"), "lab", os.environ.get("RTLAB_MINE"), flush=True)
if "silent" in sys.argv:
    time.sleep(60)
ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(sys.argv[1])), Handler).serve_forever()
