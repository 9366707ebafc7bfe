"""What Redis says of its commands is read and divided by the messages."""

from __future__ import annotations

from loadtests.evidence.bench.redis_load import sample, shares

_BEFORE = "# Commandstats\r\ncmdstat_publish:calls=10,usec=20,usec_per_call=2.00\r\ncmdstat_info:calls=1,usec=50\r\n"
_AFTER = (
    "# Commandstats\r\ncmdstat_publish:calls=30,usec=60,usec_per_call=2.00\r\ncmdstat_info:calls=2,usec=99\r\n"
    "cmdstat_evalsha:calls=20,usec=300,usec_per_call=15.00\r\ncmdstat_xadd:calls=20,usec=40,usec_per_call=2.00\r\n"
)


def test_commands_and_time_are_divided_by_the_messages_between_two_samples() -> None:
    before, after = sample(_BEFORE, 0.0, 1_000_000), sample(_AFTER, 1.0, 2_200_000)
    assert (before.published, after.published) == (10, 30)
    assert shares([before], [after]) == {"redis_us_per_msg": 60.0, "redis_commands": 3.0, "script_us": 15.0}
