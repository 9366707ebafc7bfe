"""What the libraries under us promise by name, and none of them documents: one test a name, which says what it is for.

A release that takes a name away fails here, in the sentence of its promise, and not somewhere in a connection.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import engineio
import pytest
import socketio
import uvicorn
from engineio.async_drivers import asgi
from engineio.async_socket import AsyncSocket
from h2.connection import H2Connection
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from socketio.async_namespace import AsyncNamespace
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from tests.transports.wire_end import DIRECT, WireEnd, turns
from transports.base import EDGES

# By owner and promise: the methods and properties that keep it.
METHODS: Final[dict[tuple[type, str], str]] = {
    (HttpToolsProtocol, "asyncio's calls end in these, and may be wrapped"): (
        "connection_made connection_lost data_received pause_writing resume_writing"
    ),
    (HttpToolsProtocol, "the parser calls these as a request goes by"): "on_message_begin on_headers_complete",
    (HttpToolsProtocol, "an endpoint is started here, and a next request goes on here"): (
        "_start_asgi_task on_response_complete _unset_keepalive_if_required"
    ),
    (HttpToolsProtocol, "an upgrade, a bad request and the shutdown are answered here"): (
        "handle_websocket_upgrade send_400_response shutdown"
    ),
    (WebSocketsSansIOProtocol, "asyncio's calls end in these, and may be wrapped"): (
        "data_received connection_lost pause_writing resume_writing"
    ),
    (WebSocketsSansIOProtocol, "each kind of frame and a broken one has its method"): (
        "handle_connect handle_close handle_ping handle_pong handle_cont handle_parser_exception "
        "send_receive_event_to_app"
    ),
    (WebSocketsSansIOProtocol, "the app runs, sends and ends through these"): (
        "run_asgi send on_task_complete send_500_response shutdown"
    ),
    (WebSocketsSansIOProtocol, "pings are started, stopped and given up here"): (
        "start_keepalive stop_keepalive keepalive_timeout"
    ),
    (ServerProtocol, "websockets closes and fails a connection without I/O"): (
        "send_close fail data_to_send receive_data close_sent"
    ),
    (ServerProtocol, "a connection may be put behind its handshake"): "parse extensions state",
    (StreamReader, "the parser waits in this between two frames"): "at_eof",
    (Server, "uvicorn's own signal handlers can be replaced"): "capture_signals handle_exit",
    (H2Protocol, "Hypercorn hands events of HTTP/2 over here, and flushes"): (
        "handle _handle_events _flush stream_send _close_stream"
    ),
    (HTTPStream, "the app's messages and the stream's events end in these"): "app_send handle",
    (TCPServer, "a connection is run and written to by these"): "run protocol_send _read_data",
    (StreamBuffer, "what waits for a flow-control window can be awaited and dropped"): "close drain",
    (H2Connection, "promises and their limits are asked and made here"): (
        "push_stream outbound_flow_control_window remote_settings max_outbound_frame_size get_next_available_stream_id"
    ),
    (engineio.AsyncServer, "requests and events go through these"): (
        "handle_request _trigger_event _get_socket create_queue"
    ),
    (AsyncSocket, "a connection is driven by these"): "_websocket_handler poll close receive",
    (asgi.WebSocket, "the driver's WebSocket has these three"): "__call__ send wait",
    (socketio.AsyncServer, "the engine's class and events can be replaced"): (
        "_engineio_server_class _handle_eio_connect _handle_event_internal"
    ),
    (AsyncNamespace, "events of a namespace are dispatched here"): "trigger_event",
}

# By what has them: attributes that are there once it is made.
HTTP_ATTRIBUTES: Final = (
    "config loop transport url headers scope cycle pipeline parser flow tasks server_state timeout_keep_alive client "
    "server scheme connections app app_state logger access_logger access_log limit_concurrency"
)
WEBSOCKET_ATTRIBUTES: Final = (
    "config loop transport queue frames curr_msg_data_type conn close_sent close_timer read_paused writable "
    "handshake_complete handshake_initiated initial_response disconnected scope app receive send logger tasks client "
    "server connections app_state asgi_version root_path default_headers"
)
CONFIG: Final = (
    "ws_ping_interval ws_ping_timeout ws_max_size ws_per_message_deflate timeout_keep_alive "
    "timeout_graceful_shutdown http_protocol_class ws_protocol_class is_ssl loaded_app"
)


def _promised() -> Iterator[Any]:
    for (owner, promise), names in METHODS.items():
        module = owner.__module__.partition(".")[0]
        for name in names.split():
            yield pytest.param(owner, name, promise, id=f"{module} {owner.__name__}.{name}")


@pytest.mark.parametrize(("owner", "name", "promise"), [*_promised()])
def test_method_is_there(owner: type, name: str, promise: str) -> None:
    made = vars(ServerProtocol(max_size=1)) if owner is ServerProtocol else {}
    made = made or (vars(H2Connection()) if owner is H2Connection else {})
    assert hasattr(owner, name) or name in made, promise


@pytest.mark.parametrize("name", CONFIG.split())
def test_uvicorns_config_takes(name: str) -> None:
    config = uvicorn.Config("transports.sse:app", log_config=None)
    config.load()
    assert hasattr(config, name)


@pytest.mark.parametrize("name", ["connections", "tasks", "default_headers"])
def test_uvicorns_server_state_has(name: str) -> None:
    assert hasattr(ServerState(), name)
    assert hasattr(Server(uvicorn.Config("transports.sse:app", log_config=None)), "server_state")


@pytest.mark.parametrize(
    "name",
    [
        *("scope", "message_event", "disconnected", "response_started", "response_complete", "keep_alive", "more_body"),
        *("flow", "transport", "default_headers", "access_log", "waiting_for_100_continue", "on_response", "body"),
    ],
)
def test_uvicorns_request_keeps(name: str) -> None:
    assert name in RequestResponseCycle.__init__.__code__.co_names


def test_uvicorn_has_the_status_lines_of_all_codes() -> None:
    assert STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("protocols", [EDGES, DIRECT], ids=["edges", "direct"])
async def test_uvicorns_protocol_objects_have_their_attributes(protocols: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()

    end = WireEnd(app, protocols=protocols, ws_max_size=1024)
    end.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await turns()
    assert [name for name in HTTP_ATTRIBUTES.split() if not hasattr(end.protocol, name)] == []
    await end.end()
    end = WireEnd(app, protocols=protocols, ws_max_size=1024)
    await end.upgraded()
    assert [name for name in WEBSOCKET_ATTRIBUTES.split() if not hasattr(end.protocol, name)] == []
    await end.end()


@pytest.mark.parametrize(
    ("owner", "line"),
    [
        (H2Protocol, "self.connection ="),
        (H2Protocol, "self.streams:"),
        (H2Protocol, "self.stream_buffers:"),
        (HTTPStream, "self.stream_id ="),
        (TCPServer, "self.writer ="),
    ],
)
def test_hypercorn_sets(owner: type, line: str) -> None:
    assert line in inspect.getsource(owner)


@pytest.mark.parametrize("name", ["queue", "session", "closing", "closed", "sid", "server"])
async def test_engineios_socket_has(name: str) -> None:
    assert hasattr(AsyncSocket(engineio.AsyncServer(async_mode="asgi"), "sid"), name)


@pytest.mark.parametrize("name", ["namespace_handlers", "manager", "eio"])
def test_socketios_server_has(name: str) -> None:
    assert name in vars(socketio.AsyncServer(async_mode="asgi"))
