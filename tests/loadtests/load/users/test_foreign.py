"""Foreign servers that end a connection with each answer: nothing is lost, and no error is counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.evidence.calibration.trial import describe_cell, run_generator
from loadtests.records.adapter import Adapter, Publish, Subscribe
from loadtests.records.cell_spec import FOREIGN_USER, Load
from tests.loadtests.load.users import closing_server as closing

SSE = Subscribe(path="/in/{room}")
LONGPOLL = Subscribe(path="/lp/{room}", probe_path="/now", resume_headers={"If-None-Match": "Etag"})


@pytest.mark.parametrize(
    ("head", "protocol", "subscribe", "arrivals"),
    [
        # All of a second's publications at once: the first connection takes one, and the others are sent again.
        (closing.ANNOUNCED, "longpoll", LONGPOLL, "burst"),
        (closing.OLD, "sse", SSE, "constant"),
        (closing.SILENT, "sse", SSE, "constant"),
    ],
)
def test_a_server_that_closes_after_each_answer_loses_nothing(
    head: str, protocol: str, subscribe: Subscribe, arrivals: str, tmp_path: Path
) -> None:
    adapter = Adapter(
        name="mine", about="", protocol=protocol, subscribe=subscribe, publish=Publish(path="/out/{room}")
    )
    load = Load(name="2x20", subscribers=2, rate_per_s=20.0, arrivals=arrivals)
    with closing.closing_server(head) as server:
        spec = describe_cell(FOREIGN_USER, server.port, load, warm_up_s=0.0, measured_s=0.9, grace_s=0.5)
        trial = run_generator(msgspec.structs.replace(spec, adapter=adapter), tmp_path)
    assert trial.exit_code == 0, trial.progress
    assert (trial.result.refused, trial.result.reconnects, trial.result.errors) == (0, 0, {})
    published = len(trial.publishes["message"])
    assert published == (20 if arrivals == "burst" else 18)
    assert server.connections == published, "each connection takes one"
    for subscriber in (0, 1):
        received = trial.samples["message"][trial.samples["subscriber"] == subscriber].tolist()
        assert received == list(range(published))
