"""`python -m transports.proxy`: `rtlab proxy` without the servers' imports, which take longer than its start."""

from __future__ import annotations

import argparse

from transports.proxy import add_options, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="rtlab proxy", description="Carry to a server, with the habits asked for.")
    add_options(parser)
    run(parser.parse_args())
