"""The generator as a process, against the fault server: what it records is what was planted."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtests.evidence.calibration.faults import Faults
from loadtests.evidence.calibration.trial import RAW_USERS, Trial, describe_cell, fault_server, run_generator, run_trial
from loadtests.load.clients.sockets import HAS_KERNEL_STAMPS
from loadtests.load.users import generator, setup
from loadtests.load.users.measurement import Measurement
from loadtests.load.users.transports import USER_CLASSES
from loadtests.records.cell_spec import Load, Progress
from loadtests.records.schema import ABSENT_NS

LOAD = Load(name="4x20", subscribers=4, rate_per_s=20.0, rooms=2, publishers=2, poll_interval_s=0.1, payload_bytes=200)
CHAT = Load(name="chat", subscribers=4, rate_per_s=10.0, rooms=2, publishers=2, direction="chat")
SPOKEN = [name for name in USER_CLASSES if not name.startswith("Http2")]
"""Those that the server with faults speaks to; HTTP/2 is tested against the real servers (`test_http2_cells`)."""
CUT = [*RAW_USERS[:3], "SocketIoUser", "StockWebSocketUser"]
TALKING = ["WebSocketUser", "LongPollUser"]
TIMES = {"warm_up_s": 0.3, "measured_s": 1.0, "grace_s": 0.6}
HELD_UP_MS = 20.0
AT_ONCE = 4  # trials: they sleep most of the time, and no test here looks at a latency

Trials = dict[str, "Future[Trial]"]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Every trial of this file, some side by side; those without faults in rooms of their own of one server."""
    five, eight = Load(name="5x20", subscribers=5, rate_per_s=20.0), Load(name="8x20", subscribers=8, rate_per_s=20.0)
    three, fast = Load(name="3x40", subscribers=3, rate_per_s=40.0), Load(name="1x200", subscribers=1, rate_per_s=200.0)
    planned: dict[str, tuple[str, Load, dict[str, float]]] = {
        **{f"plain-{name}": (name, LOAD, TIMES) for name in SPOKEN},
        **{f"chat-{name}": (name, CHAT, TIMES) for name in TALKING},
        "looks": ("WebSocketUser", five, {"warm_up_s": 0.5, "measured_s": 0.5, "grace_s": 0.2}),
        "grid": ("ShortPollUser", eight, {"warm_up_s": 0.0, "measured_s": 0.5, "grace_s": 0.0}),
        "memory": ("WebSocketUser", LOAD, {"hold_s": 0.5}),
        "fast": ("SseUser", fast, {"warm_up_s": 0.4, "measured_s": 0.2, "grace_s": 0.3}),
    }
    folder = tmp_path_factory.mktemp("trials")
    found: Trials = {}
    with fault_server(Faults()) as port, ThreadPoolExecutor(AT_ONCE) as pool:
        for name, (user_class, load, times) in planned.items():
            spec = describe_cell(user_class, port, load, **times)
            spec = msgspec.structs.replace(spec, room_names=tuple(f"{name}-{room}" for room in range(load.rooms)))
            found[name] = pool.submit(run_generator, spec, folder / name)
            if len(found) == 1:
                wait(found.values())  # it starts the process that all generators are forked from
        for name in CUT:
            times = TIMES | {"grace_s": 1.5}
            found[f"cut-{name}"] = pool.submit(run_trial, name, three, Faults(cut_after=30), folder / name, **times)
        yield found


def _received(trial: Trial) -> dict[int, list[int]]:
    """Offsets by subscriber, in the order in which they came."""
    subscribers, offsets = trial.samples["subscriber"], trial.samples["offset"]
    return {int(number): offsets[subscribers == number].tolist() for number in np.unique(subscribers)}


def _expected(trial: Trial, room: int) -> list[int]:
    """Offsets that the room's publishers were acknowledged, in order."""
    return sorted(trial.publishes["offset"][trial.publishes["room"] == room].tolist())


