"""`docs/protocol.md` names everything that the suite holds servers to."""

from __future__ import annotations

import pytest

from core.settings import DECLARED
from tests.contracts.document import PATH, with_table
from tests.contracts.kit.events import ERROR_CODES, RESYNC_REASONS, allowed_fields
from tests.contracts.kit.limits import CONTENT_MAX_SCALARS, ROOM_MAX_CHARS, WAIT_MAX_S
from tests.contracts.targets import TRANSPORTS
from tests.contracts.test_launchers import BAD_SETTINGS
from tests.contracts.test_observability import COUNTERS, GAUGES

DOCUMENT = PATH.read_text()
FIELDS = allowed_fields()
NAMES = sorted(
    ERROR_CODES
    | RESYNC_REASONS
    | COUNTERS
    | GAUGES
    | set(TRANSPORTS)
    | set(FIELDS)
    | {field for fields in FIELDS.values() for field in fields}
)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_documented(name: str) -> None:
    assert f"`{name}" in DOCUMENT or f'"{name}"' in DOCUMENT


def test_table_of_settings_is_that_of_their_declarations() -> None:
    assert with_table(DOCUMENT) == DOCUMENT, "run `python -m tests.contracts.document`"


def test_every_setting_that_can_be_wrong_is_tried_at_the_launchers() -> None:
    unchecked = {"HOST", "STAMPS", "DEMO", "DEFLATE"}
    assert {f"RTLAB_{name}" for name in unchecked | set(BAD_SETTINGS)} == {each.variable for each in DECLARED}


@pytest.mark.parametrize(
    "code", ["1000", "1002", "1007", "1009", "1012", "1013", "4400", "4401", "4403", "4408", "4409"]
)
def test_close_code_is_documented(code: str) -> None:
    assert code in DOCUMENT


@pytest.mark.parametrize(
    "sentence",
    [
        f"1 to {CONTENT_MAX_SCALARS} Unicode scalar values",
        f"1 to {ROOM_MAX_CHARS} of",
        f"a number from 0 to {WAIT_MAX_S}",
        "16,384 bytes",
    ],
)
def test_limit_is_documented(sentence: str) -> None:
    assert sentence in DOCUMENT
