"""What the contract suite is made of: server processes, tokens, and one stock client per transport.

Nothing here imports `core` or `transports`: the kit knows the servers only by what they say on the wire,
so that it can be pointed at any implementation of `docs/protocol.md`.
"""
