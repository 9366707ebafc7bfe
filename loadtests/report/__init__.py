"""The reading side of the instrument: pure functions from a run folder's files to figures, tables and one HTML page.

Belongs here: what can be computed from `run.json` and the Parquet tables. Does not belong here: clients, Locust,
servers, and any number that was typed rather than computed (the guide's claims excepted: `claims` quotes them).
"""
