"""Every scenario by name, in the order of the table."""

from __future__ import annotations

from tests.faults.scenarios import connections, hostile, instances, limits, load, peers, soak, store
from tests.faults.table import Scenario

SCENARIOS: dict[str, Scenario] = {
    "cuts": connections.cuts,
    "server-kill": instances.server_kill,
    "redis-kill": store.redis_kill,
    "redis-client-kill": store.client_kill,
    "redis-emptied": store.emptied,
    "redis-stopped": store.stopped,
    "order": connections.order,
    "slow-peers": peers.slow_peers,
    "half-open": peers.half_open,
    "shutdown": instances.shutdown,
    "bad-input": hostile.bad_input,
    "load": load.load,
    "limits": limits.limits,
    "soak": soak.soak,
}
