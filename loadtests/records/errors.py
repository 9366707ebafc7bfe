"""What can go wrong in the lab, each with one sentence for the person at the terminal."""

from __future__ import annotations


class LabError(Exception):
    """The lab can't do what was asked; the message says why, with the value and what is allowed."""


class UsageError(LabError):
    """The command line asks for something there is not."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: stop in order, keep what is finished."""


class ServerError(LabError):
    """A server did not become ready, or died while it was measured."""


class GeneratorError(LabError):
    """The load generator failed, died or never ended."""


class LinkError(LabError):
    """An emulated link can't be had on this machine, or not the one asked for."""


class BrowserError(LabError):
    """A browser is missing, did not start, died, or the page in it failed."""


class RunError(Exception):
    """A run that can't be found, read or written; the message says why."""


class ScenarioError(ValueError):
    """A scenario that can't be found, read or run; the message names the field and what is allowed."""


class AdapterError(ValueError):
    """An adapter that can't be found, read or used; the message names the field and what is allowed."""


class PriceError(ValueError):
    """A price file that can't be found, read or used; the message names the field and what is allowed."""


class SupportError(Exception):
    """The facts, or the packages they are made from, cannot be had or read. The message says what and why."""
