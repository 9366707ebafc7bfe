"""The room core: rooms, positions, history, presence, limits, and the hub that fans events out.

Knows no web framework. Below `hub` and `backplane` there is no I/O, no clock and no randomness: bytes and `now`
come in as arguments, values go out.
"""
