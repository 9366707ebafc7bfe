"""The process that generators are forked from: it has imported what would take each of them a second.

`python -m loadtests.load.users.fork_server LEASH` has a Unix stream socket as its standard input. Each message there is
one `ForkOrder`, with three descriptors: the process's standard output and standard error, and a socket that receives
its pid and, once it has ended, its exit code, a line each. It ends when the socket does. A forked process lives on, but
not longer than the lab: LEASH is the descriptor of a pipe that closes with it.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from _socket import socket as RawSocket  # noqa: N812
from importlib import import_module

import msgspec
from gevent.monkey import get_original
from gevent.os import fork_gevent

from loadtests.load.users import cell_master  # noqa: F401  # for the forks, which need no import then
from loadtests.load.users.transports import MEASURING, load_user_class
from loadtests.records.cell_spec import ORDER_DESCRIPTORS, ORDER_MOST_BYTES, ForkOrder

# gevent's own would run its hub, or wait for it to run: it makes no turn here, and starts anew in each fork.
_select = get_original("select", "select")
_waitpid = get_original("os", "waitpid")
_close = get_original("os", "close")
_start_thread = get_original("_thread", "start_new_thread")  # of the kernel: no greenlet could wait so quietly


def main() -> int:
    """Fork until the lab is gone; in a fork, do what was ordered. Returns the exit code of either."""
    for name in MEASURING:
        load_user_class(name)
    gc.freeze()  # no collection of a fork walks, and so copies, what it shares with the others
    order = serve(RawSocket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(0)))
    if order is None:
        return 0
    if len(sys.argv) > 1:
        _start_thread(end_with, (int(sys.argv[1]),))
    code: int = import_module(order.module).main(list(order.arguments))
    return code


def end_with(leash: int) -> None:
    """Wait until the lab is gone, and end this process at once: nothing would read its result."""
    os.read(leash, 1)  # nothing is ever written
    os.kill(os.getpid(), signal.SIGKILL)


def serve(lab: RawSocket) -> ForkOrder | None:
    """Fork for each order: returns it in the new process, and None in this one when the lab has closed its socket."""
    living: dict[int, tuple[int, RawSocket]] = {}  # a pipe's end that closes with a process: its pid, and its keeper
    while True:
        ready, _, _ = _select([lab.fileno(), *living], [], [])
        for ended in living.keys() & set(ready):
            pid, keeper = living.pop(ended)
            _close(ended)
            _notify(keeper, os.waitstatus_to_exitcode(_waitpid(pid, 0)[1]))
            keeper.close()
        if lab.fileno() not in ready:
            continue
        received, descriptors, _, _ = socket.recv_fds(lab, ORDER_MOST_BYTES, ORDER_DESCRIPTORS)  # type: ignore[arg-type]
        if not received:
            return None
        output, errors, keeper_fd = descriptors
        keeper = RawSocket(socket.AF_UNIX, socket.SOCK_STREAM, 0, keeper_fd)
        order = msgspec.json.decode(received, type=ForkOrder)
        seen_alive, alive = os.pipe()
        pid = fork_gevent()
        if not pid:
            # `alive` stays open until this process ends, and shows that it lives.
            for each in (lab, keeper, *(keeper for _, keeper in living.values())):
                each.close()
            for descriptor in (seen_alive, *living):
                _close(descriptor)
            _settle(order, output, errors)
            return order
        for descriptor in (alive, output, errors):
            _close(descriptor)
        living[seen_alive] = pid, keeper
        _notify(keeper, pid)


def _settle(order: ForkOrder, output: int, errors: int) -> None:
    """Make a fork what a program that the lab had started would be."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, descriptor in enumerate((nothing, output, errors)):
        os.dup2(descriptor, place)
        _close(descriptor)
    os.chdir(order.folder)
    if order.cores:
        os.sched_setaffinity(0, order.cores)
    resource.setrlimit(resource.RLIMIT_NOFILE, (order.open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _notify(keeper: RawSocket, number: int) -> None:
    try:
        keeper.send(b"%d\n" % number)
    except OSError:
        return  # the lab no longer wants to know


if __name__ == "__main__":
    raise SystemExit(main())
