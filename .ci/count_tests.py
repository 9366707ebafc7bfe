"""Print what pytest runs counted in their JUnit files as one line; exit with 1 unless tests passed and none failed.

Usage: count_tests.py FOLDER. Its files are read in the order of their names: of a test that was run again the last run
counts. What a folder in it holds are runs of another kind: the same tests count once more.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def count(folder: Path) -> Counter[str]:
    """Tests "passed", "failed" and "skipped"; errors in set-up or tear-down count as failed."""
    outcomes: dict[tuple[Path, str | None, str | None], str] = {}
    for path in sorted(folder.rglob("*.xml")):
        run: dict[tuple[Path, str | None, str | None], str] = {}
        for case in ElementTree.parse(path).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it just now
            test = path.parent, case.get("classname"), case.get("name")
            if run.get(test) != "failed":  # an error in tear-down is a second entry
                run[test] = _outcome(case)
        outcomes |= run
    return Counter(outcomes.values())


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def main() -> int:
    counted = count(Path(sys.argv[1]))
    print(f"{counted['passed']} passed, {counted['failed']} failed, {counted['skipped']} skipped")
    return 0 if counted["passed"] and not counted["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
