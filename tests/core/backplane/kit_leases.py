"""The part of the kit that is about leases: who is a member, and what its room is told."""

from __future__ import annotations

from core.backplane.base import Lease
from core.model import Member
from tests.core.backplane.bench import Bench, listening
from tests.core.backplane.kit import ALICE, ATTIC, BOB, FREE, ROOM, check, reported


@check
async def first_lease_joins_and_the_last_one_leaves(bench: Bench) -> None:
    one, two = bench.instance(FREE), bench.instance(FREE)
    async with listening(one, ROOM), listening(two, ROOM) as elsewhere:
        start = await one.subscribe(ROOM)
        tabs = [Lease(ROOM, ALICE, f"tab{number}") for number in range(3)]
        for instance, tab in zip((one, two, one), tabs, strict=True):
            await instance.hold(tab, 60.0)
        await one.hold(tabs[0], 60.0)
        await two.hold(Lease(ROOM, BOB, "tab0"), 60.0)
        head, members = await two.members(ROOM)
        assert head.offset == 2
        assert sorted(members, key=lambda member: member.user_id) == [Member(ALICE, 3), Member(BOB, 1)]
        await two.release(tabs[0])
        await one.release(tabs[1])
        await one.release(tabs[1])
        assert len(await reported(one, start)) == 2
        await one.release(tabs[2])
        await one.release(tabs[2])
        await one.release(Lease(ATTIC, ALICE, "never held"))
        expected = [("user_joined", "alice"), ("user_joined", "bob"), ("user_left", "alice")]
        assert await reported(two, start) == expected
        assert sorted(await elsewhere.offsets(ROOM, 3)) == [1, 2, 3]
        assert list((await one.members(ROOM))[1]) == [Member(BOB, 1)]


@check
async def lease_that_is_not_renewed_leaves_once(bench: Bench) -> None:
    one, two = bench.instance(FREE), bench.instance(FREE)
    async with listening(one, ROOM), listening(two, ROOM):
        start = await one.subscribe(ROOM)
        ghost, kept, other_tab = Lease(ROOM, ALICE, "ghost"), Lease(ROOM, BOB, "kept"), Lease(ROOM, BOB, "ghost")
        for lease in (ghost, kept, other_tab):
            await one.hold(lease, 0.6)
        await bench.advance(0.4)
        await two.renew([kept], 0.6)
        await bench.advance(0.4)
        for instance in (one, two, one):
            await instance.sweep()
        joined = [("user_joined", "alice"), ("user_joined", "bob")]
        assert await reported(two, start) == [*joined, ("user_left", "alice")]
        assert list((await two.members(ROOM))[1]) == [Member(BOB, 1)]
        await one.release(ghost)
        assert len(await reported(two, start)) == 3


@check
async def renewing_a_lease_that_ran_out_joins_again(bench: Bench) -> None:
    backplane = bench.instance(FREE)
    async with listening(backplane, ROOM):
        start = await backplane.subscribe(ROOM)
        lease = Lease(ROOM, ALICE, "tab")
        await backplane.hold(lease, 0.3)
        await bench.advance(0.5)
        await backplane.sweep()
        await backplane.renew([lease], 60.0)
        await backplane.renew([], 60.0)
        assert [kind for kind, _ in await reported(backplane, start)] == ["user_joined", "user_left", "user_joined"]


@check
async def prolonging_keeps_a_lease_and_never_takes_one(bench: Bench) -> None:
    one, two = bench.instance(FREE), bench.instance(FREE)
    async with listening(one, ROOM), listening(two, ROOM):
        start = await one.subscribe(ROOM)
        kept, left = Lease(ROOM, ALICE, "kept"), Lease(ROOM, BOB, "left")
        await one.hold(kept, 0.6)
        await one.hold(left, 0.6)
        await two.release(left)
        await bench.advance(0.4)
        await one.prolong([kept, left, Lease(ATTIC, ALICE, "never held")], 0.6)
        await one.prolong([], 0.6)
        await bench.advance(0.4)
        await one.sweep()
        assert await reported(two, start) == [("user_joined", "alice"), ("user_joined", "bob"), ("user_left", "bob")]
        await bench.advance(0.4)
        await two.sweep()
        await one.prolong([kept], 60.0)
        assert (await reported(one, start))[3:] == [("user_left", "alice")]
        assert list((await one.members(ROOM))[1]) == []
