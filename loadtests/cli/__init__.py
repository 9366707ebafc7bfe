"""`rtlab`: the command line. Parsing only; each command imports what it needs when it is called.

`program` has `main` and the list of commands, `measuring` the commands that make a run, `reading` those that read one,
`options` the option blocks that several commands share.
"""

from __future__ import annotations

from loadtests.cli.program import main

__all__ = ["main"]
