"""`python -m loadtests.cli` is `rtlab`."""

from __future__ import annotations

import sys

from loadtests.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
