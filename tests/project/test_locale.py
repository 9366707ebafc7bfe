"""The checkout's path may hold any letters, also where the locale knows only ASCII."""

from __future__ import annotations

import site
from pathlib import Path

import pytest


def test_the_editable_install_names_the_checkout_by_a_relative_path() -> None:
    folder = Path(site.getsitepackages()[0])
    links = list(folder.glob("_editable_impl_rtlab.pth"))
    if not links:
        pytest.skip("rtlab is not installed here by make")
    named = (folder / links[0].read_text().strip()).resolve()
    assert named == Path(__file__).parents[2]
    assert not links[0].read_text().startswith("/"), "Python reads the file in the locale's encoding, and may not start"
