"""Plain Locust as a process of its own, the way a user types it."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import urllib.error
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from locust.util.load_locustfile import is_user_class

import loadtests.locustfile
from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import fault_server
from loadtests.load.users import locust_tables
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.transports import USER_CLASSES, load_user_class
from loadtests.records import store
from loadtests.records.schema import ABSENT_NS
from loadtests.records.shard import read
from tests.loadtests.load.users import locust_process
from tests.loadtests.load.users.locust_process import Run

OTHER_CLOCK_EVERY = 5  # of the server's messages have a stamp of another clock
LATE_EVERY = 3  # are delivered late
ON_TIME_MS, LATE_MS = 30.0, 115.0  # after they were due
TABLED = 12  # users of each class whose tables are compared: more deliveries than Locust is shown
TABLED_PER_S = 10  # so far apart that a late message is passed by none

AT_ONCE = 2  # more would starve each other beside other tests
CANNOT_START = {
    "secret": ((), "RTLAB_SECRET is not set"),
    "payload": (("--payload", "9999"), "--payload 9999: expected 1 to 4096"),
    "host": (("--host", "http://127.0.0.1:1"), "cannot start: connection refused at http://127.0.0.1:1; start the"),
}
"""Arguments of runs that end before they begin, and what they say; the first has no secret."""


SHAPE = """
from locust import LoadTestShape
from locust.util.load_locustfile import is_user_class

import loadtests.locustfile


class Stream(loadtests.locustfile.SseUser):
    host = "http://127.0.0.1:{port}"


class Socket(loadtests.locustfile.WebSocketUser):
    host = "http://127.0.0.1:{port}"


class Shape(LoadTestShape):
    def tick(self):
        for until_s, users in ((1, 4), (2, 0), (4, 4)):
            if self.get_run_time() < until_s:
                return users, 100
"""


PATIENT = """
import json
from pathlib import Path

from locust import events, runners

from loadtests.locustfile import *

runners.HEARTBEAT_LIVENESS = 60


@events.init.add_listener
def keep_what_locust_was_shown(environment, **_):
    def keep(**_):
        shown = [[*key, entry.response_times] for key, entry in environment.stats.entries.items()]
        Path(__file__).with_name("shown.json").write_text(json.dumps(shown))

    if isinstance(environment.runner, runners.MasterRunner):
        environment.events.quit.add_listener(keep)
"""
"""Locust gives workers up that say nothing for three seconds, which on a busy machine is no sign that they are gone.
Its --json-file would take what it writes out of its tables."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    faults = Faults(other_clock_every=OTHER_CLOCK_EVERY, delay_ms=ON_TIME_MS, late_every=LATE_EVERY, late_ms=LATE_MS)
    with fault_server(faults) as port:
        yield port


