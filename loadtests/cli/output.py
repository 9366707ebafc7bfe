"""What is printed where standard output knows fewer characters than UTF-8: stand-ins, never a traceback."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

_NAME: Final = "rtlab-stand-ins"
_STAND_INS: Final = dict(zip("●◐○✕\u2013—µ≥≤", ("*", "~", "o", "x", "-", "-", "u", ">=", "<="), strict=True)) | {
    "…": "..."
}


def print_in_any_encoding() -> None:
    """Let standard output and error write a stand-in for what their encoding lacks: `*` for a valid mark, else `?`."""
    codecs.register_error(_NAME, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a caller's own stand-in decides for itself
            stream.reconfigure(errors=_NAME)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_STAND_INS.get(each, "?") for each in error.object[error.start : error.end]), error.end
