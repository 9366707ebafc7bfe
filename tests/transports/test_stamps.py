"""`RTLAB_STAMPS`: an app that stamps, and the error where it cannot write."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import SettingError, Settings
from tests.transports.access import SECRET
from tests.transports.conftest import Open
from transports.app import create_app


async def test_stamps_are_written_when_the_app_ends(open_app: Open, tmp_path: Path) -> None:
    async with open_app("sse", Settings(secret=SECRET, stamps_folder=str(tmp_path))) as client:
        assert (await client.get("/health")).status_code == 200
    (text,) = _written(tmp_path)
    assert text.startswith("room,offset,accepted_ns")


async def test_without_the_setting_nothing_is_written(open_app: Open, tmp_path: Path) -> None:
    async with open_app("sse") as client:
        assert (await client.get("/health")).status_code == 200
    assert _written(tmp_path) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    settings = Settings.from_environ({"RTLAB_STAMPS": str(tmp_path / "nowhere")})
    with pytest.raises(SettingError, match="a folder that is there is allowed"):
        create_app("sse", settings)


def _written(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in folder.iterdir()]
