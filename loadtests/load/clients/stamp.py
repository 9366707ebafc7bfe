"""The publisher's stamp inside `content`: who sent which message, when it was due, when it left, and by whose clock.

`T<publisher>.<message>.<scheduled_ns>.<sent_ns>.<clock>.` and padding, in characters that sanitising leaves alone. The
times are CLOCK_MONOTONIC: they mean something only to a receiver with the same `load.clients.timebase.clock_id`.
"""

from __future__ import annotations

from loadtests.load.clients.timebase import OUR_CLOCK

Stamp = tuple[int, int, int, int, str]
"""publisher, message, scheduled_ns, sent_ns, clock"""

MAX_CONTENT_CHARS = 4096  # the contract's limit
_PAD = "x"


def build(
    publisher: int, message: int, scheduled_ns: int, sent_ns: int, payload_bytes: int, clock: str = OUR_CLOCK
) -> str:
    """Build a content of `payload_bytes` ASCII characters, or as long as the stamp alone where that is longer."""
    return f"T{publisher}.{message}.{scheduled_ns}.{sent_ns}.{clock}.".ljust(payload_bytes, _PAD)


def read(content: str) -> Stamp | None:
    """Read a stamp back; None where the content was not sent by a publisher of the lab."""
    if content[:1] != "T":
        return None
    parts = content[1:].split(".", 5)
    if len(parts) != 6:
        return None
    try:
        return int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]), parts[4]
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
