"""A race as an animated SVG: a bar for each lane grows until its message is there. No matplotlib: nothing is plotted.

Without motion (`prefers-reduced-motion`) it shows the end of the race.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from html import escape

from loadtests.records.race import Finish, Race
from loadtests.report import palette
from loadtests.report.quantity import count, digits

_WIDTH, _TRACK_FROM, _TRACK = 720, 130, 430
_HEAD, _ROW, _BAR = 34, 32, 12
_LEAD_S, _RUN_S, _HOLD_S = 0.6, 4.0, 4.4
_LOOP_S = _LEAD_S + _RUN_S + _HOLD_S
_VERDICT_WIDTH = 92  # characters in a line
_MOST_TICKS = 6
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


def slowed(race: Race) -> float:
    """Return how many times slower the animation is than the race was."""
    return 1000 * _RUN_S / _slowest_ms(race)


def animation(race: Race, label: str) -> str:
    """Return an `<svg>` in the page's CSS variables; `label` is what a screen reader says."""
    rows = len(race.finishes)
    foot = _HEAD + rows * _ROW
    said = textwrap.wrap(race.verdict, _VERDICT_WIDTH)
    height = foot + 34 + 20 * len(said)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(label)}">',
        f"<style>{_style(race)}</style>",
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="var(--paper)"/>',
        f'<text x="16" y="23" style="font-weight:700">{escape(heading(race))}</text>',
        *_axis(race, foot),
        *(part for place, finish in enumerate(race.finishes) for part in _lane(race, finish, place)),
        f'<line class="now" x1="{_TRACK_FROM + _TRACK}" x2="{_TRACK_FROM + _TRACK}" y1="{_HEAD}" y2="{foot}"/>',
        *(
            f'<text class="end" x="16" y="{foot + 42 + 20 * line}">{escape(words)}</text>'
            for line, words in enumerate(said)
        ),
        "</svg>",
    ]
    return "".join(parts)


def heading(race: Race) -> str:
    """Say what is raced."""
    line = f"over a line of {2 * race.one_way_ms:g} ms there and back" if race.one_way_ms else "on one machine"
    return f"One message to a browser, {count(len(race.finishes), 'way')}, {line}"


def _lane(race: Race, finish: Finish, place: int) -> Iterator[str]:
    middle = _HEAD + place * _ROW + _ROW / 2
    length = _TRACK * _share(race, finish)
    colour = f"var(--{palette.look(finish.lane).name})"
    yield f'<text x="16" y="{middle + 5:g}">{escape(finish.title)}</text>'
    yield (
        f'<rect class="bar b{place}" x="{_TRACK_FROM}" y="{middle - _BAR / 2:g}" width="{length:.1f}" height="{_BAR}" '
        f'rx="3" fill="{colour}" opacity=".55"/>'
    )
    yield f'<circle class="c{place}" cx="{_TRACK_FROM + length:.1f}" cy="{middle:g}" r="8" fill="{colour}"/>'
    said = finish.said or "not here in time"
    yield f'<text class="r{place}" x="{_TRACK_FROM + _TRACK + 22}" y="{middle + 5:g}">{escape(said)}</text>'


def _axis(race: Race, foot: float) -> Iterator[str]:
    slowest_ms = _slowest_ms(race)
    decade = 10 ** math.floor(math.log10(slowest_ms))
    steps = (factor * decade for factor in (0.1, 0.2, 0.5, 1, 2, 5))
    step_ms = next(step for step in steps if slowest_ms / step <= _MOST_TICKS)
    for tick in range(int(slowest_ms / step_ms) + 1):
        x = _TRACK_FROM + _TRACK * tick * step_ms / slowest_ms
        yield f'<line class="rail" x1="{x:.1f}" x2="{x:.1f}" y1="{_HEAD}" y2="{foot}"/>'
        unit = " ms" if tick == 0 else ""
        yield f'<text class="tick" x="{x:.1f}" y="{foot + 16}">{digits(tick * step_ms)}{unit}</text>'


def _style(race: Race) -> str:
    """Return the rules: each thing moves or appears at its own instant of one loop, which all of them share."""
    rules = [
        f"text{{font:14px {_FONT};fill:var(--ink)}}.tick{{font-size:12px;fill:var(--muted);text-anchor:middle}}"
        ".rail{stroke:var(--rule)}.now{stroke:var(--muted);stroke-dasharray:2 3;opacity:0}"
        ".bar{transform-box:fill-box;transform-origin:left}"
        f"[class]{{animation:{_LOOP_S:g}s linear infinite}}",
    ]
    for place, finish in enumerate(race.finishes):
        begins, ends = _percent(0), _percent(_RUN_S * _share(race, finish))
        back = f"transform:translateX({-_TRACK * _share(race, finish):.1f}px)"
        rules += [
            _moving(f"b{place}", begins, ends, "transform:scaleX(0)", "transform:none"),
            _moving(f"c{place}", begins, ends, back, "transform:none"),
            _moving(f"r{place}", ends, ends + 0.5, "opacity:0", "opacity:1"),
        ]
    over = _percent(_RUN_S)
    rules += [
        _moving("end", over, over + 2, "opacity:0", "opacity:1"),
        f".now{{animation-name:now}}@keyframes now{{"
        f"0%,{_percent(0):.2f}%{{transform:translateX({-_TRACK}px);opacity:1}}"
        f"{over:.2f}%{{transform:none;opacity:1}}{over + 1:.2f}%,100%{{transform:none;opacity:0}}}}",
        "@media (prefers-reduced-motion:reduce){[class]{animation:none}}",
    ]
    return "".join(rules)


def _moving(name: str, begins: float, ends: float, before: str, after: str) -> str:
    frames = f"0%,{begins:.2f}%{{{before}}}{ends:.2f}%,100%{{{after}}}"
    return f".{name}{{animation-name:{name}}}@keyframes {name}{{{frames}}}"


def _percent(run_s: float) -> float:
    """Return an instant of the race, in seconds of the animation, as a share of the loop."""
    return 100 * (_LEAD_S + run_s) / _LOOP_S


def _slowest_ms(race: Race) -> float:
    return max((finish.ms for finish in race.finishes if finish.ms is not None), default=0.0) or 1.0


def _share(race: Race, finish: Finish) -> float:
    return 1.0 if finish.ms is None else finish.ms / _slowest_ms(race)
