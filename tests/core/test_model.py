"""Names and positions at the edges of their patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadRequest, NotFound
from core.model import Position, Principal, RoomId, UserId, is_user_id, room_id


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "x" * 64, ".", ".."])
def test_room_name_within_the_pattern_is_a_room(name: str) -> None:
    assert room_id(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a\n", "é", "a/b", "a@b", "\0"])
def test_room_name_outside_the_pattern_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        room_id(name)


@pytest.mark.parametrize(
    ("text", "allowed"), [("a@b.c", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a\n", False)]
)
def test_user_id_follows_its_pattern(text: str, allowed: bool) -> None:
    assert is_user_id(text) is allowed


@given(epoch=st.from_regex(r"\A[A-Za-z0-9]{8,32}\Z"), offset=st.integers(0, 10**16 - 1))
def test_position_reads_back_what_it_prints(epoch: str, offset: int) -> None:
    assert Position.parse(str(Position(epoch, offset))) == Position(epoch, offset)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "abcdefgh",
        "abcdefgh:",
        ":1",
        "abcdefg:1",
        "a" * 33 + ":1",
        "abcdefgh:-1",
        "abcdefgh:+1",
        "abcdefgh:01",
        "abcdefgh:1.0",
        "abcdefgh:1:2",
        "abcdefgh:1\n",
        " abcdefgh:1",
        "abcdefgh:\u0661",
        "abcdef-h:1",
        "abcdefgh:" + "9" * 17,
    ],
)
def test_malformed_position_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequest, match="epoch:offset"):
        Position.parse(text)


def test_principal_enters_the_rooms_of_its_token() -> None:
    listed = Principal(UserId("a"), frozenset({"lobby"}), 0.0, "k")
    assert listed.may_enter(RoomId("lobby"))
    assert not listed.may_enter(RoomId("attic"))
    assert Principal(UserId("a"), None, 0.0, "k").may_enter(RoomId("attic"))
