"""Kernel stamps on a link that loses packets: those of reads in which TCP handed over what it had held back. Pure.

Behind a lost packet the kernel keeps what follows and hands all of it over when the gap is filled. The read's stamp is
then its last packet's, which came before the gap was filled: earlier than anything in the read could be delivered.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.schema import ABSENT_NS


def unstamped(samples: pa.Table) -> pa.Table:
    """Return `samples` (`SAMPLES`) without the kernel stamps of reads that held several deliveries.

    Python's stamp of the read, late by a fraction of a millisecond, then stands for them.
    """
    held_back = pc.greater(samples["batch_size"], 1)
    stamps = pc.if_else(held_back, pa.scalar(ABSENT_NS, pa.int64()), samples["kernel_rx_ns"])
    return samples.set_column(
        samples.schema.get_field_index("kernel_rx_ns"), samples.schema.field("kernel_rx_ns"), stamps
    )
