"""What can be wrong with a scenario."""

from __future__ import annotations


class ScenarioError(ValueError):
    """A scenario that can't be found, read or run; the message names the field and what is allowed."""
