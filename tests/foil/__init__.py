"""THE FOIL: a server as a common guide to realtime transports writes it, with the faults that this leads to.

Nothing to copy from and nothing to import: `core`, `transports` and `loadtests` may not (a contract of import-linter).
`naive.py` is the server, `probes.py` asks it and ours the same questions, `python -m tests.foil --out FILE` writes down
the answers, and `test_foil.py` fails when the foil behaves well or ours does not.
"""
