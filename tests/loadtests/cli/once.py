"""`rtlab`, but it measures nothing again: how busy this machine is must not decide how long a test takes.

That a run measures again what the machine has spoilt is for the tests of its passes.
"""

from __future__ import annotations

import sys

from loadtests.run import plan

RTLAB = (sys.executable, "-m", __name__)


def main() -> int:
    """Run the command line."""
    assert "loadtests.run.experiment" not in sys.modules, "it has read the number already"
    plan.REPEATS = 0
    from loadtests.cli import main as rtlab

    return rtlab()


if __name__ == "__main__":
    sys.exit(main())
