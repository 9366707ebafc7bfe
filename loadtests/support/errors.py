"""What can go wrong with support facts."""

from __future__ import annotations


class SupportError(Exception):
    """The facts, or the packages they are made from, cannot be had or read. The message says what and why."""
