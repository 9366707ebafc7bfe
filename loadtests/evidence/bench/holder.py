"""`python -m loadtests.evidence.bench.holder TRANSPORT PORT`: a process that holds idle connections.

Each line on standard input is how many there are to be; it is repeated on standard output once they are. `--tls`: over
TLS. In a process of its own, since Python's TLS takes memory and time that must not be the server's.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from loadtests.evidence.bench.runs import idle
from loadtests.evidence.bench.systems import TRANSPORTS


def main() -> None:
    """Hold what is asked for until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.bench.holder", description=__doc__)
    parser.add_argument("transport", choices=TRANSPORTS)
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    held = 0
    with ExitStack() as connections:
        for line in sys.stdin:
            for _ in range(int(line) - held):
                connections.enter_context(idle(options.transport, options.port, tls=options.tls))
            held = int(line)
            print(held, flush=True)


if __name__ == "__main__":
    main()