@pytest.mark.parametrize("user_class", SPOKEN)
def test_every_subscriber_receives_every_publication_of_its_room_once(user_class: str, trials: Trials) -> None:
    trial = trials[f"plain-{user_class}"].result()
    assert trial.exit_code == 0
    assert [line.event for line in trial.progress if line.event != "second"] == [
        "connecting",
        "connected",
        "measuring",
        "over",
        "done",
    ]
    assert len(trial.publishes["offset"]) == 2 * 20
    assert trial.publishes["offset"].min() > 0, "all were acknowledged"
    received = _received(trial)
    assert len(received) == 4
    for subscriber, offsets in received.items():
        assert offsets == _expected(trial, room=subscriber % 2)
    result, samples = trial.result, trial.samples
    assert (result.subscribers_connected, len(result.connect_ms), result.refused) == (4, 4, 0)
    assert (result.reconnects, result.told_gaps) == (0, 0)
    assert set(samples["payload_bytes"].tolist()) == {200}
    assert (samples["wire_bytes"] > 200).all()
    assert (samples["scheduled_ns"] <= samples["sent_ns"]).all()
    assert (samples["sent_ns"] < samples["user_rx_ns"]).all()
    assert all(result.measured_from_ns <= at_ns < result.measured_to_ns for at_ns in samples["scheduled_ns"].tolist())
    if user_class in RAW_USERS and HAS_KERNEL_STAMPS:
        _check_kernel_stamps(trial)
    else:
        assert (result.clock, result.sockets) == ("user", None)
        assert set(samples["kernel_rx_ns"].tolist()) == {ABSENT_NS}


@pytest.mark.parametrize("user_class", TALKING)
def test_where_all_publish_all_receive_what_was_published_in_their_room(user_class: str, trials: Trials) -> None:
    trial = trials[f"chat-{user_class}"].result()
    assert trial.exit_code == 0
    assert trial.result.subscribers_connected == 4
    assert np.unique(trial.publishes["publisher"]).tolist() == [0, 1, 2, 3]
    for subscriber, offsets in _received(trial).items():
        assert offsets == _expected(trial, room=subscriber % 2)


@pytest.mark.skipif(not HAS_KERNEL_STAMPS, reason="TCP_INFO as read here is Linux's")
def test_bytes_between_two_looks_are_those_of_the_deliveries_between_them(trials: Trials) -> None:
    trial = trials["looks"].result()
    sizes = trial.samples["wire_bytes"]
    assert trial.result.sockets is not None
    assert trial.result.sockets.bytes_received is not None
    assert len(set(sizes.tolist())) == 1, "every message has the size of any other"
    assert trial.result.sockets.bytes_received == trial.result.looked_at * sizes[0]


def test_where_nothing_came_no_stamp_was_missing() -> None:
    cell, _ = generator.open_cell(describe_cell("WebSocketUser", 1, LOAD))
    result = Measurement(cell, 0, lambda progress: None).result()
    cell.close()
    assert result.clock == ("kernel" if HAS_KERNEL_STAMPS else "user")


def _check_kernel_stamps(trial: Trial) -> None:
    samples, sockets = trial.samples, trial.result.sockets
    assert trial.result.clock == "kernel"
    assert (samples["kernel_rx_ns"] > samples["sent_ns"]).all()
    # The offset between the clocks is known to a fraction of a microsecond.
    assert (samples["kernel_rx_ns"] <= samples["user_rx_ns"] + 10_000).all()
    assert sockets is not None
    assert sockets.bytes_received is not None
    lag_ms = trial.result.hub_lag_ms_p99
    assert lag_ms is not None
    # A look is as late as the hub. A busy machine may hold the generator up for all of the second that is measured:
    # both looks then stand behind it, and see nothing of it. Otherwise they miss what is due at their very instant.
    if lag_ms < HELD_UP_MS:
        assert trial.result.looked_at > 0.9 * len(samples["offset"])
    assert sockets.bytes_received >= trial.result.looked_at * samples["wire_bytes"].min()
    assert trial.result.cpu_s > 0
    assert trial.result.seconds


@pytest.mark.parametrize("user_class", CUT)
def test_a_cut_connection_is_resumed_without_loss_or_repeat(user_class: str, trials: Trials) -> None:
    trial = trials[f"cut-{user_class}"].result()
    assert trial.result.reconnects >= 3, "a talking WebSocket user is cut too"
    assert trial.result.errors
    offsets = _received(trial)
    assert len(offsets) == 3
    # What the cut publisher could not send stays unanswered; all that was accepted arrived.
    accepted = [offset for offset in _expected(trial, room=0) if offset > 0]
    for received in offsets.values():
        assert received == sorted(set(received))
        assert set(accepted) <= set(received)


def test_short_polls_are_awaited_for_a_whole_interval_whatever_the_grace(trials: Trials) -> None:
    trial = trials["grid"].result()
    assert len(trial.samples["offset"]) == 8 * 10


