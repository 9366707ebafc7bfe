"""HTTP/2 over TLS by Hypercorn: uvicorn speaks HTTP/1.1 only.

`server` runs an app as uvicorn runs it elsewhere, `layer` gives the app what Hypercorn knows of a connection, `pushing`
promises events. Nothing but `layer` and `pushing` reads Hypercorn's or
h2's inner names; `tests/transports/test_promises.py` says which, and fails when one goes.
"""
