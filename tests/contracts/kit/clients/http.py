"""What the HTTP transports share: the bearer token, publishing by POST, errors by status."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.contracts.kit.clients.base import RefusedError, RoomClient
from tests.contracts.kit.events import ContractViolationError, Position, check_event, parse_object
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.tls import TLS

STATUS_OF_CODE = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "upgrade_required": 426,
    "rate_limited": 429,
    "shutting_down": 503,
    "unavailable": 503,
}


def refusal(response: httpx.Response) -> RefusedError:
    """The error that a read response carries, held against the contract's status for its code."""
    return refusal_of(response.status_code, dict(response.headers), response.content)


def refusal_of(status: int, headers: dict[str, str], body: bytes) -> RefusedError:
    """The error in a response of any client's, held against the contract's status for its code."""
    media_type = headers.get("content-type", "").partition(";")[0]
    if media_type != "application/json":
        raise ContractViolationError(f"{status} with {media_type!r}: {body!r}")
    error = check_event(parse_object(body))
    if error.type != "error" or STATUS_OF_CODE.get(error.text("code")) != status:
        raise ContractViolationError(f"{status} does not go with {error}")
    return RefusedError(error, status, headers)


def http_client(base_url: str, token: str | None = None, **options: Any) -> httpx.AsyncClient:
    """A client without the machine's proxies; `token` goes into the Authorization header."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    headers |= options.pop("headers", {})
    settings: dict[str, Any] = {
        "timeout": httpx.Timeout(EVENT_S),
        "verify": TLS,
        "http2": base_url.startswith("https"),
    } | options
    return httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, **settings)


class HttpRoomClient(RoomClient):
    """A room client whose upstream is POST; subclasses bring the downstream."""

    def __init__(
        self, base_url: str, room: str, user_id: str, token: str, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(base_url, room, user_id, token)
        self.http = http or http_client(base_url, token)

    async def post(self, path: str, body: object) -> httpx.Response:
        return await self.http.post(f"/rooms/{self.room}/{path}", json=body)

    async def publish(self, content: str, ref: str | None = None) -> Position:
        body = {"content": content} if ref is None else {"content": content, "ref": ref}
        response = await self.post("messages", body)
        if response.status_code != httpx.codes.ACCEPTED:
            raise refusal(response)
        answer = parse_object(response.content)
        if answer.keys() - {"id", "ref"} or answer.get("ref") != ref:
            raise ContractViolationError(f"not the answer to a publish with ref {ref!r}: {answer}")
        return Position.parse(answer["id"])

    async def leave(self) -> None:
        response = await self.post("leave", {})
        if response.status_code != httpx.codes.NO_CONTENT:
            raise ContractViolationError(f"leave answered {response.status_code}: {response.text!r}")

    async def close(self) -> None:
        # Shielded: a test that was cancelled half-way must still not leave a socket to the garbage collector.
        await asyncio.shield(self.http.aclose())
