"""A program that takes a core now and then, until it is killed.

`python -m loadtests.evidence.calibration.hog LEVEL_MS`: in the study's disturbed windows it computes for LEVEL_MS of
its own processor time every 20 ms.
"""

from __future__ import annotations

import sys
import time

from loadtests.evidence.calibration.windows import disturbed

PERIOD_MS = 20


def main(arguments: list[str]) -> None:
    """Take the core in turns; does not return."""
    level_ns, turn_ns = int(float(arguments[0]) * 1e6), time.monotonic_ns()
    while True:
        turn_ns += PERIOD_MS * 1_000_000
        time.sleep(max(0, turn_ns - time.monotonic_ns()) / 1e9)
        until_ns = time.thread_time_ns() + level_ns
        while disturbed(turn_ns) and time.thread_time_ns() < until_ns:
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
