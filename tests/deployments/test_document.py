"""The committed table is that of the matrix' definition."""

from __future__ import annotations

from tests.deployments.document import PATH, mounting_code, with_table
from tests.deployments.matrix import NO_LIFESPAN, NOT_POSSIBLE, REFUSALS, SHORT, cells
from tests.deployments.servers import SERVERS


def test_table_of_the_document_is_up_to_date() -> None:
    assert PATH.read_text() == with_table(PATH.read_text()), "run `make deployments`"


def test_code_of_the_document_mounts_under_the_prefix_of_the_matrix() -> None:
    assert f'Mount("{SERVERS["uvicorn, mounted"].prefix}"' in mounting_code()


def test_exceptions_and_the_short_form_name_what_there_is() -> None:
    names = [str(cell) for cell in cells()]
    assert len(names) == len(set(names))
    assert set(SHORT) <= {*names, *(refusal.name for refusal in REFUSALS)}
    assert {server for server, _ in NOT_POSSIBLE} | set(NO_LIFESPAN) <= set(SERVERS)
