"""For plain Locust: `RTLAB_SECRET=… locust -f loadtests/locustfile.py WebSocketUser --host http://127.0.0.1:8001`.

Name the user classes you want: those that measure, or those on stock libraries (they prove conformance only).
"""

from __future__ import annotations

from locust import events
from locust.env import Environment

from loadtests.load.users.plain_cell import add_options
from loadtests.load.users.plain_locust import PlainRun
from loadtests.load.users.transports import USER_CLASSES, load_user_class
from loadtests.run import manifest

# Here, since Locust connects a worker before `init`: what takes its time there makes the worker miss the start.
_HERE = manifest.collect({}, seed=0)

globals().update({name: load_user_class(name) for name in USER_CLASSES})


def _start(environment: Environment, **_: object) -> None:
    PlainRun(environment, _HERE)


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(_start)  # type: ignore[no-untyped-call]
