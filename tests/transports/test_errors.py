"""The contract's error table: every code's HTTP status and close code, and what the answer says."""

from __future__ import annotations

import json

import pytest

from core import errors
from core.errors import BadRequest, HelloTimeout, RateLimited, RoomError, ShuttingDown
from tests.transports.access import bearer
from tests.transports.conftest import Open
from transports.errors import (
    CLOSE_CODE,
    HTTP_STATUS,
    MethodNotAllowed,
    UpgradeRequired,
    close_code,
    close_reason,
    http_response,
)

TABLE = [
    (errors.BadRequest, 400, 4400),
    (errors.Unauthorized, 401, 4401),
    (errors.HelloTimeout, 401, 4408),
    (errors.Forbidden, 403, 4403),
    (errors.TooLarge, 413, 1009),
    (errors.RateLimited, 429, 4429),
    (errors.SlowConsumer, 503, 4409),
    (errors.ShuttingDown, 503, 1012),
    (errors.Unavailable, 503, 1013),
]


@pytest.mark.parametrize(("kind", "status", "close"), TABLE)
def test_error_looks_as_the_contract_says(kind: type[RoomError], status: int, close: int) -> None:
    refusal = kind("no", ref="r1")
    response = http_response(refusal)
    assert response.status_code == status
    assert close_code(refusal) == close
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert json.loads(bytes(response.body)) == {"type": "error", "code": kind.code, "message": "no", "ref": "r1"}


def test_every_room_error_has_a_status_and_only_path_errors_have_no_close_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RoomError)]
    codes = {kind.code for kind in kinds if kind is not RoomError}
    assert set(HTTP_STATUS) == codes | {MethodNotAllowed.code, UpgradeRequired.code}
    assert set(HTTP_STATUS) - set(CLOSE_CODE) == {"not_found", "method_not_allowed", "upgrade_required"}


@pytest.mark.parametrize(("retry_after_ms", "header"), [(1, "1"), (1000, "1"), (1001, "2"), (3000, "3")])
def test_retry_after_is_never_too_early(retry_after_ms: int, header: str) -> None:
    for kind in (RateLimited, ShuttingDown):
        assert http_response(kind("wait", retry_after_ms=retry_after_ms)).headers["retry-after"] == header


def test_no_hint_no_retry_after() -> None:
    assert "retry-after" not in http_response(BadRequest("no")).headers


@pytest.mark.parametrize("message", ["short", "x" * 124, "é" * 62, "\U0001f600" * 31, "x" + "\U0001f600" * 4000])
def test_close_reason_fits_a_control_frame_and_stays_utf_8(message: str) -> None:
    reason = close_reason(BadRequest(message))
    assert len(reason.encode()) <= 123
    assert message.startswith(reason)
    assert len(reason.encode()) > 119 or reason == message


def test_hello_timeout_is_an_unauthorized_with_a_close_code_of_its_own() -> None:
    assert HelloTimeout("late").code == "unauthorized"
    assert close_code(HelloTimeout("late")) != CLOSE_CODE["unauthorized"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/rooms", 404, "not_found"),
        ("GET", "/rooms/a%20b", 404, "not_found"),
        ("GET", f"/rooms/{'x' * 65}/poll", 404, "not_found"),
        ("DELETE", "/rooms/lobby", 405, "method_not_allowed"),
        ("HEAD", "/rooms/lobby/poll", 405, "method_not_allowed"),
        ("GET", "/rooms/lobby/messages", 405, "method_not_allowed"),
        ("GET", "/rooms/lobby", 401, "unauthorized"),
        ("GET", "/rooms/attic", 403, "forbidden"),
    ],
)
async def test_app_answers_in_the_contracts_words(
    open_app: Open, method: str, path: str, status: int, code: str
) -> None:
    async with open_app() as client:
        answer = await client.request(method, path, headers=bearer() if "attic" in path else {})
        assert answer.status_code == status
        assert ("allow" in answer.headers) is (status == 405)
        if method != "HEAD":
            assert answer.json()["code"] == code
        exposed = (await client.get("/metrics")).text
        assert f'rtlab_rejected_total{{code="{code}"}} 1.0' in exposed
