"""What Redis says of its commands is read and divided by the messages."""

from __future__ import annotations

import pytest

from loadtests.evidence.bench.redis_load import RedisGroup, sample, shares
from loadtests.evidence.bench.redis_script import MINIMAL_SCRIPT, ScriptGroup, encoded, repeated, words
from loadtests.evidence.bench.rooms import Rooms
from loadtests.evidence.bench.summary import lost
from loadtests.evidence.bench.systems import PLAIN, systems
from loadtests.records.errors import LabError

_BEFORE = "# Commandstats\r\ncmdstat_publish:calls=10,usec=20,usec_per_call=2.00\r\ncmdstat_info:calls=1,usec=50\r\n"
_AFTER = (
    "# Commandstats\r\ncmdstat_publish:calls=30,usec=60,usec_per_call=2.00\r\ncmdstat_info:calls=2,usec=99\r\n"
    "cmdstat_evalsha:calls=20,usec=300,usec_per_call=15.00\r\ncmdstat_xadd:calls=20,usec=40,usec_per_call=2.00\r\n"
)


def test_commands_and_time_are_divided_by_the_messages_between_two_samples() -> None:
    before, after = sample(_BEFORE, 1_000_000), sample(_AFTER, 2_200_000)
    assert (before.published, after.published) == (10, 30)
    assert shares(before, after) == {"redis_us_per_msg": 60.0, "redis_commands": 3.0, "script_us": 15.0}
    with pytest.raises(LabError, match="no message was published"):
        shares(before, before)


def test_a_command_is_read_from_what_monitor_shows_and_made_anew() -> None:
    line = (
        rb'1.5 [0 127.0.0.1:1] "EVALSHA" "ab" "1" "room" "1700000000000" "7" "" "0" "0" "key" "\"a\":\x00\n"' + b"\r\n"
    )
    command = words(line)
    assert command[-1] == b'"a":\x00\n'
    lean = [b"EVALSHA", b"cd", b"1", b"room", b"1700000000000000", b"epoch", b"payload", b"0"]
    again = repeated(command, lean)
    assert again(253) == [*command[:4], b"3400000000000", *command[5:]]
    assert again(252) == again(254) == [*lean[:4], b"3400000000000000", *lean[5:]]
    assert encoded([b"a", b"bc"]) == b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"


@pytest.mark.usefixtures("redis")
def test_the_script_of_a_publish_is_measured_beside_the_least_that_one_can_do() -> None:
    direct = next(system for system in systems() if system.name == "direct")
    found = list(ScriptGroup(passes=2).run([direct, MINIMAL_SCRIPT], "redis", frozenset(), frozenset()))
    ours, minimal = (("script", name) for name in ("direct", MINIMAL_SCRIPT.name))
    assert [each[:2] for each in found] == [ours, minimal, minimal, ours]
    for *_, result in found:
        assert not isinstance(result, LabError)
        assert min(result["script_us"], result["redis_us_per_msg"], result["mps"]) > 0


@pytest.mark.usefixtures("compiler", "redis")
def test_members_on_two_instances_get_every_message_once() -> None:
    load = Rooms(1, 4, rate_per_s=100.0, measured_s=1.0, warm_up_s=0.2)
    group = RedisGroup(("portable", PLAIN), load, passes=1)
    pair = [system for system in systems() if system.name in group.systems]
    (_, _, _, yardstick), (_, _, _, result) = group.run(pair, "websocket", frozenset(), frozenset())
    assert not isinstance(yardstick, LabError)
    assert not isinstance(result, LabError)
    assert lost([{"result": result}, {"result": yardstick}]) == 0
    assert 1 <= result["redis_commands"] < 20
    assert "redis_commands" not in yardstick
