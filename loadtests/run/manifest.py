"""The environment of a run, written down: what somebody would need to judge or repeat it.

Flat values by section. No host name, user name or path: a run may be published.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from loadtests.records.schema import Manifest, Value

_PACKAGES = (
    "starlette", "uvicorn", "uvloop", "httptools", "websockets", "sse-starlette", "msgspec", "pyjwt", "redis",
    "hypercorn", "h2", "locust", "gevent", "pyarrow", "numpy", "pandas", "matplotlib",
)  # fmt: skip

_SYSCTLS = (
    "net/core/somaxconn",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_autocorking",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/ip_local_port_range",
    "net/core/busy_poll",
    "kernel/sched_autogroup_enabled",
)

PROTECTED = ("versions.python", "host.kernel", "host.cpu_model", "host.cores")
"""Fields of the environment that must agree for two runs to be combined; every setting comes on top."""


def collect(settings: Mapping[str, Value], seed: int, repository: Path | None = None) -> Manifest:
    """Return the manifest of a run that starts now; `settings` are the lab's own, `seed` the run's."""
    return {
        "versions": _versions(),
        "host": _host(),
        "sysctl": _sysctls(),
        "git": git(Path(__file__).parent if repository is None else repository),
        "settings": dict(settings),
        "random": {"seed": seed},
    }


def protected(manifest: Manifest) -> tuple[str, ...]:
    """Return the keys ("section.key") that must agree for two runs to be combined."""
    return (*PROTECTED, *(f"settings.{key}" for key in manifest["settings"]))


def _versions() -> dict[str, Value]:
    versions: dict[str, Value] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
    }
    for package in ("rtlab", *_PACKAGES):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _host() -> dict[str, Value]:
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "governor": _line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def machine() -> str:
    """Return this machine's processor and cores in words, for evidence that has no manifest."""
    return f"{_cpu_model()}, {os.cpu_count()} cores"


def _cpu_model() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*:(.*)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
        if found is not None:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _sysctls() -> dict[str, Value]:
    return {name.replace("/", "."): _line(Path("/proc/sys") / name) for name in _SYSCTLS}


def _line(path: Path) -> str | None:
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        return None


def git(folder: Path) -> dict[str, Value]:
    """Return the commit and whether the tree differs from it; both None outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if commit is None or status is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(status)}


def short_commit(of: Mapping[str, Value], otherwise: str = "nogit") -> str:
    """Return the first seven digits of the commit that `git` found; `otherwise` where there is none."""
    return str(of["commit"])[:7] if of["commit"] else otherwise


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ("git", "-C", str(folder), *arguments),  # noqa: S607  # the caller's own git
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
