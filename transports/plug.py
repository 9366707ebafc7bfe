"""Whether an app has the fast path: the one module that imports `transports.direct`.

Without that package, or with RTLAB_FANOUT=portable, every transport serves by plain ASGI.
"""

from __future__ import annotations

from core.hub import Hub
from transports.base import FastPath


def fast_path(hub: Hub) -> FastPath | None:
    """Make the fast path of an app, if it is there and wanted. Raises SettingError."""
    if hub.settings.fanout != "direct":
        return None
    try:
        from transports.direct.path import DirectPath
    except ModuleNotFoundError as error:
        if error.name != "transports.direct":  # it is there, and broken
            raise
        return None
    return DirectPath(hub)
