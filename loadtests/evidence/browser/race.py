"""`python -m loadtests.evidence.browser.race [--out FOLDER]`: race a message in Chromium; keep what the page showed.

The README's animation is drawn from it. A first race warms the connections up; the second one is kept, whatever comes
out.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from loadtests.evidence.browser.engines import ENGINES, Engine
from loadtests.evidence.browser.page import probe
from loadtests.records import race
from loadtests.records.errors import LabError
from loadtests.records.race import Finish, Race
from loadtests.run import manifest
from loadtests.run.servers import Server, ServerSettings

_ROOT = Path(__file__).parents[3]
_ONE_WAY_MS = 25  # one of the page's own choices
_REST_MS = 3000  # before each race, for the page to be still: it replays a race in slow motion
_RACES_S = 40.0
_DEMO = {"RTLAB_DEMO": "1"}


class Shown(msgspec.Struct, frozen=True):
    """Answer of the probe `race`."""

    verdict: str
    finishes: tuple[Finish, ...]


def record(engine: Engine, folder: Path) -> Race:
    """Serve the page, race a message in the browser. Logs go into `folder`. Raises LabError."""
    started_utc = datetime.now(UTC).isoformat(timespec="seconds")
    with Server("all", ServerSettings(variables=_DEMO), log=folder / "server.log") as server:
        server.wait_ready(lambda: None)
        with engine.started(folder / "browser.log") as browser:
            tab = browser.open(f"{server.url}/?room=race")
            shown = probe(browser, tab, "race", {"oneWayMs": _ONE_WAY_MS, "restMs": _REST_MS}, Shown, takes_s=_RACES_S)
    environment = manifest.collect({}, 0)
    return Race(
        version=race.VERSION,
        commit=manifest.short_commit(environment["git"], "not in git"),
        started_utc=started_utc,
        browser=engine.version().partition(" built on ")[0],
        cores=int(environment["host"]["usable_cores"] or 1),
        one_way_ms=_ONE_WAY_MS,
        verdict=shown.verdict,
        finishes=shown.finishes,
    )


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evidence.browser.race", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--out", type=Path, default=_ROOT / "results" / "reference", metavar="FOLDER")
    options = parser.parse_args(arguments)
    chromium = ENGINES[0]
    try:
        with TemporaryDirectory(prefix="rtlab-race-") as folder:
            found = record(chromium, Path(folder))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    path = options.out / race.FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    sys.stdout.write(f"{found.verdict}\n{path.name}: written; python -m loadtests.report.readme draws it\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
