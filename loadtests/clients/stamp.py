"""The publisher's stamp inside `content`: who sent which message, when it was due and when it left.

`T<publisher>.<message>.<scheduled_ns>.<sent_ns>.` and padding, in characters that sanitising leaves alone. The times
are CLOCK_MONOTONIC of the publisher's host, so they mean something only to a receiver on the same host.
"""

from __future__ import annotations

Stamp = tuple[int, int, int, int]
"""publisher, message, scheduled_ns, sent_ns"""

MAX_CONTENT_CHARS = 4096  # the contract's limit
_PAD = "x"


def build(publisher: int, message: int, scheduled_ns: int, sent_ns: int, payload_bytes: int) -> str:
    """Build a content of `payload_bytes` ASCII characters, or as long as the stamp alone where that is longer."""
    return f"T{publisher}.{message}.{scheduled_ns}.{sent_ns}.".ljust(payload_bytes, _PAD)


def read(content: str) -> Stamp | None:
    """Read a stamp back; None where the content was not sent by a publisher of the lab."""
    if content[:1] != "T":
        return None
    parts = content[1:].split(".", 4)
    if len(parts) != 5:
        return None
    try:
        return int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3])
    except ValueError:
        return None


def build_ref(publisher: int, message: int) -> str:
    """The `ref` by which an acknowledgement finds its publication."""
    return f"{publisher}.{message}"


def read_ref(ref: str) -> tuple[int, int] | None:
    """Read `build_ref` back; None where the ref is not the lab's."""
    publisher, dot, message = ref.partition(".")
    if dot and publisher.isdecimal() and message.isdecimal():
        return int(publisher), int(message)
    return None
