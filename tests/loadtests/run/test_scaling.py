"""Scaling out: what is refused, what may be recorded, and what counts as a Redis that answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtests.records.errors import LabError, UsageError
from loadtests.run import instances


@contextmanager
def answering(*replies: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection with these replies, one per command; yields the port and what will have been asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for reply in replies:
                asked.append(connection.recv(4096))
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join(5)
        assert not thread.is_alive()


def test_nothing_asked_is_nothing_scaled() -> None:
    assert instances.asked(None, None) is None


def test_a_redis_alone_means_two_instances() -> None:
    asked = instances.asked("redis://127.0.0.1", None)
    assert asked is not None
    assert asked.arguments == ("--redis", "redis://127.0.0.1", "--instances", "2")


@pytest.mark.parametrize("count", [1, 64])
def test_one_to_sixty_four_instances_can_be_asked_for(count: int) -> None:
    asked = instances.asked("redis://127.0.0.1:6380/3", count)
    assert asked is not None
    assert asked.recorded() == {"redis_url": "redis://127.0.0.1:6380/3", "instances": count}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "rediss://127.0.0.1",
        "unix:///run/redis.sock",
        "redis://",
        "redis://:6379",
        "redis://h:port",
        "redis://h:0",
        "redis://h:65536",
        "redis://[::1",
        "redis://h/db",
        "redis://h/1/2",
        "redis://h?password=hush",
        "redis://u:hush@h#part",
    ],
)
def test_any_other_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match=r"redis://\[\[USER\]:PASSWORD@\]HOST\[:PORT\]\[/DB\] is allowed") as refused:
        instances.asked(url, 2)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://:hush@h", "redis://h"),
        ("redis://user:hu/sh@h:1/2", "redis://h:1/2"),
        ("redis://user:hu@sh@h", "redis://h"),
        ("redis://user:hush@h?password=hush#hush", "redis://h"),
    ],
)
def test_what_is_shown_holds_no_credentials(url: str, shown: str) -> None:
    assert instances.without_credentials(url) == shown
    assert "hush" not in repr(instances.Scaling(url, 2))


def test_a_redis_that_says_pong_is_there() -> None:
    with answering(b"+PONG\r\n") as (port, asked):
        instances.require_redis(f"redis://127.0.0.1:{port}")
    assert asked == [b"*1\r\n$4\r\nPING\r\n"]


def test_password_and_database_are_tried_first() -> None:
    with answering(b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n") as (port, asked):
        instances.require_redis(f"redis://me:p%40ss@127.0.0.1:{port}/7")
    assert asked[:2] == [b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$4\r\np@ss\r\n", b"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"-NOAUTH Authentication required.\r\n", "to PING it answered '-NOAUTH Authentication required.'"),
        (b"HTTP/1.1 400 Bad Request\r\n", "to PING it answered 'HTTP/1.1 400 Bad Request'"),
        (b"", "to PING it answered 'nothing'"),
    ],
)
def test_any_other_answer_is_quoted(reply: bytes, said: str) -> None:
    with answering(reply) as (port, _), pytest.raises(LabError, match=said):
        instances.require_redis(f"redis://127.0.0.1:{port}")


def test_a_redis_that_keeps_silent_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(LabError, match=r"does not answer: timed out"),
    ):
        instances.require_redis(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
