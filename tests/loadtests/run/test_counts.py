"""Counts, costs and instrument figures from synthetic cells with planted faults."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.records.cell_spec import CellSpec, Load
from loadtests.records.schema import ABSENT_NS, SAMPLES, Phase
from loadtests.run import counts
from loadtests.run.sampler import Reading
from tests.loadtests.run.synthetic import MS, CellTables, cell_tables

FROM_NS, TO_NS = 10_000 * MS, 12_000 * MS


def spec(subscribers: int = 4, rooms: int = 1) -> CellSpec:
    return CellSpec(
        cell="0-sse-x",
        user_class="SseUser",
        host="http://127.0.0.1:1",
        load=Load(name="x", subscribers=subscribers, rate_per_s=5.0, rooms=rooms),
        tokens=("t",),
        room_names=tuple(f"r{index}" for index in range(rooms)),
    )


def perfect(subscribers: int = 4, rooms: int = 1) -> CellTables:
    return cell_tables(spec(subscribers, rooms), from_ns=FROM_NS, to_ns=TO_NS)


def replaced(table: pa.Table, name: str, values: object) -> pa.Table:
    """Return the table with one column's values replaced."""
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))


@settings(deadline=None)
@given(subscribers=st.integers(1, 12), rooms=st.integers(1, 4))
def test_a_perfect_cell_has_full_reach(subscribers: int, rooms: int) -> None:
    rooms = min(rooms, subscribers)
    cell = perfect(subscribers, rooms)
    found = counts.count(cell.samples, cell.publishes, spec(subscribers, rooms).load, cell.result)
    assert (found.published, found.expected, found.received) == (10 * rooms, 10 * subscribers, 10 * subscribers)
    assert (found.lost, found.duplicates, found.out_of_order, found.refused) == (0, 0, 0, 0)
    assert found.reach == 1.0


@settings(deadline=None)
@given(
    lost=st.sets(st.integers(0, 39), max_size=39),
    repeated=st.lists(st.integers(0, 39), max_size=10),
)
def test_planted_losses_and_duplicates_are_counted_exactly(lost: set[int], repeated: list[int]) -> None:
    cell = perfect()
    kept = [row for row in range(40) if row not in lost]
    again = [row for row in repeated if row not in lost]
    samples = cell.samples.take(kept + again)
    found = counts.count(samples, cell.publishes, spec().load, cell.result)
    assert (found.lost, found.received) == (len(lost), 40 - len(lost))
    assert found.duplicates == len(again)
    assert found.out_of_order == 0


def test_a_planted_swap_is_one_out_of_order() -> None:
    cell = perfect(subscribers=2)
    rows = list(range(20))
    rows[4], rows[6] = rows[6], rows[4]  # the same subscriber's deliveries of messages 2 and 3
    found = counts.count(cell.samples.take(rows), cell.publishes, spec(2).load, cell.result)
    assert (found.out_of_order, found.lost, found.duplicates) == (1, 0, 0)


def test_order_is_judged_within_each_subscriber() -> None:
    cell = perfect(subscribers=2)
    by_subscriber = np.argsort(np.arange(20) % 2, kind="stable")
    found = counts.count(cell.samples.take(by_subscriber), cell.publishes, spec(2).load, cell.result)
    assert found.out_of_order == 0


def with_answers(cell: CellTables, **changed: dict[int, int]) -> pa.Table:
    """Return the publications with some rows of `accepted_ns` or `refused_ns` replaced."""
    publishes = cell.publishes
    for name, rows in changed.items():
        values = publishes[name].to_pylist()
        for row, value in rows.items():
            values[row] = value
        publishes = replaced(publishes, name, values)
    return publishes


def test_a_refused_publication_is_owed_to_nobody_and_fills_no_hole() -> None:
    cell = perfect(subscribers=1)
    publishes = with_answers(cell, accepted_ns={0: ABSENT_NS}, refused_ns={0: FROM_NS + MS})
    found = counts.count(cell.samples.slice(0, 9), publishes, spec(1).load, cell.result)
    assert (found.refused, found.unanswered, found.published, found.expected) == (1, 0, 9, 9)
    assert (found.received, found.lost, found.lost_unanswered) == (8, 1, 0)


def test_an_unanswered_publication_is_missing_for_everybody_who_did_not_get_it() -> None:
    cell = perfect(subscribers=4)
    publishes = with_answers(cell, accepted_ns={8: ABSENT_NS, 9: ABSENT_NS})
    kept = cell.samples.slice(0, 34)  # of the ninth message two of four subscribers, of the tenth nobody
    found = counts.count(kept, publishes, spec(4).load, cell.result)
    assert (found.published, found.refused, found.unanswered) == (8, 0, 2)
    assert (found.expected, found.received, found.lost, found.lost_unanswered) == (40, 34, 6, 6)
    assert found.until_ns == cell.result.until_ns


