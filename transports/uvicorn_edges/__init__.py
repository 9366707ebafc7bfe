"""uvicorn's protocol classes with the contract's edges and bounds: heads, upgrades, ends, floods, peers that vanish.

Nothing here knows of rooms. They rely on inner names of uvicorn and websockets, which are listed in
`tests/transports/test_promises.py`.
"""
