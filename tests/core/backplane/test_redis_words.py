"""What is read from an error's words, what the log says of an outage, and addresses that are none. Needs no Redis."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, ReadOnlyError, ResponseError

from core.backplane.base import Reason
from core.backplane.redis_address import Address
from core.backplane.redis_faults import LinkLostError, Outage, cause, reason_of

# As Redis 6.2, 7.0 and redis-py word them.
WORDS: list[tuple[Exception, Reason | None]] = [
    (
        ResponseError("Error running script (call to f_0): @user_script:81: -OOM command not allowed when used memory"),
        "oom",
    ),
    (
        ResponseError(
            "Error running script (call to f_0): @user_script:9: The user executing the script can't run this"
        ),
        "acl",
    ),
    (
        ResponseError("Error running script (call to f_0): @user_script: 4: Unknown Redis command called from Lua"),
        "acl",
    ),
    (ResponseError("unknown command 'EVALSHA', with args beginning with: "), "acl"),
    (ResponseError("NOREPLICAS Not enough good replicas to write. script: 0, on @user_script:81."), "readonly"),
    (ResponseError("MISCONF Redis is configured to save RDB snapshots, but"), "readonly"),
    (ResponseError("DENIED Redis is running in protected mode"), "auth"),
    (ResponseError("AUTH <password> called without any password configured for the default user."), "auth"),
    (ReadOnlyError("You can't write against a read only replica.", status_code="READONLY"), "readonly"),
    (NoPermissionError("this user has no permissions to access one of the channels"), "acl"),
    (AuthenticationError("invalid username-password pair or user is disabled."), "auth"),
    (ResponseError("SELECT is not allowed in cluster mode"), "cluster"),
    (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), None),
    (ConnectionRefusedError("Connect call failed"), "unreachable"),
    (TimeoutError("no connection"), "unreachable"),
]


@pytest.mark.parametrize(("error", "reason"), WORDS, ids=lambda value: str(value)[:40])
def test_errors_have_their_codes(error: Exception, reason: Reason | None) -> None:
    assert reason_of(error) == reason


def test_cause_is_what_redis_said_not_the_loss_after_it() -> None:
    lost, said = LinkLostError("lost"), AuthenticationError("invalid password")
    assert cause(BaseExceptionGroup("", [lost, BaseExceptionGroup("", [lost, said])])) is said


def test_reason_is_logged_once_an_outage(said: list[str]) -> None:
    outage = Outage("host:1/0")
    for _ in range(3):
        outage.began("calls", "unreachable", "refused")
        outage.began("messages", "unreachable", "refused")
    outage.began("calls", "readonly", "READONLY")
    outage.ended("calls")
    reasons = [outage.reason]  # the other one is not served yet
    outage.began("calls", "readonly", "READONLY")
    outage.ended("messages")
    outage.ended("calls")
    reasons.append(outage.reason)
    assert reasons == ["unreachable", None]
    outage.began("calls", "unreachable", "refused")
    assert [re.findall(r"\((\w+)\)", line) for line in said] == [["unreachable"], ["readonly"], ["unreachable"]]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "redis://, rediss://, unix://"),
        ("http://127.0.0.1:6379", "redis://, rediss://, unix://"),
        ("redis://127.0.0.1/0?decode_responses=1", "'decode_responses'.*db, username, password are"),
        ("redis://127.0.0.1/0?protocol=3", "'protocol'"),
        ("redis://127.0.0.1/0?encoding=latin-1", "'encoding'"),
        ("redis://127.0.0.1/0?colour=blue", "'colour'"),
        ("redis://127.0.0.1/0?ssl_ca_certs=x", "'ssl_ca_certs'"),
        ("rediss://127.0.0.1/0?ssl_cert_reqs=none", "'ssl_cert_reqs'.*ssl_ca_certs"),
        ("rediss://127.0.0.1/0?ssl_cert_reqs=CERT_NONE", "'ssl_cert_reqs'"),
        ("rediss://127.0.0.1/0?ssl_ca_certs=/no/such/file", "TLS options"),
        ("redis://127.0.0.1/first", "database is not a number"),
        ("redis://127.0.0.1/0?db=first", "cannot be read"),
        ("redis://:hush/hush@127.0.0.1:6379/0", "percent-encoded"),
        ("redis://:hush#hush@127.0.0.1:6379/0", "percent-encoded"),
    ],
)
def test_address_that_is_none_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        Address(url)
    assert "hush" not in str(refusal.value)
