"""`python -m tests.foil [--out FILE]`: ask the foil and our server the same questions, and write down the answers.

The file: `{"schema": 1, "commit", "rows": [{"fault", "foil_faulty", "ours_faulty", "foil", "ours"}]}`; the last two are
one phrase each, with what was counted. Exits with 1 when the foil behaved well, or ours did not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from loadtests.run.own_redis import find_redis
from tests.contracts.kit.redis_server import RedisProcess
from tests.contracts.kit.server import ServerProcess
from tests.foil.probes import PROBES, Finding, Probe
from tests.foil.systems import SYSTEMS, server_spec

SCHEMA = 1


def main() -> int:
    """Ask everything; 0 when every fault is the foil's alone."""
    parser = argparse.ArgumentParser(prog="python -m tests.foil", description=__doc__)
    parser.add_argument("--out", type=Path, help="where to write the answers as JSON")
    options = parser.parse_args()
    program = find_redis()
    if program is None:
        print("foil: no redis-server or valkey-server on this machine", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="foil-") as folder:
        redis = RedisProcess(program, Path(folder))
        redis.start()
        try:
            rows = [_row(fault, probe, Path(folder), redis.url) for fault, probe in PROBES.items()]
        finally:
            redis.stop()
    if options.out is not None:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        document = {"schema": SCHEMA, "commit": commit.stdout.strip(), "rows": rows}
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(row["foil_faulty"] and not row["ours_faulty"] for row in rows) else 1


def _row(fault: str, probe: Probe, folder: Path, redis_url: str) -> dict[str, Any]:
    settings = {**probe.settings, **({"REDIS_URL": redis_url} if probe.redis else {})}
    row: dict[str, Any] = {"fault": fault}
    for system in SYSTEMS:
        server = ServerProcess(server_spec(system, settings), folder / f"{fault}-{system}.log")
        server.start()
        try:
            finding = asyncio.run(_ask(probe, system, server))
        finally:
            server.stop()
        row |= {f"{system}_faulty": finding.faulty, system: finding.words}
        print(f"{fault} [{system}] {'FAULTY' if finding.faulty else 'sound'}: {finding.words}", flush=True)
    return row


async def _ask(probe: Probe, system: str, server: ServerProcess) -> Finding:
    asked = SYSTEMS[system](server)
    try:
        return await probe.ask(asked)
    finally:
        await asked.close_tabs()


if __name__ == "__main__":
    sys.exit(main())
