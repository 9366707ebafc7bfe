"""Print a pytest run's counts from its JUnit file as one plain line; exit with 1 unless tests passed and none failed.

Usage: count_tests.py JUNIT_XML
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def count(junit: Path) -> tuple[int, int, int]:
    """Tests (passed, failed, skipped); errors in set-up or tear-down count as failed."""
    passed = failed = skipped = 0
    for suite in ElementTree.parse(junit).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it just now
        suite_failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        suite_skipped = int(suite.get("skipped", 0))
        passed += int(suite.get("tests", 0)) - suite_failed - suite_skipped
        failed += suite_failed
        skipped += suite_skipped
    return passed, failed, skipped


def main() -> int:
    passed, failed, skipped = count(Path(sys.argv[1]))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
