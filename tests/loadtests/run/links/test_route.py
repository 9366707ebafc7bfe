"""Links as they are laid here: by a relay anywhere, by the best mechanism as root. Ratios and order, no exact times."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.records.errors import LinkError
from loadtests.records.link_spec import parse
from loadtests.run.links import namespace, probe, route
from tests.conftest import missing

DEVICES = Path("/sys/class/net")
PATIENCE_S = 20.0


def spaced() -> str:
    """The best mechanism, if it is one between namespaces; else skip, or fail where only a program is missing."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for program in namespace.PROGRAMS:
        if shutil.which(program) is None:
            missing(program)
    mechanism, why = route.best()
    if mechanism == "relay":
        pytest.skip(f"this machine allows no network namespaces: {why}")
    return mechanism


@contextmanager
def echoing() -> Iterator[int]:
    """A TCP echo for one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65_536):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE_S)


def test_a_relay_delays_each_way_keeps_the_order_and_passes_the_end_on() -> None:
    link = parse("rtt=60ms")
    sent = bytes(range(256)) * 400

    with echoing() as port, route.opened(link, port, seed=1, mechanism="relay") as way:
        assert way.far is not None
        with socket.create_connection(way.far, PATIENCE_S) as connection:
            began = time.monotonic()
            connection.sendall(sent)
            received = connection.recv(1)
            took_s = time.monotonic() - began
            connection.settimeout(PATIENCE_S)
            while len(received) < len(sent):
                received += connection.recv(65_536)

    assert took_s >= 0.06
    assert received == sent


def test_a_relay_answers_probes_and_never_faster_than_asked() -> None:
    link = parse("rtt=30ms")
    assert link is not None

    with route.opened(link, 1, seed=1, mechanism="relay") as way:
        found = probe.check(link, way)

    assert found.mechanism == "relay"
    assert found.answered == found.probes > 0
    assert found.rtt_ms_min is not None
    assert found.rtt_ms_min >= 30


def test_a_relay_refuses_loss_and_says_what_it_would_take() -> None:
    link = parse("rtt=30ms,loss=1%")

    with pytest.raises(LinkError, match="needs network namespaces"), route.opened(link, 1, seed=1, mechanism="relay"):
        pytest.fail("the link was laid")


def test_the_loopback_needs_nothing() -> None:
    with route.opened(None, 1, seed=1) as way:
        assert way == route.LOOPBACK_ROUTE


def test_into_a_namespace_tcp_itself_crosses_the_link_and_the_near_way_does_not() -> None:
    mechanism = spaced()
    link = parse("rtt=80ms")
    assert link is not None
    server = "import socket; s=socket.create_server(('0.0.0.0', 7000)); print('up', flush=True)\nwhile 1: s.accept()"

    with route.opened(link, 7000, seed=1) as way:
        assert way.far is not None
        with running((*way.prefix, sys.executable, "-c", server)):
            far_s, near_s = handshake_s(way.far), handshake_s((way.near, 7000))
        found = probe.check(link, way)

    assert way.mechanism == found.mechanism == mechanism
    assert far_s >= 0.08
    assert near_s < far_s / 2
    assert found.answered == found.probes
    assert found.rtt_ms_min is not None
    assert found.rtt_ms_min >= 80


def test_probes_see_the_loss_that_was_asked_for() -> None:
    spaced()
    link = parse("rtt=4ms,loss=20%")
    assert link is not None

    with route.opened(link, 7000, seed=1) as way:
        found = probe.check(link, way)

    # 64 % of the probes survive both ways; six standard errors of 400 probes are 14.4 %.
    assert 0.49 < found.answered / found.probes < 0.79


def test_a_lab_that_is_killed_leaves_no_device_and_no_process_behind() -> None:
    spaced()
    lab = (
        "import subprocess, time\n"
        "from loadtests.run.links import route\n"
        "from loadtests.records.link_spec import parse\n"
        "with route.opened(parse('rtt=20ms'), 7000, seed=1) as way:\n"
        "    server = subprocess.Popen((*way.prefix, 'sleep', '600'), start_new_session=True)\n"
        "    number = way.near.split('.')[2]\n"
        "    print(f'rtlabn{number}', server.pid, *way.pids, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen((sys.executable, "-c", lab), stdout=subprocess.PIPE)  # the lab, to be killed
    assert process.stdout is not None
    with process.stdout:
        device, *pids = process.stdout.readline().decode().split()
    assert (DEVICES / device).exists()

    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)

    until(lambda: not (DEVICES / device).exists() and not any(Path("/proc", pid).exists() for pid in pids))


def test_a_device_whose_lab_is_dead_is_swept_and_that_of_a_living_one_is_not() -> None:
    spaced()
    dead = subprocess.run((sys.executable, "-c", "import os; print(os.getpid())"), capture_output=True, check=True)
    name = "rtlabn250"
    namespace.run(("ip", "link", "add", name, "type", "veth", "peer", "name", "rtlabp250"))
    try:
        namespace.run(("ip", "link", "set", name, "alias", f"rtlab {os.getpid()}"))
        assert name not in namespace.sweep()
        namespace.run(("ip", "link", "set", name, "alias", f"rtlab {dead.stdout.decode().strip()}"))
        assert namespace.sweep() == [name]
        assert not (DEVICES / name).exists()
    finally:
        if (DEVICES / name).exists():
            namespace.run(("ip", "link", "delete", name))


@contextmanager
def running(command: tuple[str, ...]) -> Iterator[None]:
    """Run a server that says a line when it is up."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], (), (), PATIENCE_S)[0]
            assert process.stdout.readline()
            yield
        finally:
            process.kill()


def handshake_s(address: tuple[str, int]) -> float:
    """Return how long a TCP connection takes to open; the best of three, as this machine may be busy."""
    took_s = []
    for _ in range(3):
        began = time.monotonic()
        socket.create_connection(address, PATIENCE_S).close()
        took_s.append(time.monotonic() - began)
    return min(took_s)


def until(condition: object) -> None:
    """Wait until `condition()` is true, within bounds."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