def test_a_delivery_that_came_twice_does_not_stand_for_another_subscriber_s() -> None:
    cell = perfect(subscribers=2)
    publishes = with_answers(cell, accepted_ns={9: ABSENT_NS})
    found = counts.count(cell.samples.take([*range(19), 18]), publishes, spec(2).load, cell.result)
    assert (found.received, found.lost_unanswered, found.duplicates) == (19, 1, 1)


def test_the_same_offset_in_another_room_is_another_delivery() -> None:
    cell = perfect(subscribers=2, rooms=2)
    samples = cell.samples.filter(pa.compute.equal(cell.samples["room"], 0))
    found = counts.count(samples, cell.publishes, spec(2, 2).load, cell.result)
    assert (found.expected, found.received, found.lost, found.duplicates) == (20, 10, 10, 0)


def test_warm_up_rows_do_not_count() -> None:
    cell = perfect()
    warm = [Phase.WARM_UP] * 4 + [Phase.MEASURED] * 36
    samples = replaced(cell.samples, "phase", warm)
    publishes = replaced(cell.publishes, "phase", [Phase.WARM_UP] + [Phase.MEASURED] * 9)
    found = counts.count(samples, publishes, spec().load, cell.result)
    assert (found.published, found.expected, found.received, found.lost) == (9, 36, 36, 0)


def test_a_cell_without_deliveries_is_all_lost() -> None:
    cell = perfect()
    found = counts.count(cell.samples.slice(0, 0), cell.publishes, spec().load, cell.result)
    assert (found.received, found.lost, found.reach) == (0, 40, 0.0)


def test_a_cell_without_anything_has_no_reach() -> None:
    cell = perfect()
    found = counts.count(cell.samples.slice(0, 0), cell.publishes.slice(0, 0), spec().load, cell.result)
    assert (found.expected, found.received, found.lost) == (0, 0, 0)
    assert math.isnan(found.reach)


def readings(server_cpu_percent: float, foreign_cpu_percent: float) -> tuple[Reading, ...]:
    """Readings a quarter of a second apart around the measured phase, with constant rates."""
    taken = []
    for t_ns in range(FROM_NS - 1000 * MS, TO_NS + 1000 * MS, 250 * MS):
        server = int(t_ns * server_cpu_percent / 100)
        taken.append(
            Reading(
                t_ns=t_ns,
                server_cpu_ns=server,
                generator_cpu_ns=0,
                machine_busy_ns=-1 if t_ns % (1000 * MS) else server + int(t_ns * foreign_cpu_percent / 100),
            )
        )
    return tuple(taken)


def test_costs_are_per_delivery_and_what_was_counted_by_looks_per_delivery_between_them() -> None:
    cell = perfect()
    spent = counts.costs(cell.samples, msgspec.structs.replace(cell.result, looked_at=39), readings(10.0, 0.0))
    assert spent.server_cpu_us_per_delivery == pytest.approx(0.1 * 2e6 / 40)
    assert spent.generator_cpu_us_per_delivery == pytest.approx(10_000 / 39)
    assert spent.wire_bytes_down_per_delivery == 1000 / 39
    assert spent.wire_bytes_up_per_delivery == 100 / 39
    assert spent.packets_per_delivery == 20 / 39
    assert spent.ip_bytes_down_per_delivery == 1520 / 39
    assert spent.ip_bytes_up_per_delivery == 820 / 39
    assert spent.acks_per_delivery == 9 / 39
    assert spent.connect_ms_p50 == 2.0
    assert spent.server_kib_per_connection is None


def test_what_was_not_measured_is_none_and_not_nought() -> None:
    cell = perfect()
    result = msgspec.structs.replace(cell.result, sockets=None, connect_ms=())
    spent = counts.costs(cell.samples, result, ())
    assert spent.server_cpu_us_per_delivery is None
    assert spent.wire_bytes_down_per_delivery is None
    assert spent.packets_per_delivery is None
    assert spent.ip_bytes_down_per_delivery is None
    assert spent.connect_ms_p99 is None
    nothing = msgspec.structs.replace(result, looked_at=0)
    assert counts.costs(cell.samples.slice(0, 0), nothing, ()).generator_cpu_us_per_delivery is None
    unseen = counts.costs(cell.samples, result, readings(0.0, 50.0))
    assert unseen.server_cpu_us_per_delivery is None, "a server of which no process is seen"


@pytest.mark.parametrize(
    ("buffers", "objects", "expected"),
    [
        ((100.0, 180.0), 3.5, 13.5),
        ((180.0, 100.0), 3.5, 3.5),
        ((None, None), 3.5, None),
        ((100.0, 180.0), None, None),
    ],
)
def test_memory_is_growth_over_connections(
    buffers: tuple[float | None, float | None], objects: float | None, expected: float | None
) -> None:
    spent = counts.memory_costs(perfect().result, server_kib=(1000.0, 1080.0), buffers_kib=buffers, objects_kib=objects)
    assert spent.server_kib_per_connection == 20.0
    assert spent.kernel_kib_per_connection == expected


