"""A shift that is planted between the windows is found, and nothing else is; what others disturbed is left out."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.evidence.calibration import moves
from loadtests.evidence.calibration.moves import Measured, Planted, Windowed, moved
from loadtests.evidence.calibration.windows import GUARD_NS, WINDOW_NS, disturbed
from loadtests.run.targets import target

PAIRS = 40
MS = 1_000_000


def measured(
    late_ms: float, *, batch: int = 1, waited_ns: dict[int, int] | None = None, hub_ms: int = 0, sent_ms: int = 0
) -> Measured:
    """One room at 100 messages a second; in disturbed windows each delivery takes `late_ms` more."""
    due_ns = np.arange(0, 2 * PAIRS * WINDOW_NS, 10 * MS, dtype=np.int64)
    on = np.array([disturbed(int(each)) for each in due_ns])
    noise = np.random.default_rng(1).integers(0, MS // 20, len(due_ns))
    received_ns = due_ns + MS + noise + on * int(late_ms * MS)
    rows = len(due_ns)
    samples = {
        "room": np.zeros(rows, dtype=np.int64), "scheduled_ns": due_ns, "kernel_rx_ns": received_ns,
        "user_rx_ns": received_ns + MS // 10 + on * 3 * MS, "batch_size": np.full(rows, batch, dtype=np.int64),
    }  # fmt: skip
    publishes = {"room": np.zeros(rows, dtype=np.int64), "scheduled_ns": due_ns, "sent_ns": due_ns + on * sent_ms * MS}
    waits_ns = [(waited_ns or {}).get(int(each) // WINDOW_NS, 0) for each in due_ns]
    ticks = np.stack([due_ns, on * hub_ms * MS, np.cumsum(waits_ns, dtype=np.int64)], axis=1)
    return Measured(samples, publishes, ticks)


def test_neighbouring_windows_hold_one_of_each_kind() -> None:
    kinds = [disturbed(window * WINDOW_NS) for window in range(64)]
    assert all(kinds[pair] != kinds[pair + 1] for pair in range(0, 64, 2))
    assert len({tuple(kinds[pair : pair + 2]) for pair in range(0, 64, 2)}) == 2, "neither kind always comes first"


@pytest.mark.parametrize(("late_ms", "found"), [(0.0, "still"), (2.0, "moved")])
def test_what_was_planted_is_found(late_ms: float, found: str) -> None:
    move = moved(Planted("late reader", 3.0), [measured(late_ms), measured(late_ms)], target("websocket"), 0)
    assert move.p50.value_ms == pytest.approx(late_ms, abs=0.05)
    assert move.p99.value_ms == pytest.approx(late_ms, abs=0.05)
    assert (move.p99.still, move.p99.moved) == (found == "still", found == "moved")
    assert move.planted == pytest.approx(3.1)
    assert move.control == pytest.approx(0.1)
    assert (move.pairs, move.left_out) == (2 * PAIRS, 0)


@pytest.mark.parametrize(("disturbance", "figure"), [("late publisher", 2.0), ("hub lag", 4.0)])
def test_each_disturbance_has_the_figure_of_its_own_gate(disturbance: str, figure: float) -> None:
    late = measured(0.0, hub_ms=4) if disturbance == "hub lag" else measured(0.0, sent_ms=2)
    move = moved(Planted(disturbance, 4.0), [late], target("websocket"), 0)
    assert move.planted == pytest.approx(figure)
    assert move.control == 0.0


def test_a_hog_s_figure_is_what_it_takes() -> None:
    move = moved(Planted("hog", 1.0, percent=10.0), [measured(0.0)], target("websocket"), 0)
    assert (move.planted, move.control) == (10.0, 0.0)


def test_pairs_in_which_others_took_the_processor_are_left_out() -> None:
    held_up = measured(0.0, waited_ns={5: 2 * moves.TAKEN_NS})
    assert moved(Planted("hub lag", 1.0), [held_up], target("websocket"), 0).left_out == 1


def test_pairs_in_which_the_hub_was_later_than_planted_are_left_out() -> None:
    held_up = measured(0.0, hub_ms=4)
    assert moved(Planted("hub lag", 4.0), [held_up], target("websocket"), 0).left_out == 0
    assert moved(Planted("hub lag", 2.0), [held_up], target("websocket"), 0).left_out == PAIRS
    assert moved(Planted("late reader", 4.0), [held_up], target("websocket"), 0).left_out == PAIRS
    assert moved(Planted("hog", 4.0), [held_up], target("websocket"), 0).left_out == 0


def test_pairs_in_which_a_publication_was_later_than_planted_are_left_out() -> None:
    held_up = measured(0.0, sent_ms=2)
    assert moved(Planted("late publisher", 2.0), [held_up], target("websocket"), 0).left_out == 0
    assert moved(Planted("late publisher", 1.0), [held_up], target("websocket"), 0).left_out == PAIRS
    assert moved(Planted("late reader", 5.0), [held_up], target("websocket"), 0).left_out == PAIRS


def test_beside_a_hog_only_control_windows_are_looked_at() -> None:
    each = {window: 2 * moves.TAKEN_NS for window in range(2 * PAIRS) if disturbed(window * WINDOW_NS)}
    assert moved(Planted("hog", 1.0), [measured(0.0, waited_ns=each)], target("websocket"), 0).left_out == 0
    assert moved(Planted("hub lag", 1.0), [measured(0.0, waited_ns=each)], target("websocket"), 0).left_out == PAIRS


def test_pushes_that_shared_a_read_are_for_another_gate() -> None:
    assert moved(Planted("hub lag", 1.0), [measured(2.0, batch=2)], target("websocket"), 0).deliveries == 0
    assert moved(Planted("hub lag", 1.0), [measured(2.0, batch=2)], target("longpoll"), 0).deliveries > 0


def test_guards_and_halves_of_pairs_are_not_used() -> None:
    due_ns = np.array([0, GUARD_NS, WINDOW_NS, WINDOW_NS + GUARD_NS, 2 * WINDOW_NS + GUARD_NS], dtype=np.int64)
    found: Windowed = moves.joined(iter([(due_ns, np.arange(5.0))]))
    assert found.value.tolist() == [1.0, 3.0]
