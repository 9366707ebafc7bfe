"""Every scenario by name, in the order of the table."""

from __future__ import annotations

from tests.faults.scenarios import connections, instances, store
from tests.faults.table import Scenario

SCENARIOS: dict[str, Scenario] = {
    "cuts": connections.cuts,
    "server-kill": instances.server_kill,
    "redis-kill": store.redis_kill,
    "redis-client-kill": store.client_kill,
    "redis-emptied": store.emptied,
    "redis-stopped": store.stopped,
    "order": connections.order,
    "shutdown": instances.shutdown,
}