def test_refusals_are_reported_at_once(tmp_path: Path) -> None:
    with fault_server(Faults()) as port:
        spec = msgspec.structs.replace(describe_cell("SseUser", port, LOAD), tokens=("refused",))
        trial = run_generator(spec, tmp_path)
    assert trial.exit_code == 1
    assert trial.progress[-1].event == "failed"
    assert "401" in trial.progress[-1].message


def test_a_server_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    trial = run_generator(describe_cell("LongPollUser", port, LOAD, connect_timeout_s=0.5), tmp_path)
    assert trial.exit_code == 1
    assert trial.progress[-1].event == "failed"
    assert trial.progress[-1].message


def test_a_server_that_never_welcomes_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        spec = describe_cell("WebSocketUser", silent.getsockname()[1], LOAD, connect_timeout_s=0.5)
        trial = run_generator(spec, tmp_path)
    assert trial.exit_code == 1
    assert "no welcome" in trial.progress[-1].message


def test_an_interrupted_generator_writes_what_it_has(tmp_path: Path) -> None:
    with fault_server(Faults()) as port:
        spec = describe_cell("WebSocketUser", port, LOAD, warm_up_s=0.1, measured_s=60.0)
        (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
        command = [sys.executable, "-m", "loadtests.load.users.generator", str(tmp_path / "spec.json"), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            progress = msgspec.json.decode(line, type=Progress)
            if progress.event == "second" and progress.delivered:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    last = json.loads(rest.splitlines()[-1])
    assert (last["event"], last["message"]) == ("done", "interrupted by SIGINT")
    assert (tmp_path / "samples.parquet").exists()
    assert json.loads((tmp_path / "generator.json").read_bytes())["subscribers_connected"] == 4


def test_half_of_the_warm_up_has_at_most_fifty_messages_a_second_and_the_measured_phase_all(trials: Trials) -> None:
    trial = trials["fast"].result()
    due_ns = np.sort(pq.read_table(trial.folder / "publishes.parquet")["scheduled_ns"].to_numpy())
    before_ms = (trial.result.measured_from_ns - due_ns) / 1e6
    assert np.diff(due_ns[before_ms > 200]).min() >= 20_000_000
    assert set(np.diff(due_ns[before_ms <= 200])) == {5_000_000}
    assert len(trial.publishes["message"]) == 0.2 * 200


def test_a_memory_cell_holds_and_publishes_nothing(trials: Trials) -> None:
    trial = trials["memory"].result()
    assert trial.exit_code == 0
    assert "held" in [line.event for line in trial.progress]
    assert (len(trial.samples["offset"]), len(trial.publishes["offset"])) == (0, 0)
    assert trial.result.subscribers_connected == 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"user_class": "CarrierPigeon"}, "CarrierPigeon.*WebSocketUser"),
        ({"tokens": []}, "tokens"),
        ({"measured_s": 0}, "measured_s 0"),
        ({"connects_per_s": 0}, "connects_per_s 0"),
        ({"room_names": ["only"]}, "1 room_names; expected 2"),
        ({"load": {"subscribers": 0}}, "subscribers 0"),
        ({"load": {"rate_per_s": -1}}, "rate_per_s -1"),
        ({"load": {"rooms": 0}}, "rooms 0"),
        ({"load": {"publishers": 0}}, "publishers 0"),
        ({"load": {"arrivals": "steady"}}, "steady.*poisson"),
        ({"load": {"payload_bytes": 5000}}, "payload_bytes 5000"),
        ({"load": {"poll_interval_s": 0}}, "poll_interval_s 0"),
        ({"room_classes": ["NoUser"]}, "NoUser.*WebSocketUser"),
        ({"room_classes": ["SseUser", "SseUser"]}, "2 publishers in each.*for 2 room_classes"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_bad_spec_is_refused_with_value_and_range(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    spec = msgspec.to_builtins(describe_cell("WebSocketUser", 1, LOAD))
    change = dict(change)
    spec["load"] |= change.pop("load", {})
    path = tmp_path / "spec.json"
    path.write_bytes(msgspec.json.encode(spec | change))
    with pytest.raises(ValueError, match=complaint):
        setup.read_spec(path)


def test_bad_arguments_and_bad_hosts_exit_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main([]) == 2
    assert generator.main([str(tmp_path / "missing.json"), str(tmp_path)]) == 2
    spec = msgspec.structs.replace(describe_cell("WebSocketUser", 1, LOAD), host="ftp://a")
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    assert generator.main([str(tmp_path / "spec.json"), str(tmp_path)]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["failed", "failed"]
    assert "missing.json" in lines[0]["message"]
    assert "ftp://a" in lines[1]["message"]
