"""A small world of published data: three browsers; one engine removed push, of another nothing is known."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.evidence.support.packages import Caniuse, Mdn, Usage

CANIUSE = Caniuse(
    browsers={
        "chrome": Usage({"100": 10.0, "110": 40.0, "120": 0.0}, {"100": 1, "110": 1_700_000_000, "120": None}),
        "safari": Usage({"15.2-15.3": 20.0, "TP": 0.0}, {"15.2-15.3": 1_600_000_000, "TP": None}),
        "and_uc": Usage({"15.5": 10.0}, {"15.5": 1_650_000_000}),
    },
    stats={
        "websockets": {"chrome": {"100": "y", "110": "y"}, "safari": {"15.2-15.3": "a #1"}, "and_uc": {"15.5": "n"}},
        "http2": {"chrome": {"100": "y #3", "110": "y #3"}, "safari": {"15.2-15.3": "y"}, "and_uc": {"15.5": "y"}},
    },
)


def mdn(folder: Path, support: object) -> Mdn:
    """Write and read a package whose `api.Thing` has the given support."""
    releases = {
        "chrome": {"100": ("Blink", "100"), "110": ("Blink", "110.0.1")},
        "safari": {"15": ("WebKit", "612.1")},
    }
    data = {
        "__meta": {"timestamp": "2026-01-02T03:04:05Z", "version": "1.2.3"},
        "browsers": {
            browser: {"releases": {v: {"engine": e, "engine_version": n} for v, (e, n) in found.items()}}
            for browser, found in releases.items()
        },
        "api": {"Thing": {"__compat": {"support": support}}},
    }
    folder.mkdir(exist_ok=True)
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    return Mdn(folder)
