"""A server that answers every request 200, or does what its arguments say instead: `started_stand_in.py PORT [HOW]`.

HOW: `busy` answers 503; `crash` ends with a traceback; `silent` never listens; `leave` starts a child that stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "busy" in sys.argv else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()


if "crash" in sys.argv:
    raise ValueError("no such flag")
if "leave" in sys.argv:
    # It neither ends with its parent nor belongs to its parent's session's leader once that is gone.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, "mine", os.environ.get("MINE"), "lab", os.environ.get("RTLAB_MINE"), flush=True)
if "silent" in sys.argv:
    time.sleep(60)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
