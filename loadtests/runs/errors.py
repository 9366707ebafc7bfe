"""What can be wrong with a run folder, each with one sentence."""

from __future__ import annotations


class RunError(Exception):
    """A run that can't be found, read or written; the message says why."""
