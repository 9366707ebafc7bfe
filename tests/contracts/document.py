"""The table of settings in docs/protocol.md, which `python -m tests.contracts.document` writes anew."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.settings import table

PATH: Final = Path(__file__).parents[2] / "docs" / "protocol.md"
_BEGIN: Final = "<!-- Written by `python -m tests.contracts.document`. -->\n"
_END: Final = "<!-- End of what `python -m tests.contracts.document` writes. -->\n"


def with_table(text: str) -> str:
    """The document with the table as the settings are declared now."""
    before, rest = text.split(_BEGIN)
    lines = "\n".join(table())
    return f"{before}{_BEGIN}\n{lines}\n\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    PATH.write_text(with_table(PATH.read_text()))
