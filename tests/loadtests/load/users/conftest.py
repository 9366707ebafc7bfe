"""Import Locust without its monkey-patching: this process runs everybody's tests, asyncio's among them."""

from __future__ import annotations

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

# Generators started by tests inherit the environment, and they must be patched.
del os.environ["LOCUST_SKIP_MONKEY_PATCH"]
