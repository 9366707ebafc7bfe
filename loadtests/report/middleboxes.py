"""What stands in the way, for readers: the sentence, and the table for a terminal."""

from __future__ import annotations

from loadtests.records.middleboxes import Middleboxes, Row, Seen
from loadtests.report.claims import title
from loadtests.report.quantity import count, digits, listed

_COLUMNS = (
    "box",
    "transport",
    "verdict",
    "apart",
    "p50",
    "p99",
    "silent",
    "left",
    "pulled",
    "parked",
    "reload",
    "drain",
)


def sentence(found: Middleboxes) -> str:
    """Say what passes as boxes come, and what to do about the rest."""
    rows = [row for row in found.as_they_come if row.version and not row.box.startswith("built-in")]
    names = list(dict.fromkeys(row.transport for row in rows))
    boxes = len({row.box for row in rows})
    free = [name for name in names if all(row.passes for row in rows if row.transport == name)]
    bad = [row for row in rows if not row.passes]
    cured = sum(row.cured for row in bad)
    passing = f"{listed([title(name) for name in free])} passed all {boxes} unconfigured boxes" if free else (
        f"no transport passed all {boxes} unconfigured boxes"
    )  # fmt: skip
    rest = f"{cured} of the {count(len(bad), 'row')} that did not pass did so with the settings named below"
    return f"{passing[0].upper()}{passing[1:]}; {rest}." if bad else f"{passing[0].upper()}{passing[1:]}."


def transports(found: Middleboxes) -> list[str]:
    """Return the transports that were asked, in order."""
    return list(dict.fromkeys(row.transport for row in found.rows))


def cell(row: Row) -> str:
    """Return a row as a table of boxes and transports has it."""
    if row.passes:
        return "passes"
    return f"{row.words}; {'cured' if row.cured else 'NOT cured' if row.cure else 'no cure known'}"


def heartbeat_words(found: Middleboxes) -> str:
    """Say what a heartbeat was worth behind boxes that cut what is silent; empty where that was not asked."""
    silent, kept, beating = _heartbeats(found)
    cut = [seen.silent_cut_s for seen in silent if seen.silent_cut_s is not None]
    if not cut:
        return ""
    return (
        f"Without heartbeats {len(silent) - kept} of {len(silent)} silent connections behind boxes were cut, the first "
        f"after {digits(min(cut))} s; with one each {found.heartbeat_s:g} s {beating} of {len(silent)} stayed open."
    )


def heartbeats_keep_more(found: Middleboxes) -> bool:
    """Whether more connections stayed open with heartbeats than silent ones did."""
    _, kept, beating = _heartbeats(found)
    return beating > kept


def _heartbeats(found: Middleboxes) -> tuple[list[Seen], int, int]:
    """Return what was tried silent too, how many of it stayed open silent, and how many with heartbeats."""
    silent = [row.seen for row in found.rows if row.seen.silent_asked]
    return silent, sum(seen.silent_cut_s is None for seen in silent), sum(seen.cut_s is None for seen in silent)


def render_text(found: Middleboxes) -> str:
    """Return the table for a terminal: a line for each row, its cure below it."""
    lines = [f"{found.form}: heartbeat {found.heartbeat_s:g} s, boxes' timeout {found.timeout_s:g} s", ""]
    table = [_COLUMNS, *map(_cells, found.rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_COLUMNS))]
    for cells, row in zip(table, (None, *found.rows), strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        if row is not None and not row.settings and not row.passes:
            lines.append(f"    {cure(row)}")
    lines += [f"!! {each}" for each in found.missing]
    if found.failed_controls:
        names = listed([title(row.transport) for row in found.failed_controls])
        lines.append(f"!! {names} did not pass with nothing in the way: this machine was too busy; believe no row here")
    return "\n".join(lines)


def cure(row: Row) -> str:
    """What cures a row that does not pass, and whether that was seen."""
    if not row.cure:
        return "no cure: no setting here is known to help"
    return f"{'cured by' if row.cured else 'NOT CURED by'}: {' '.join(' '.join(row.cure).split())}"


def _cells(row: Row) -> tuple[str, ...]:
    seen = row.seen
    silent = "" if not seen.silent_asked else "kept" if seen.silent_cut_s is None else f"cut {seen.silent_cut_s:.1f} s"
    parked = (
        "" if seen.parked_kib is None else f"{'' if seen.parked_bounded else '>= '}{seen.parked_kib / 1024:.1f} MiB"
    )
    return (
        f"{row.box}{', with cure' if row.settings else ''}", title(row.transport), row.words, _ms(seen.apart_ms),
        _ms(seen.added_p50_ms), _ms(seen.added_p99_ms), silent, _seconds(seen.left_s),
        _seconds(seen.pulled_s) or seen.pulled, parked, seen.reload, seen.drain,
    )  # fmt: skip


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if abs(value) < 10 else digits(value)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
