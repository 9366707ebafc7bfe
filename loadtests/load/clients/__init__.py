"""One sans-I/O client per transport: bytes in, events with their wire sizes out.

No Locust, no gevent and no event loop live here: a whole connection is tested without a socket. The one module
that touches a socket is `sockets` (kernel receive stamps); waiting for it is the business of `loadtests.load.users`.
"""
