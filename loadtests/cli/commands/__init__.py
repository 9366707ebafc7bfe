"""One module per command: `add` describes it to the parser, `_command` runs it. A new command is one line here."""

from __future__ import annotations

from loadtests.cli.commands import browser, calibrate, capacity, compare, diff, export, listing, report, run

COMMANDS = (
    compare.add,
    run.add,
    capacity.add,
    browser.add,
    calibrate.add,
    report.add,
    diff.add,
    export.add,
    listing.add,
)
