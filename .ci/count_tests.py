"""Print what pytest runs counted in their JUnit files as one line; exit with 1 unless tests passed and none failed.

Usage: count_tests.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def count(folder: Path) -> tuple[int, int, int]:
    """Tests (passed, failed, skipped) of all runs; errors in set-up or tear-down count as failed."""
    passed = failed = skipped = 0
    roots = [ElementTree.parse(path).getroot() for path in folder.glob("*.xml")]  # noqa: S314 - pytest wrote them just now
    for suite in (suite for root in roots for suite in root.iter("testsuite")):
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
