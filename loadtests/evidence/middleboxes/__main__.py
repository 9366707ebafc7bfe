"""`python -m loadtests.evidence.middleboxes [FILE]`: keep a run as reference, and write docs/deployment.md from it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loadtests.evidence.middleboxes.document import PATH, REFERENCE, with_section
from loadtests.records.errors import RunError
from loadtests.records.middleboxes import FILE, load
from loadtests.records.store import write_atomically


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.middleboxes", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a middleboxes.json (default: the newest run's)")
    options = parser.parse_args(arguments)
    path = options.file or max(Path("results/runs").glob(f"*-middleboxes-*/{FILE}"), default=None)
    try:
        if path is None:
            raise RunError("there is no run yet: rtlab run middleboxes")
        found = load(path)
        if found.note or found.missing:
            raise RunError(f"{path} is not whole: {'; '.join(filter(None, (found.note, *found.missing)))}")
        if found.failed_controls:
            raise RunError(f"{path} is not kept: its control does not pass, so the machine was too busy")
        write_atomically(REFERENCE / FILE, path.read_bytes())
        PATH.write_text(with_section(PATH.read_text(encoding="utf-8"), found), encoding="utf-8")
    except (RunError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
