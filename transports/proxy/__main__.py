"""`python -m transports.proxy`: `rtlab proxy` without the servers' imports, which take longer than its start."""

from __future__ import annotations

import argparse

from transports.proxy import add_options, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="rtlab proxy", description="Pass requests on to a server, with bad habits.")
    add_options(parser)
    run(parser.parse_args())
