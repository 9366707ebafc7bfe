"""What can be wrong with an adapter."""

from __future__ import annotations


class AdapterError(ValueError):
    """An adapter that can't be found, read or used; the message names the field and what is allowed."""
