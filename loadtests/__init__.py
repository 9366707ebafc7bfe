"""The instrument: it measures servers from outside, and says how far to believe it."""

from __future__ import annotations

import os

# Read when numpy is imported. Its BLAS threads wait in a busy loop for each other: for tables of our size that costs
# more processor time than it saves, and takes it from what is measured.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
