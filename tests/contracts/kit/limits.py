"""Time limits of the tests: generous bounds on waiting for an event, never a substitute for the event."""

EVENT_S = 10.0
"""How long any one expected event may take on a loaded machine."""

CLOSE_S = 1.0
"""How long a WebSocket client waits for the other half of a close before it drops the connection."""

READY_S = 30.0
"""From starting a server process to its first `GET /health` of 200."""

GONE_S = 15.0
"""From a signal to the end of a process, where the contract names no tighter bound."""

CONTENT_MAX_SCALARS = 4096
REF_MAX_CHARS = 64
ROOM_MAX_CHARS = 64
FRAME_MAX_BYTES = 16_384
WAIT_MAX_S = 55
