from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.clients import stamp
from loadtests.load.clients.stamp import OUR_CLOCK

_numbers = st.integers(0, 2**31 - 1)
_times = st.integers(0, 2**62)


@given(_numbers, _numbers, _times, _times, st.integers(0, 4096))
def test_a_stamp_is_read_back_and_survives_sanitising(
    publisher: int, message: int, scheduled_ns: int, sent_ns: int, payload_bytes: int
) -> None:
    content = stamp.build(publisher, message, scheduled_ns, sent_ns, payload_bytes)
    assert stamp.read(content) == (publisher, message, scheduled_ns, sent_ns, OUR_CLOCK)
    assert html.escape(content) == content
    assert len(content.encode()) == len(content) >= payload_bytes
    assert len(content) <= max(payload_bytes, 72)


@pytest.mark.parametrize(
    "content", ["", "T", "hello", "T1.2.3", "T1.2.3.4.xx", "T1.2.3.x.", "Talk. to. me. now. please"]
)
def test_what_others_say_is_no_stamp(content: str) -> None:
    assert stamp.read(content) is None


@given(_numbers, _numbers)
def test_a_ref_is_read_back(publisher: int, message: int) -> None:
    assert stamp.read_ref(stamp.build_ref(publisher, message)) == (publisher, message)


@pytest.mark.parametrize("ref", ["", "1", "1.", ".1", "a.b", "1.2.3", "-1.2"])
def test_a_foreign_ref_is_left_alone(ref: str) -> None:
    assert stamp.read_ref(ref) is None
