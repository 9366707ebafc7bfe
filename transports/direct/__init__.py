"""The fast path: frames are built once per event and written straight to uvicorn's sockets.

An endpoint accepts, authorises and returns as any Starlette endpoint does; then the protocol object that uvicorn put
behind the connection takes over, and no task is left per connection. A WebSocket, whose token is in its first message,
is taken over as soon as it is accepted. Where another server hosts the app, or the connection needs work of its own
(permessage-deflate, HTTP/1.0), the portable way serves it.

Only `transports.plug` imports this package. Without it everything works, slower.
"""
