"""`python -m loadtests.evidence.bench.traced …`: a server under tracemalloc, `python -m transports …` in all else.

Each line on standard input is answered by one on standard output: a JSON object, source file -> bytes that the Python
code in it has allocated since the first line, and not freed. Tracing begins with the first: the start stays quick.
"""

from __future__ import annotations

import gc
import json
import runpy
import sys
import threading
import tracemalloc


def allocated_bytes() -> dict[str, int]:
    """Bytes alive by the file that allocated them; what C code takes is put down to the Python that called it."""
    gc.collect()
    statistics = tracemalloc.take_snapshot().statistics("filename")
    return {statistic.traceback[0].filename: statistic.size for statistic in statistics}


def _answer() -> None:
    for _ in sys.stdin:
        if not tracemalloc.is_tracing():
            gc.collect()
            tracemalloc.start()
        print(json.dumps(allocated_bytes()), flush=True)


if __name__ == "__main__":
    threading.Thread(target=_answer, daemon=True).start()
    # By name and not by import: the bench meets the servers only at the wire, and here it only lends them a process.
    runpy.run_module("transports", run_name="__main__", alter_sys=True)