@pytest.fixture(scope="module")
def runs(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """Every headless run of this file, some side by side, each in rooms of its own."""
    folder = tmp_path_factory.mktemp("runs")
    shape = folder / "shape.py"
    shape.write_text(SHAPE.format(port=port))
    patient = folder / "patient.py"
    patient.write_text(PATIENT)
    master_port = str(locust_process.free_port())
    master = ("--master-bind-port", master_port, "--master-port", master_port)
    workers = ("-f", str(patient), "--host", f"http://127.0.0.1:{port}", "--processes", "2", *master)
    users = ("-u", str(2 * TABLED), "-r", str(2 * TABLED), "--rate", str(TABLED_PER_S))
    tables = ("--csv", str(folder / "tables"), *users)
    own = folder / "own.py"
    own.write_text(_own_user().replace("http://127.0.0.1:8001", f"http://127.0.0.1:{port}"))
    planned = {
        "shape": ("-f", str(shape)),
        "own": ("-f", str(own), "Shopper", "-u", "2", "-r", "2", "-t", "3s"),
        "plain": ("WebSocketUser", "-u", "6", "-r", "6", "-t", "3s", "--rooms", "2"),
        "workers": (*workers, *tables, "SseUser", "LongPollUser", "-t", "7s"),
        "silent": ("LongPollUser", "-u", "2", "-r", "2", "-t", "1s", "--rate", "0"),
        **{name: ("WebSocketUser", "-t", "2s", *arguments) for name, (arguments, _) in CANNOT_START.items()},
    }
    with fault_server(Faults(refuse_every=5, freeze_after=20)) as freezing, ThreadPoolExecutor(AT_ONCE) as pool:
        failing = ("WebSocketUser", "-u", "2", "-r", "2", "-t", "4s", "--rate", "20")
        found = {"failing": pool.submit(locust_process.run, freezing, folder / "failing", *failing)}
        for name, arguments in planned.items():
            found[name] = pool.submit(locust_process.run, port, folder / name, "--room", name, *arguments)
        yield found


def _own_user() -> str:
    """Return the user that the documentation shows."""
    page = (Path(__file__).parents[4] / "docs" / "locust.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(found.splitlines()) <= 22
    return str(found)


def test_what_is_refused_or_never_answered_fails_in_locust_s_tables(runs: dict[str, Future[Run]]) -> None:
    run = runs["failing"].result()
    assert run.code == 1, run.output
    assert "refused: rate_limited" in run.output
    assert "no answer" in run.output
    result = json.loads((run.shard() / "generator.json").read_bytes())
    assert result["refused"] == 4
    assert result["unanswered"] > 0


def test_the_locustfile_offers_exactly_the_registered_users() -> None:
    offered = {name for name, each in vars(loadtests.locustfile).items() if is_user_class(each)}
    assert offered == set(USER_CLASSES)
    for name in USER_CLASSES:
        user_class = load_user_class(name)
        assert getattr(loadtests.locustfile, name) is user_class
        assert issubclass(user_class, RoomUser)
        assert not user_class.abstract


def test_a_plain_run_shows_fractions_and_leaves_its_samples(runs: dict[str, Future[Run]]) -> None:
    run = runs["plain"].result()
    assert run.code == 0, run.output
    shard = run.shard()
    samples = pq.read_table(shard / "samples.parquet")
    assert set(samples.column("subscriber").to_pylist()) == set(range(6))
    assert set(samples.column("room").to_pylist()) == {0, 1}
    assert json.loads((shard / "generator.json").read_bytes())["subscribers_connected"] == 6
    row = next(line for line in run.output.splitlines() if "delivery latency" in line)
    average_ms, _, most_ms, *_ = map(float, row.split("|")[1].split())
    assert not average_ms.is_integer()
    assert most_ms < 60_000, "no latency was made of another clock's stamp"
    other_clock = {row["offset"] for row in samples.to_pylist() if row["scheduled_ns"] == ABSENT_NS}
    assert other_clock == {offset for offset in samples["offset"].to_pylist() if not offset % OTHER_CLOCK_EVERY}
    assert re.search(r"WARNING.*\d+ deliveries have no latency: the clock", run.output)


def test_a_user_of_one_s_own_has_its_tasks_and_is_a_row_of_its_own(runs: dict[str, Future[Run]]) -> None:
    run = runs["own"].result()
    assert run.code == 0, run.output
    shard, _ = read(run.shard())
    assert [(each.name, each.like) for each in shard.classes] == [("Shopper", "sse")]
    assert len(shard.spans) == 2
    assert all(span.from_ns for span in shard.spans)
    asked = next(line for line in run.output.splitlines() if "GET /health" in line and "|" in line)
    assert int(asked.split("/health")[1].split()[0]) > 1, "its task ran again and again, beside the stream"
    assert pq.read_table(run.shard() / "samples.parquet").num_rows > 0


def test_each_worker_leaves_a_shard_of_its_own(runs: dict[str, Future[Run]]) -> None:
    run = runs["workers"].result()
    assert run.code == 0, run.output
    subscribers = [
        set(pq.read_table(shard / "samples.parquet").column("subscriber").to_pylist()) for shard in run.shards()
    ]
    assert len(subscribers) == 2
    assert list(map(len, subscribers)) == [TABLED, TABLED]
    assert not subscribers[0] & subscribers[1]


def test_the_report_counts_what_locust_s_tables_count(runs: dict[str, Future[Run]]) -> None:
    run = runs[locust_process.REPORTED].result()
    (folder,) = store.listed(run.out)
    reported = store.load(folder)
    assert reported.complete, reported.note
    assert {cell.transport: cell.subscribers for cell in reported.cells} == {"sse": TABLED, "longpoll": TABLED}
    with (run.out.parent / "tables_stats.csv").open() as file:
        tables = [row for row in csv.DictReader(file) if row["Name"] == "publish"]
    counted = reported.manifest["locust"]
    assert counted["users"] == 2 * TABLED
    assert counted["publications"] == sum(int(row["Request Count"]) for row in tables) > 0
    assert counted["failures"] == sum(int(row["Failure Count"]) for row in tables)
    for cell in reported.cells:
        assert cell.counts is not None
        assert (cell.counts.lost, cell.counts.duplicates) == (0, 0)
        assert 0 < cell.counts.published <= counted["publications"]
    assert (folder / "report.html").is_file()
    assert f"report: {folder / 'report.html'}" in run.output


def test_the_percentiles_of_both_are_of_the_same_deliveries(runs: dict[str, Future[Run]]) -> None:
    run = runs[locust_process.REPORTED].result()
    (folder,) = store.listed(run.out)
    reported = {row["transport"]: row for row in json.loads((folder / "results.json").read_bytes())["results"]}
    entries = json.loads((run.out.parent / "shown.json").read_bytes())
    sampled = {user_class: times for name, user_class, times in entries if name == locust_tables.NAME}
    with (run.out.parent / "tables_stats.csv").open() as file:
        in_csv = {row["Type"]: row for row in csv.DictReader(file) if row["Name"] == locust_tables.NAME}
    for user_class, transport in (("SseUser", "sse"), ("LongPollUser", "longpoll")):
        shown = np.array([float(ms) for ms, times in sampled[user_class].items() for _ in range(times)])
        assert 100 < len(shown) < reported[transport]["deliveries"], "a sample"
        for percent in (50, 90):
            low_ms, high_ms = _interval_ms(shown, percent)
            of_all_ms = reported[transport][f"p{percent}_ms"]
            assert low_ms <= of_all_ms <= high_ms
            # In its files Locust cuts to whole milliseconds.
            assert low_ms - 1 < float(in_csv[user_class][f"{percent}%"]) <= high_ms
            assert high_ms - low_ms < LATE_MS - ON_TIME_MS, "it could not tell a late message from another"


def _interval_ms(shown_ms: npt.NDArray[np.float64], percent: float) -> tuple[float, float]:
    """Return the 99.9 % interval of a percentile that a sample gives, wider by what Locust's two digits may hide."""
    n, share = len(shown_ms), percent / 100
    spread = 3.29 * math.sqrt(n * share * (1 - share))
    ranks = np.clip([math.floor(n * share - spread), math.ceil(n * share + spread)], 1, n) - 1
    low_ms, high_ms = np.sort(shown_ms)[ranks]
    return float(low_ms - _half_a_unit(low_ms)), float(high_ms + _half_a_unit(high_ms))


def _half_a_unit(shown: float) -> float:
    return 10.0 ** (math.floor(math.log10(shown)) - 1) / 2


def test_a_user_that_comes_after_the_publishing_one_publishes(runs: dict[str, Future[Run]]) -> None:
    run = runs["shape"].result()
    assert run.code == 0, run.output
    received = pq.read_table(run.shard() / "samples.parquet")
    second_half = {subscriber for subscriber in received.column("subscriber").to_pylist() if subscriber >= 4}
    assert second_half == {4, 5, 6, 7}, "those who came after the room had been empty"
    assert re.search(r"WARNING.*nobody was left to publish in room 0", run.output)
    rows = {line.split()[0] for line in run.output.splitlines() if "delivery latency" in line}
    assert rows == {"Stream", "Socket"}


def test_the_web_ui_lives_and_does_not_round_to_zero(port: int, tmp_path: Path) -> None:
    web_port = locust_process.free_port()
    arguments = ("WebSocketUser", "--autostart", "-u", "3", "-r", "3", "--web-host", "127.0.0.1")
    command = locust_process.locust(port, *arguments, "--web-port", str(web_port), "--rtlab-out", str(tmp_path))
    process = subprocess.Popen(
        command, env=locust_process.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        page = f"http://127.0.0.1:{web_port}"
        row = _await_row(f"{page}/stats/requests")
        tab = locust_process.answer(f"{page}/stats/requests")["extended_stats"][0]["data"]
        before = locust_process.status(f"{page}/rtlab/report")
        locust_process.answer(f"{page}/stop", posted=b"")
        locust_process.wait_until(lambda: locust_process.status(f"{page}/rtlab/report") == 200)
    finally:
        process.terminate()
        process.wait(20)
    assert row["min_response_time"] % 1 != 0, "a fraction of a millisecond is shown"
    assert row["median_response_time"] > 0
    assert [(each["users"], each["failed"]) for each in tab] == [("WebSocketUser", 0)]
    assert tab[0]["p50"] > 0
    assert before == 404


def _await_row(url: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def look() -> bool:
        with suppress(urllib.error.URLError, ConnectionError):
            found.extend(
                row
                for row in locust_process.answer(url)["stats"]
                if row["name"].startswith("delivery latency") and row["num_requests"] > 5
            )
        return bool(found)

    locust_process.wait_until(look)
    return found[0]


def test_a_run_in_which_nothing_was_received_fails(runs: dict[str, Future[Run]]) -> None:
    run = runs["silent"].result()
    assert run.code == 1
    assert "nothing was received" in run.output


@pytest.mark.parametrize("name", CANNOT_START)
def test_what_cannot_start_says_why(name: str, runs: dict[str, Future[Run]]) -> None:
    run = runs[name].result()
    assert run.code != 0
    assert CANNOT_START[name][1] in run.output
    assert "Traceback" not in run.output
    assert not run.out.exists() or list(run.out.iterdir()) == []
