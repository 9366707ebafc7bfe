"""A client that shares no code with the lab's: what a delivery of these servers takes, in bytes and CPU.

`python -m tests.targets --own-client` starts each server that is not ours once, and measures it in turn by this client
and by the lab, under the same load: fifty receivers, ten messages a second. It prints bytes of TCP's payload and the
server's CPU per delivery, both ways, and writes them into docs/methodology.md.
"""
