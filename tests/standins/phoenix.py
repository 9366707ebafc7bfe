"""Phoenix channels with V2's JSON, and the room of the guide "Channels" behind them.

By "Writing a Channels Client" of Phoenix's guides, `Phoenix.Socket` and `Phoenix.Socket.V2.JSONSerializer`, whose lists
it speaks: `[join_ref, ref, topic, event, payload]`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket

from tests.standins.rooms import SILENT_S, Rooms, compact

_rooms = Rooms()


async def phoenix(socket: WebSocket) -> None:
    """Joins and heartbeats are answered, `new_msg` is broadcast and not answered: the guide returns `{:noreply, …}`."""
    if socket.query_params.get("vsn") != "2.0.0":
        await socket.close()  # before it is accepted: 403
        return
    async with _rooms.admitted(socket):
        joined: dict[str, str] = {}
        while True:
            raw = await asyncio.wait_for(socket.receive_text(), SILENT_S)
            join_ref, ref, topic, event, payload, *_ = json.loads(raw)
            if topic == "phoenix" and event == "heartbeat":
                await socket.send_text(_reply(None, ref, topic, "ok"))
            elif event == "phx_join" and topic.startswith("room:"):
                joined[topic] = join_ref
                _rooms.join(topic, socket)
                await socket.send_text(_reply(join_ref, ref, topic, "ok"))
            elif topic not in joined:
                await socket.send_text(_reply(join_ref, ref, topic, "error", reason="unmatched topic"))
            elif join_ref not in (None, joined[topic]):
                continue  # of an earlier join: ignored
            elif event == "new_msg" and "body" in payload:
                await _rooms.send(topic, compact([None, None, topic, event, {"body": payload["body"]}]))
            else:  # no clause of handle_in: the channel crashes
                await socket.send_text(compact([joined.pop(topic), join_ref, topic, "phx_error", {}]))
                _rooms.leave(socket)


def _reply(join_ref: str | None, ref: str, topic: str, status: str, **response: Any) -> str:
    return compact([join_ref, ref, topic, "phx_reply", {"status": status, "response": response}])
