"""Throttle a process on purpose: a processor quota where control groups allow it, else an idle class and a hog.

Run: `python -m loadtests.evidence.calibration.throttle PERCENT SPEC.json OUT_DIR`: the generator of
`loadtests.load.users.generator` with so much of a core; what it measures must come out invalid. Exit code 3 where this
system can't throttle it; the first line of standard error says how it was.

Linux only. What is set up here is taken down again when the block is left; groups whose process was killed are removed
by the next one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.run import process, quota

SAID = "held back by "
"""How the line begins that says by what means; the means, in words, follow."""

_PERIOD_US = 100_000
_CONTROL_GROUPS = quota.CONTROL_GROUPS
_NAME = "rtlab-weak-"
# Ends with its parent, however that ends.
_HOG = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


class ThrottleError(RuntimeError):
    """This system has no way to hold a process back."""


@contextmanager
def throttled(percent: int) -> Iterator[str]:
    """Give this process about `percent` of a core while entered; yields how, in words. Raises ThrottleError."""
    for controller in quota.controllers(_CONTROL_GROUPS, _NAME):
        group = controller / f"{_NAME}{os.getpid()}"
        try:
            group.mkdir()
            quota.limit(group, percent, _PERIOD_US)
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            quota.remove(group)
            continue
        try:
            yield f"a quota of {percent} % of a core (control group)"
        finally:
            (controller / "cgroup.procs").write_text(str(os.getpid()))
            quota.remove(group)
        return
    with _hogged():
        yield "the idle scheduling class beside a program that uses its core wholly"


@contextmanager
def _hogged() -> Iterator[None]:
    if not hasattr(os, "SCHED_IDLE"):
        raise ThrottleError("neither control groups nor an idle scheduling class here: nothing can be held back")
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(ours)})
    hog = subprocess.Popen([sys.executable, "-c", _HOG], preexec_fn=process.end_with_us())  # noqa: S603  # inherits the one core
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        hog.kill()
        hog.wait()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, ours)


def main(arguments: list[str]) -> int:
    """Run the generator throttled; returns its exit code."""
    # Here, and not where this module is imported: Locust patches the process. Under the quota it would take too long.
    from loadtests.load.users import generator, transports

    assert transports
    if len(arguments) != 3 or not arguments[0].isdecimal() or not 1 <= int(arguments[0]) <= 100:
        print("usage: python -m loadtests.evidence.calibration.throttle PERCENT SPEC.json OUT_DIR", file=sys.stderr)
        return 2
    try:
        with throttled(int(arguments[0])) as means:
            print(f"{SAID}{means}", file=sys.stderr, flush=True)
            return generator.main(arguments[1:])
    except ThrottleError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
