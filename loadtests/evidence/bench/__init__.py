"""How close a server's fan-out comes to what the kernel itself costs: `python -m loadtests.evidence.bench`.

Beside the Locust scenarios, not instead of them: here a C client saturates one room, so that ratios between servers
show; there users behave like users, so that latencies do. Absolute figures drift on shared machines; every ratio is
between runs taken in turn.
"""
