"""What can go wrong with a browser."""

from __future__ import annotations

from loadtests.lab.errors import LabError


class BrowserError(LabError):
    """A browser is missing, did not start, died, or the page in it failed."""
