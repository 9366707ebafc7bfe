"""A calibration is read back as it was written, and what is none is said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records import calibration
from loadtests.records.calibration import CALIBRATION_VERSION, Calibration, Check
from loadtests.records.errors import RunError

CHECK = Check(transport="sse", fault="1 in 100 lost", figure="deliveries", unit="", planted=3, found=3, bound=0)
MADE = Calibration(
    calibration_version=CALIBRATION_VERSION,
    form="full",
    started_utc="2026-01-01T00:00:00+00:00",
    elapsed_s=1.0,
    commit=None,
    host={"cores": 2},
    checks=(CHECK,),
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(msgspec.json.encode(MADE))
    assert calibration.load(path) == MADE
    assert MADE.passed


def test_a_count_that_is_off_by_one_is_outside() -> None:
    off = msgspec.structs.replace(CHECK, found=4)
    assert off.error == 1
    assert not off.within


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{}", "missing required field"), (b"[", "Expected `object`"), (None, "there is no such file")],
)
def test_what_is_no_calibration_is_said(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "calibration.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=f"cannot be read as a calibration: .*{said}"):
        calibration.load(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(MADE, calibration_version=99)))
    with pytest.raises(RunError, match="has version 99; this lab reads 1"):
        calibration.load(path)
