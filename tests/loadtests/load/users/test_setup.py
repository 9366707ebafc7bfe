"""What can't work in plain Locust is refused before the first user, in one sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.load.clients.base import AddressError
from loadtests.load.users import setup
from loadtests.load.users.room_user import RoomUser
from loadtests.load.users.setup import SetUpError
from loadtests.load.users.transports import load_user_class

SseUser = load_user_class("SseUser")
Http2SseUser = load_user_class("Http2SseUser")


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _hosted(host: str | None) -> type[RoomUser]:
    return type("HostedUser", (SseUser,), {"host": host})


def test_a_class_s_own_host_counts_where_none_is_given(listening: str) -> None:
    assert setup.check_hosts([_hosted(f"http://{listening}")], None) == f"http://{listening}"
    assert setup.check_hosts([_hosted("http://127.0.0.1:1")], f"http://{listening}") == f"http://{listening}"


def test_nothing_listens(listening: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    classes = [_hosted(f"http://{listening}"), _hosted(f"http://127.0.0.1:{free}")]
    with pytest.raises(SetUpError, match=rf"^connection refused at http://127.0.0.1:{free}; start the server first"):
        setup.check_hosts(classes, None)


@pytest.mark.parametrize(
    ("user_class", "host", "error", "complaint"),
    [
        (SseUser, None, SetUpError, "no host for SseUser"),
        (SseUser, "http://127.0.0.1:1/app", AddressError, "without a path"),
        (SseUser, "ws://127.0.0.1:1", AddressError, "not of the form http://"),
        (SseUser, "http://user@127.0.0.1:1", AddressError, "not of the form http://"),
        (Http2SseUser, "http://127.0.0.1:1", SetUpError, "over TLS only; give https://"),
    ],
)
def test_a_host_that_cannot_be(
    user_class: type[RoomUser], host: str | None, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        setup.check_hosts([user_class], host)


def test_tags_that_leave_nothing_to_do() -> None:
    idle = _hosted(None)
    idle.tasks = []  # as Locust's filter leaves it
    with pytest.raises(SetUpError, match="leave HostedUser without its one task"):
        setup.check_tasks([SseUser, idle])
    setup.check_tasks([SseUser])


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files here")
def test_more_users_than_open_files() -> None:
    code = "from loadtests.load.users import setup; print(setup.most_users(1)); print(setup.too_many(300, 1))"
    command = f"ulimit -n 128; exec '{sys.executable}' -c '{code}'"
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.splitlines() == ["60", "300 connections need 368 open files; the limit is 128 (ulimit -n)"]


def test_a_folder_that_takes_no_samples(tmp_path: Path) -> None:
    setup.check_folder(tmp_path / "made" / "for it")
    assert list((tmp_path / "made" / "for it").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(SetUpError, match=r"^--rtlab-out .*file/out: not a directory; give a folder"):
        setup.check_folder(tmp_path / "file" / "out")
