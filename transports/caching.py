"""What caches and other intermediaries may do with an answer (RFC 9111, section 5.2.2): nothing is stored anywhere."""

from __future__ import annotations

from typing import Final

UNSTORED: Final = {"Cache-Control": "no-store"}

# Streams and polls too. Whoever compresses an answer on its way, as Express and HAProxy can, collects it first, and a
# stream then stands still.
UNTOUCHED: Final = {"Cache-Control": "no-store, no-transform"}
UNTOUCHED_FIELD: Final = (b"cache-control", UNTOUCHED["Cache-Control"].encode())
