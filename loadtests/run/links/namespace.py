"""A network namespace for one server: nameless, held by a process, gone with it. Linux, as root, with iproute2.

Nothing is left to clean up after a crash: the holder, the shuttle and the server get SIGKILL from the kernel when the
lab dies, the namespace goes with its last process, and its devices with the namespace. A device that outlived its lab
all the same (a server's own child that lives on) carries the lab's pid as its alias and is removed by `sweep`.

Each namespace has two ways to it: the near one (veth, without delay) for clients beside the server, and the far
one, which a mechanism makes. Addresses are of 198.18.0.0/15, which RFC 2544 sets aside for measuring.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil

from loadtests.records.errors import LinkError
from loadtests.records.link_spec import QUEUE_PACKETS, Link

PROGRAMS = ("ip", "nsenter", "setpriv", "unshare")
MOST = 200  # namespaces at a time, of all labs on this machine
DIES_WITH_LAB = ("setpriv", "--pdeathsig", "KILL")
_TIMEOUT_S = 10.0
_DEVICES = Path("/sys/class/net")
_STEM = "rtlab"


class Namespace(AbstractContextManager["Namespace"]):
    """One namespace with its near way. A context manager: leaving it ends the holder."""

    def __init__(self) -> None:
        """Start the holder and connect it; LinkError if that is not allowed or not possible here."""
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise LinkError(f"{', '.join(missing)} not found")
        sweep()
        # stdout tells when it is in: until then its namespace is still ours.
        holding = (*DIES_WITH_LAB, "unshare", "--net", "sh", "-c", "echo in; exec sleep infinity")
        self._holder = subprocess.Popen(holding, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # noqa: S603
        try:
            assert self._holder.stdout is not None
            if self._holder.stdout.readline() != b"in\n":
                assert self._holder.stderr is not None
                said = self._holder.stderr.read().decode(errors="replace").strip()
                raise LinkError(said or "no network namespace can be made")
            self.number = self._connect()
        except BaseException:
            self.close()
            raise

    @property
    def holder(self) -> int:
        """Pid of the process that holds the namespace."""
        return self._holder.pid

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a command line to run it inside; the process keeps its pid and dies with the lab."""
        return (*DIES_WITH_LAB, "nsenter", f"--net=/proc/{self.holder}/ns/net")

    @property
    def near(self) -> str:
        """The server's address without the link."""
        return f"198.18.{self.number}.2"

    @property
    def far(self) -> str:
        """The server's address over the link."""
        return f"198.19.{self.number}.2"

    @property
    def far_device(self) -> str:
        """Name of the far way's device, at both ends."""
        return f"{_STEM}f{self.number}"

    def inside(self, *command: str, stdin: str = "") -> None:
        """Run a short command in the namespace; LinkError with its words when it fails."""
        run((*self.prefix, *command), stdin)

    def address_far(self) -> None:
        """Give both ends of the far device their addresses, and queues that hold a burst."""
        ours, theirs = f"198.19.{self.number}.1", self.far
        run(("ip", "-batch", "-"), _addressed(self.far_device, ours, theirs))
        self.inside("ip", "-batch", "-", stdin=_addressed(self.far_device, theirs, ours))

    def _connect(self) -> int:
        for number in range(MOST):
            name = f"{_STEM}n{number}"
            try:
                run(("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(self.holder)))
            except LinkError as error:
                if "exists" in str(error):
                    continue
                raise
            run(("ip", "link", "set", name, "alias", f"{_STEM} {os.getpid()}"))
            ours, theirs = f"198.18.{number}.1", f"198.18.{number}.2"
            run(("ip", "-batch", "-"), _addressed(name, ours, theirs))
            self.inside("ip", "-batch", "-", stdin="link set lo up\n" + _addressed(name, theirs, ours))
            return number
        raise LinkError(f"{MOST} namespaces of the lab are there already")

    def close(self) -> None:
        """End the holder; the namespace and both ways go when the server in it has ended too."""
        self._holder.kill()
        self._holder.communicate(timeout=_TIMEOUT_S)

    def __exit__(self, *_: object) -> None:
        self.close()


def sweep(devices: Path = _DEVICES) -> list[str]:
    """Remove the near devices whose lab is dead; return their names."""
    swept: list[str] = []
    for device in sorted(devices.glob(f"{_STEM}n*")):
        with suppress(OSError, ValueError, LinkError):
            _, pid = (device / "ifalias").read_text(encoding="utf-8").split()
            if not psutil.pid_exists(int(pid)):
                run(("ip", "link", "delete", device.name))
                swept.append(device.name)
    return swept


def run(command: Sequence[str], stdin: str = "") -> None:
    """Run a short command; LinkError with its last words when it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            command, input=stdin, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LinkError(f"{command[0]}: {error}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise LinkError(f"{' '.join(command[:4])}: {said[0] if said else f'exit code {done.returncode}'}")


def _addressed(device: str, ours: str, theirs: str) -> str:
    return f"addr add {ours} peer {theirs} dev {device}\nlink set {device} txqueuelen {QUEUE_PACKETS} up\n"


def lay_netem(namespace: Namespace, link: Link) -> None:
    """Make the far way of `namespace` a pair of devices with netem on both; LinkError where the kernel has none.

    netem is the kernel's own emulation. Delay, loss and rate are put on each end's way out. Unlike the lab's own
    directions its jitter is drawn per packet, and reorders packets that lie closer together than that.
    """
    device = namespace.far_device
    run(("ip", "link", "add", device, "type", "veth", "peer", "name", device, "netns", str(namespace.holder)))
    # One packet at a time: netem delays and drops what it is given, and an unsplit burst would count as one.
    whole = ("ip", "link", "set", device, "gso_max_segs", "1")
    run(whole)
    namespace.inside(*whole)
    namespace.address_far()
    discipline = ("tc", "qdisc", "add", "dev", device, "root", "netem", *netem_arguments(link))
    run(discipline)
    namespace.inside(*discipline)


def netem_arguments(link: Link) -> tuple[str, ...]:
    """Return netem's parameters for one direction of `link`."""
    jitter = (f"{link.jitter_ms / 2:g}ms",) if link.jitter_ms else ()
    loss = ("loss", f"{link.loss_percent:g}%") if link.loss_percent else ()
    rate = ("rate", f"{round(link.rate_mbit * 1000)}kbit") if link.rate_mbit else ()
    return ("limit", str(QUEUE_PACKETS), "delay", f"{link.one_way_ms:g}ms", *jitter, *loss, *rate)
