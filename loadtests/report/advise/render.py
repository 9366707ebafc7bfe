"""Advice for a terminal, at most 100 columns, and as JSON."""

from __future__ import annotations

import textwrap

import msgspec

from loadtests.report.advise.advice import Advice
from loadtests.report.advise.figure import MEASURED, Figure
from loadtests.report.advise.option import Option
from loadtests.report.claims import in_prose, title
from loadtests.report.priced import BUSY_SHARE
from loadtests.report.quantity import UNKNOWN, count, digits, laid_out, span

WIDTH = 100
FORMAT, VERSION = "rtlab-advice", 1
_HEADINGS = ("", "transport", "p50 ms", "p99 ms", "B/deliv", "CPU us", "KiB/conn", "servers", "a million", "a month")
_PARTS = ("cpu", "memory", "egress", "idle_connections", "messages", "unused")


def as_text(advice: Advice) -> str:
    """Return the answer: the case, a table, the first in detail, what is out, and what to set."""
    best = advice.ranked[0].option if advice.ranked else None
    blocks = [
        _filled(f"case: {advice.case.words}"),
        _filled(
            f"prices: {advice.prices.name}, {advice.prices.currency}, of {advice.prices.date}: {advice.prices.source}"
            f"{advice.prices.caveat}"
        ),
        _filled(f"figures: run {advice.run_id} and what lies beside it; a vCPU is taken for a core of that machine"),
        "",
        _lead(advice),
        "",
        *_table(advice),
    ]
    if best is not None:
        blocks += ["", *_detail(advice, best)]
    if advice.out:
        blocks += ["", "not for this case:", *(_filled(f"  {title(o.transport)}: {o.out}") for o in advice.out)]
    return "\n".join([*blocks, *(["", *map(_filled, advice.notes)] if advice.notes else [])])


def _lead(advice: Advice) -> str:
    if not advice.ranked:
        return "No transport that was measured fits this case."
    first, *others = advice.ranked
    then = f" Next: {in_prose(others[0].option.transport)}, {others[0].because}." if others else ""
    name = in_prose(first.option.transport)
    return _filled(f"Take {name}: {first.because}.{then}")


def _table(advice: Advice) -> list[str]:
    options = [each.option for each in advice.ranked] + list(advice.out)
    rows = [_row(str(place) if place <= len(advice.ranked) else "-", o) for place, o in enumerate(options, 1)]
    return laid_out([_HEADINGS, *rows], (0, 1)) if rows else []


def _row(mark: str, option: Option) -> tuple[str, ...]:
    bill, needed = option.bill, option.size
    return (
        mark,
        title(option.transport),
        _value(option.p50_ms),
        _value(option.p99_ms),
        _value(option.wire_bytes),
        _value(option.cpu_us),
        _value(option.memory_kib),
        UNKNOWN if needed is None else str(needed.machines),
        UNKNOWN if bill is None else digits(bill.per_million),
        UNKNOWN if bill is None else digits(bill.total),
    )


def _value(figure: Figure | None) -> str:
    if figure is None:
        return UNKNOWN
    return f"{'>= ' if figure.at_least else ''}{digits(figure.value)}"


def _detail(advice: Advice, option: Option) -> list[str]:
    named = (
        ("p50", option.p50_ms, "ms"),
        ("p99", option.p99_ms, "ms"),
        ("a delivery on the wire", option.wire_bytes, "B"),
        ("server CPU a delivery", option.cpu_us, "us"),
        ("an idle connection", option.memory_kib, "KiB"),
        (f"a core carries{_planned(option.capacity_per_s)}", option.capacity_per_s, "deliveries/s"),
    )
    lines = [f"{title(option.transport)}, figure by figure:"]
    lines += [_filled(f"  {name}: {in_full(figure, unit)}", "    ") for name, figure, unit in named]
    if option.size is not None:
        needed = option.size
        ends = dict.fromkeys((needed.least_machines, needed.most_machines))
        most = " to ".join(f"{end:,}" for end in ends)
        held = f"{count(needed.processes, 'process', 'processes')}, {digits(needed.memory_gib)} GiB"
        lines.append(_filled(f"  servers: {needed.machines:,} ({most} within the intervals), {held}", "    "))
    return [*lines, *_priced(option), *_dangers(advice, option)]


def _planned(figure: Figure | None) -> str:
    return f", {BUSY_SHARE:.0%} busy" if figure is None or figure.how != MEASURED else ""


def in_full(figure: Figure | None, unit: str) -> str:
    """Return a figure with its interval and how it is known."""
    if figure is None:
        return "neither measured nor modelled"
    between = ""
    if figure.low is not None:
        between = f" [{span(figure.low, figure.high) if figure.high is not None else f'{digits(figure.low)} and more'}]"
    return f"{_value(figure)} {unit}{between}, {figure.known} ({figure.source})"


def _priced(option: Option) -> list[str]:
    bill = option.bill
    if bill is None:
        return []
    parts = [f"{name.replace('_', ' ')} {digits(value)}" for name in _PARTS if (value := getattr(bill, name))]
    lines = [
        f"  a month: {bill.currency} {digits(bill.total)} [{span(bill.low, bill.high)}], {bill.how}: "
        f"{', '.join(parts)}",
        f"  a million deliveries: {bill.currency} {digits(bill.per_million)}",
    ]
    if bill.cpu and bill.egress:
        lines.append(f"  egress costs {digits(bill.egress_over_cpu, 2)} times the processor")
    return [_filled(line, "    ") for line in lines]


def _dangers(advice: Advice, option: Option) -> list[str]:
    lines = [f"  risk, {risk.slug}: {risk.words} ({risk.source})" for risk in option.risks]
    lines.append(f"  set {advice.heartbeat.words}")
    if option.window_s is not None:
        lines.append(f"  set jitter of reconnecting: 0 to {digits(option.window_s)} s, W* = N / u")
    else:
        lines.append(
            "  set jitter of reconnecting: 0 to N / u seconds; u, joins a second, was not measured for it here"
        )
    return [_filled(line, "    ") for line in lines]


def _filled(text: str, indent: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def as_json(advice: Advice) -> str:
    """Return the same as JSON; every figure with `low`, `high`, `how` and `source`."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "case": advice.case,
        "prices": advice.prices,
        "unverified": advice.prices.unverified,
        "run_id": advice.run_id,
        "heartbeat": {"every_s": advice.heartbeat.every_s, "least_idle": advice.heartbeat.least},
        "ranked": [{"because": each.because, **_fields(each.option)} for each in advice.ranked],
        "out": [_fields(option) for option in advice.out],
        "notes": advice.notes,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1).decode()


def _fields(option: Option) -> dict[str, object]:
    bill = option.bill
    return {
        **{name: getattr(option, name) for name in Option.__dataclass_fields__ if name != "bill"},
        "cost": None
        if bill is None
        else {
            "currency": bill.currency,
            "per_month": bill.total,
            "per_month_low": bill.low,
            "per_month_high": bill.high,
            "per_million_deliveries": bill.per_million,
            "how": bill.how,
            "split": {name: getattr(bill, name) for name in _PARTS},
        },
    }
