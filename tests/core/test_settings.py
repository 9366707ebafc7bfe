"""Every variable: its default, both bounds, and what is said of a value beyond them."""

from __future__ import annotations

import pytest

from core.settings import SettingError, Settings

# variable, field, default, lowest, highest, just below, just above
NUMBERS = [
    ("RTLAB_RATE", "rate_per_s", 20.0, "0", "1e6", "-0.001", "1000001"),
    ("RTLAB_HISTORY_SECONDS", "history_s", 300.0, "0.1", "864000", "0.09", "864001"),
    ("RTLAB_HEARTBEAT_SECONDS", "heartbeat_s", 15.0, "0.1", "3600", "0.09", "3601"),
    ("RTLAB_PRESENCE_TTL_SECONDS", "presence_ttl_s", 30.0, "0.3", "3600", "0.29", "3601"),
    ("RTLAB_HELLO_SECONDS", "hello_s", 5.0, "0.05", "3600", "0.04", "3601"),
    ("RTLAB_DRAIN_SECONDS", "drain_s", 5.0, "0.1", "3600", "0.09", "3601"),
    ("RTLAB_BURST", "burst", 40, "1", "1000000", "0", "1000001"),
    ("RTLAB_HISTORY_EVENTS", "history_events", 1000, "1", "1000000", "0", "1000001"),
    ("RTLAB_OUTBOX_BYTES", "outbox_bytes", 1_048_576, "1024", "1073741824", "1023", "1073741825"),
    ("RTLAB_MAX_BYTES", "max_bytes", 16_384, "64", "16777216", "63", "16777217"),
]
WHOLE = [variable for variable, _, default, *_ in NUMBERS if isinstance(default, int)]
SECRET = "s3cret-" * 5


def test_empty_environment_gives_the_contracts_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert settings.secret is None
    assert settings.origins is None
    assert settings.redis_url is None
    assert not settings.require_origin
    assert not settings.deflate


@pytest.mark.parametrize(("variable", "field", "default", "low", "high", "below", "above"), NUMBERS)
def test_number_is_taken_up_to_both_bounds(
    variable: str, field: str, default: float, low: str, high: str, below: str, above: str
) -> None:
    assert getattr(Settings(), field) == default
    assert getattr(Settings.from_environ({variable: ""}), field) == default
    for text in (low, high):
        value = getattr(Settings.from_environ({variable: text}), field)
        assert value == float(text)
        assert type(value) is type(default)
    for text in (below, above):
        with pytest.raises(SettingError) as refusal:
            Settings.from_environ({variable: text})
        assert variable in str(refusal.value)
        assert text in str(refusal.value)


@pytest.mark.parametrize("variable", [row[0] for row in NUMBERS])
@pytest.mark.parametrize("text", ["x", "nan", "inf", "-inf", "1,5", "0x10", "-5", "9" * 400, "1e400"])
def test_what_is_no_number_in_bounds_is_refused(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.from_environ({variable: text})


@pytest.mark.parametrize("variable", WHOLE)
def test_whole_number_takes_no_fraction(variable: str) -> None:
    with pytest.raises(SettingError, match="whole number"):
        Settings.from_environ({variable: "2000.0"})


@pytest.mark.parametrize(
    ("variable", "field"),
    [("RTLAB_REQUIRE_ORIGIN", "require_origin"), ("RTLAB_DEFLATE", "deflate"), ("RTLAB_DEMO", "demo")],
)
def test_flag_is_0_or_1(variable: str, field: str) -> None:
    assert getattr(Settings.from_environ({variable: "1"}), field) is True
    assert getattr(Settings.from_environ({variable: "0"}), field) is False
    assert getattr(Settings.from_environ({variable: ""}), field) is False
    for text in ("yes", "true", "2", " 1"):
        with pytest.raises(SettingError, match="0 or 1"):
            Settings.from_environ({variable: text})


def test_secret_needs_32_bytes_and_is_never_shown() -> None:
    settings = Settings.from_environ({"RTLAB_SECRET": SECRET, "RTLAB_REDIS_URL": "redis://:hidden@localhost"})
    assert settings.secret == SECRET.encode()
    assert settings.redis_url == "redis://:hidden@localhost"
    assert "s3cret" not in repr(settings)
    assert "hidden" not in repr(settings)
    with pytest.raises(SettingError, match="at least 32") as refusal:
        Settings.from_environ({"RTLAB_SECRET": SECRET[:31]})
    assert SECRET[:31] not in str(refusal.value)


def test_origins_are_a_comma_separated_list() -> None:
    settings = Settings.from_environ({"RTLAB_ORIGINS": " https://a.example , http://b.example:8080,, http://[::1]:1"})
    assert settings.origins == frozenset({"https://a.example", "http://b.example:8080", "http://[::1]:1"})
    assert Settings.from_environ({"RTLAB_ORIGINS": " , "}).origins is None


@pytest.mark.parametrize(
    "origin",
    ["*", "a.example", "https://", "https://a/", "https://a/b", "https://a?b", "ftp://a", "null", "http://[::1"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingError, match="scheme://host"):
        Settings.from_environ({"RTLAB_ORIGINS": f"https://good.example,{origin}"})


def test_own_host_is_the_one_that_was_asked_for() -> None:
    assert Settings.from_environ({"RTLAB_HOST": "lab.example"}).own_host == "lab.example"
    assert Settings.from_environ({"RTLAB_HOST": ""}).own_host is None


def test_fan_out_is_one_of_its_kinds() -> None:
    kinds = {Settings.from_environ({"RTLAB_FANOUT": kind}).fanout for kind in ("direct", "portable")}
    assert kinds == {"direct", "portable"}
    assert Settings.from_environ({}).fanout == Settings().fanout
    with pytest.raises(SettingError, match="RTLAB_FANOUT='both'"):
        Settings.from_environ({"RTLAB_FANOUT": "both"})


def test_writes_are_one_of_their_kinds() -> None:
    kinds = {Settings.from_environ({"RTLAB_WRITES": kind}).writes for kind in ("auto", "write", "io_uring")}
    assert kinds == {"auto", "write", "io_uring"}
    assert Settings.from_environ({}).writes == "auto"
    with pytest.raises(SettingError, match="RTLAB_WRITES='sendmsg': auto or write or io_uring is allowed"):
        Settings.from_environ({"RTLAB_WRITES": "sendmsg"})


def test_the_coalescing_time_is_given_in_milliseconds() -> None:
    assert Settings.from_environ({}).coalesce_s == 0
    assert Settings.from_environ({"RTLAB_COALESCE_MS": "2.5"}).coalesce_s == 0.0025
    with pytest.raises(SettingError, match="RTLAB_COALESCE_MS='1001': a number from 0 to 1000 is allowed"):
        Settings.from_environ({"RTLAB_COALESCE_MS": "1001"})


def test_trusted_ipv4_proxies_are_known_on_a_dual_stack_socket_too() -> None:
    given = Settings.from_environ({"RTLAB_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, ::1, unix"})
    assert given.trusted_proxies[:4] == ("127.0.0.1", "10.0.0.0/8", "::1", "unix")
    assert given.trusted_proxies[4:] == ("::ffff:127.0.0.1/128", "::ffff:10.0.0.0/104")
