"""How many files a process may have open: a connection takes one."""

from __future__ import annotations

import sys

_WANTED_FILES = 65_536


def raise_limit() -> int | None:
    """Raise the limit of open files as far as is allowed and useful, children inherit it; return it, None for none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return None if soft == resource.RLIM_INFINITY else soft


def complaint(connections: int, spare: int) -> str:
    """Raise the limit; return why so many connections and `spare` other files don't fit, empty if they do."""
    limit, needed = raise_limit(), connections + spare
    if limit is None or limit >= needed:
        return ""
    return f"{connections} connections need {needed} open files; the limit is {limit} (ulimit -n)"
