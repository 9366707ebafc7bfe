"""A generator that is too weak on purpose.

Run: `python -m loadtests.evidence.calibration.weakened PERCENT SPEC.json OUT_DIR`.

The generator of `loadtests.load.users.generator` with so much of a core; what it measures must come out invalid. Exit
code 3 where this system can't hold it back; the first line of standard error says how it was.
"""

from __future__ import annotations

import sys

from loadtests.evidence.calibration.throttle import SAID, ThrottleError, held_back
from loadtests.load.users import generator, transports

assert transports  # imported before the quota begins: importing would take it half a minute


def main(arguments: list[str]) -> int:
    """Run the generator held back; returns its exit code."""
    if len(arguments) != 3 or not arguments[0].isdecimal() or not 1 <= int(arguments[0]) <= 100:
        print("usage: python -m loadtests.evidence.calibration.weakened PERCENT SPEC.json OUT_DIR", file=sys.stderr)
        return 2
    try:
        with held_back(int(arguments[0])) as means:
            print(f"{SAID}{means}", file=sys.stderr, flush=True)
            return generator.main(arguments[1:])
    except ThrottleError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
