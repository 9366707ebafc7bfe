"""`rtlab`, but it measures nothing again: how busy this machine is must not decide how long a test takes.

That a run measures again what the machine has spoilt is for the tests of its passes.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from loadtests import cli

RTLAB = (sys.executable, "-m", __name__)
"""As a process: where it is ended or stopped, or what it prints while it runs is read."""


def rtlab_once(*arguments: str) -> int:
    """Run the command line in this process, and return its exit code: a process of its own imports all of the lab."""
    from loadtests.run import experiment, plan

    with patch.object(experiment, "RepeatPasses", lambda planned, _: plan.RepeatPasses(planned, 0)):
        return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(rtlab_once(*sys.argv[1:]))
