"""A prefork server: a parent and a worker with one listening socket, and a child of the worker without it.

`python stand_in_prefork.py ADDRESS KIND [PORT]` prints the port and the three pids. KIND `proxy` opens a connection of
its own for each that it takes. All end when the parent's standard input does.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

address, kind = sys.argv[1:3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.create_server((address, int((sys.argv[3:] or ["0"])[0])), family=family)
ended, ending = os.pipe()


def work() -> None:
    kept: list[object] = []
    while True:
        kept.append(listener.accept()[0])
        if kind == "proxy":
            kept.append(socket.socketpair())
        kept[-1 if kind == "server" else -2].sendall(b"!")  # type: ignore[attr-defined]


def until_the_parent_ends() -> None:
    os.close(ending)
    os.read(ended, 1)
    os._exit(0)


reported, telling = os.pipe()
worker = os.fork()
if not worker:
    child = os.fork()
    if not child:
        listener.close()
        until_the_parent_ends()
    os.write(telling, b"%d" % child)
    threading.Thread(target=work, daemon=True).start()
    until_the_parent_ends()
print(listener.getsockname()[1], os.getpid(), worker, int(os.read(reported, 20)), flush=True)
sys.stdin.read()
