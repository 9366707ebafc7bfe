"""netem: the kernel's own emulation, where the kernel has it. Delay, loss and rate are put on each end's way out.

Unlike the lab's own lanes its jitter is drawn per packet, and reorders packets that lie closer together than that.
"""

from __future__ import annotations

from loadtests.records.link_spec import QUEUE_PACKETS, Link
from loadtests.run.links.namespace import Namespace, run


def lay(namespace: Namespace, link: Link) -> None:
    """Make the far way of `namespace` a pair of devices with netem on both; LinkError where the kernel has none."""
    device = namespace.far_device
    run(("ip", "link", "add", device, "type", "veth", "peer", "name", device, "netns", str(namespace.holder)))
    # One packet at a time: netem delays and drops what it is given, and an unsplit burst would count as one.
    whole = ("ip", "link", "set", device, "gso_max_segs", "1")
    run(whole)
    namespace.inside(*whole)
    namespace.address_far()
    discipline = ("tc", "qdisc", "add", "dev", device, "root", "netem", *arguments(link))
    run(discipline)
    namespace.inside(*discipline)


def arguments(link: Link) -> tuple[str, ...]:
    """Return netem's parameters for one direction of `link`."""
    jitter = (f"{link.jitter_ms / 2:g}ms",) if link.jitter_ms else ()
    loss = ("loss", f"{link.loss_percent:g}%") if link.loss_percent else ()
    rate = ("rate", f"{round(link.rate_mbit * 1000)}kbit") if link.rate_mbit else ()
    return ("limit", str(QUEUE_PACKETS), "delay", f"{link.one_way_ms:g}ms", *jitter, *loss, *rate)
