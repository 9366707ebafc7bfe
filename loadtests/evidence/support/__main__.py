"""`python -m loadtests.evidence.support`: make `facts.json` again from the package versions that it names.

    python -m loadtests.evidence.support              # write it: from the same versions, the same bytes
    python -m loadtests.evidence.support --check      # write nothing; 1 if the committed file differs
    python -m loadtests.evidence.support --newest     # from the newest versions

Needs npm and node. Says when the facts are older than a year.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from loadtests.evidence.support import CANIUSE, MDN, fetched, packages
from loadtests.records import facts as committed
from loadtests.records.errors import SupportError
from loadtests.records.facts import FACTS, Facts, encode, stale


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.support", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--newest", action="store_true", help="use the packages' newest versions (default: those that the file names)"
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--file", type=Path, default=FACTS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        facts = fetched(*_versions(options))
        if options.check and options.file.read_bytes() != encode(facts):
            raise SupportError(f"{options.file.name} is not what its sources give: make it again")
        if not options.check:
            options.file.write_bytes(encode(facts))
    except (SupportError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_summary(facts))
    if warning := stale(facts, datetime.now(UTC).date()):
        sys.stderr.write(f"{warning}\n")
    return 0


def _versions(options: argparse.Namespace) -> tuple[str, str]:
    if options.newest:
        return packages.newest(MDN), packages.newest(CANIUSE)
    named = {source.package: source.version for source in committed.load(options.file).sources}
    return named[MDN], named[CANIUSE]


def _summary(facts: Facts) -> str:
    lines = [f"{source.package} {source.version} of {source.date} ({source.licence})" for source in facts.sources]
    lines += [
        f"{api.title:<30} full {api.share.full:6.2f} %  partial {api.share.partial:5.2f} %  "
        f"none {api.share.none:5.2f} %  unknown {api.share.unknown:5.2f} %"
        for api in facts.apis
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
