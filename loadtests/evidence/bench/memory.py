"""`python -m loadtests.evidence.bench.memory`: which code allocated the memory of an idle connection.

tracemalloc sees what goes through Python's allocators, C extensions' objects included; the kernel's socket buffers and
what malloc adds are in resident memory only. So the sum here is less than `kib_per_conn` of the bench.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from loadtests.evidence.bench.runs import idle
from loadtests.evidence.bench.systems import TRANSPORTS, server_environ
from loadtests.records.errors import LabError
from loadtests.run.process import end_with_us
from loadtests.run.servers import free_port, listens

_SHOWN_BYTES: Final = 128.0  # per connection; less goes into "all other"
_TIMEOUT_S: Final = 20.0
_SETTLE_S: Final = 1.0
_OURS: Final = ("core", "transports")


def main() -> None:
    """Print the table; write it to `--out`/memory.md too."""
    options = _options()
    found = {}
    for transport in TRANSPORTS:
        found[transport] = per_connection(transport, options.connections)
        print(f"{transport}: {sum(found[transport].values()) / 1024:.1f} KiB", flush=True)
    text = markdown(found, options.connections)
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "memory.md").write_text(text, encoding="utf-8")


def per_connection(transport: str, connections: int) -> dict[str, float]:
    """Bytes of one more idle connection, by place. Raises LabError when the server does not come up."""
    with _traced() as (process, port), ExitStack() as held:
        for _ in range(connections // 10 + 1):  # what is made with the first connections stays out of the difference
            held.enter_context(idle(transport, port))
        _allocated(process)
        for _ in range(connections):
            held.enter_context(idle(transport, port))
        return shared(_allocated(process), connections)


def shared(allocated_bytes: Mapping[str, int], connections: int) -> dict[str, float]:
    """Bytes by file, as bytes per connection by place, largest first; what is little in "all other"."""
    places: Counter[str] = Counter()
    for file, size_bytes in allocated_bytes.items():
        places[place(file)] += size_bytes
    each = {name: size_bytes / connections for name, size_bytes in places.most_common()}
    shown = {name: size_bytes for name, size_bytes in each.items() if size_bytes >= _SHOWN_BYTES}
    return shown | {"all other": sum(each.values()) - sum(shown.values())}


def place(file: str) -> str:
    """A file of ours by its path in the repository; of others the package and the file's name."""
    parts = Path(file).with_suffix("").parts
    for package in _OURS:
        if package in parts and "site-packages" not in parts:
            return "/".join(parts[parts.index(package) :])
    if "site-packages" in parts:
        inner = parts[parts.index("site-packages") + 1 :]
        return inner[0] if len(inner) == 1 else f"{inner[0]}: {inner[-1]}"
    return f"Python: {'/'.join(parts[-2:])}" if len(parts) > 1 else f"Python: {file}"


def markdown(found: Mapping[str, Mapping[str, float]], connections: int) -> str:
    """A line per place, a column per transport, in KiB."""
    places = dict.fromkeys(name for each in found.values() for name in each if name != "all other")
    ordered = sorted(places, key=lambda name: -sum(each.get(name, 0.0) for each in found.values()))
    lines = [
        f"KiB of one idle connection by the code that allocated it, over {connections:,} connections (tracemalloc; the",
        "event loop's line holds what C code allocated from it: transports, handles, buffers).",
        "",
        f"| allocated by | {' | '.join(found)} |",
        "|---" * (1 + len(found)) + "|",
    ]
    for name in (*ordered, "all other"):
        cells = [f"{each[name] / 1024:.2f}" if name in each else "" for each in found.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    sums = [f"{sum(each.values()) / 1024:.1f}" for each in found.values()]
    return "\n".join([*lines, f"| sum | {' | '.join(sums)} |"]) + "\n"


@contextmanager
def _traced() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    command = [sys.executable, "-m", "loadtests.evidence.bench.traced", "all", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603
        command,
        env=server_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_us(),
    )
    try:
        if not listens(port, _TIMEOUT_S, lambda: process.poll() is not None):
            raise LabError(f"the traced server does not listen after {_TIMEOUT_S:g} s, or ended: {process.poll()}")
        yield process, port
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _allocated(process: subprocess.Popen[bytes]) -> dict[str, int]:
    time.sleep(_SETTLE_S)  # polls are held and welcomes flushed a few turns after the answer
    if process.stdin is None or process.stdout is None:
        raise LabError("the traced server has no pipes")
    process.stdin.write(b"\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith(b"{"):  # else: what the server has to say when it starts
            sizes: dict[str, int] = json.loads(line)
            return sizes
    raise LabError("the traced server ended")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.bench.memory", description=__doc__)
    parser.add_argument("--connections", type=int, default=1000, help="to divide by (default 1000)")
    parser.add_argument("--out", type=Path, help="folder to write memory.md to")
    options = parser.parse_args()
    if options.connections < 10:
        parser.error(f"--connections {options.connections}: at least 10 are needed")
    return options


if __name__ == "__main__":
    main()
