"""The orchestrator: server and generator processes, the sampler, interleaved blocks, live progress.

It reaches the servers only by their command line, `/health`, `/metrics` and the wire.
"""