def test_the_kernels_memory_is_unknown_where_subscribers_may_be_on_another_machine() -> None:
    result = perfect().result
    several = msgspec.structs.replace(result, workers=(result, msgspec.structs.replace(result, elsewhere=True)))
    spent = counts.memory_costs(several, server_kib=(1000.0, 1080.0), buffers_kib=(100.0, 180.0), objects_kib=3.5)
    assert (spent.server_kib_per_connection, spent.kernel_kib_per_connection) == (20.0, None)


def test_the_instrument_is_judged_on_the_measured_phase() -> None:
    cell = perfect()
    batches = [2] * 10 + [1] * 30
    samples = replaced(cell.samples, "batch_size", batches)
    health = counts.instrument(samples, cell.publishes, cell.result, readings(10.0, 7.0))
    assert health.rx_gap_ms_p99 == pytest.approx(0.1)
    assert health.batched_fraction == 0.25
    assert health.publish_lateness_ms_p99 == pytest.approx(0.001)
    assert health.hub_lag_ms_p99 == cell.result.hub_lag_ms_p99 == 0.1
    assert health.cpu_percent == pytest.approx(0.5)
    assert health.foreign_cpu_percent == pytest.approx(7.0, rel=1e-3)


def test_what_clocks_did_wrong_is_in_the_instrument_s_figures() -> None:
    cell = perfect()
    health = counts.instrument(cell.samples, cell.publishes, cell.result, ())
    assert health.rx_gap_ms_min == pytest.approx(0.1)
    assert health.transit_ms_min == pytest.approx(4.999)
    assert (health.clock_steps, health.strangers) == (0, 0)

    user_ns = cell.samples["user_rx_ns"].to_pylist()
    user_ns[7] -= 41 * MS  # the wall clock was set forward by as much before the kernel stamped
    sent_ns = [ABSENT_NS] * 3 + cell.samples["sent_ns"].to_pylist()[3:]
    sent_ns[9] += 6 * MS
    samples = replaced(replaced(cell.samples, "user_rx_ns", user_ns), "sent_ns", sent_ns)
    stepped = msgspec.structs.replace(cell.result, clock_steps=2, strangers=5)
    health = counts.instrument(samples, cell.publishes, stepped, ())
    assert health.rx_gap_ms_min == pytest.approx(-40.9)
    assert health.transit_ms_min == pytest.approx(-1.001)
    assert (health.clock_steps, health.strangers) == (2, 3), "deliveries of the warm-up do not count"


def test_without_kernel_stamps_there_is_no_gap() -> None:
    cell = perfect()
    samples = replaced(cell.samples, "kernel_rx_ns", [ABSENT_NS] * 40)
    assert counts.instrument(samples, cell.publishes, cell.result, ()).rx_gap_ms_p99 is None


def read_together(*due_ns: int, subscribers: int = 2) -> pa.Table:
    """Four messages to each subscriber; the first one receives those due at `due_ns` in one read."""
    rows = cell_tables(spec(subscribers), from_ns=0, to_ns=10**9, messages=4).samples.to_pylist()
    for row, due in zip([row for row in rows if row["subscriber"] == 0], due_ns, strict=False):
        row |= {"scheduled_ns": due, "user_rx_ns": 10**9, "batch_size": len(due_ns)}
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@pytest.mark.parametrize(
    ("due_ns", "fraction"),
    [
        ((), 0.0),
        ((0, counts.TOGETHER_NS), 0.0),
        ((0, counts.TOGETHER_NS + 1), 2 / 8),
        ((0, 10, counts.TOGETHER_NS + 1), 3 / 8),
    ],
)
def test_only_what_was_due_further_apart_counts(due_ns: tuple[int, ...], fraction: float) -> None:
    assert counts.late_fraction(read_together(*due_ns)) == pytest.approx(fraction)


def test_reads_of_two_subscribers_at_one_instant_are_two_reads() -> None:
    samples = read_together(0, 10)
    rows = samples.to_pylist()
    for row in rows:
        row["user_rx_ns"] = 10**9
    assert counts.late_fraction(pa.Table.from_pylist(rows, schema=SAMPLES).slice(0, 2)) == 0.0


def test_of_nothing_there_is_no_share() -> None:
    assert counts.late_fraction(SAMPLES.empty_table()) is None


def test_only_reads_of_several_deliveries_lose_their_kernel_stamp() -> None:
    tables = cell_tables(spec(subscribers=1), from_ns=0, to_ns=10**9, messages=3)
    rows = tables.samples.to_pylist()
    rows[1]["batch_size"] = 2
    samples = pa.Table.from_pylist(rows, schema=SAMPLES)

    left = counts.drop_batch_stamps(samples)

    assert left.schema == SAMPLES
    stamps = samples["kernel_rx_ns"].to_pylist()
    assert left["kernel_rx_ns"].to_pylist() == [stamps[0], ABSENT_NS, stamps[2]]
    assert left.drop_columns(["kernel_rx_ns"]) == samples.drop_columns(["kernel_rx_ns"])
