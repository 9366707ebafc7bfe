# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Latency: from raw rows to intervals
#
# It shows how long a message takes over each transport, and how the report comes to its figures. Every delivery of a
# run is one row of nanoseconds. Here they are worked out first by hand, with nothing but pandas, then with the
# functions that the report itself uses. Both agree.

# %%
import os
from pathlib import Path

from loadtests.report import conclusions, sentences, shown, tables
from loadtests.report.charts.latency import latency_ecdf
from loadtests.report.load import load
from loadtests.report.model import five_hundred, long_poll_max_ms, long_poll_mean_ms, push_ms, short_poll_mean_ms
from loadtests.report.study import study
from loadtests.report.verdicts.evidence import gather

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = study(run_dir)
shown.words(f"Run `{found.run.run_id}`: {sentences.state(found)}")

# %% [markdown]
# ## By hand
#
# Delivery latency is the receiver's kernel stamp minus the instant at which the open-loop schedule *wanted* the message
# published. (Where a machine gives no kernel stamp the column holds -1 and Python's stamp stands in.) Warm-up rows
# (`phase` 0) are left out. Percentiles are taken over pooled deliveries, never averaged over runs.

# %%
samples = load(run_dir).samples
samples = samples[samples["phase"] == 1]
received_ns = samples["kernel_rx_ns"].where(samples["kernel_rx_ns"] != -1, samples["user_rx_ns"])
cells = {cell.id: (cell.load, cell.transport) for cell in found.run.cells if cell.verdict.validity != "invalid"}
latency_ms = (
    samples.assign(latency_ms=(received_ns - samples["scheduled_ns"]) / 1e6, key=samples["cell"].astype(str).map(cells))
    .dropna(subset=["key"])
    .groupby("key")["latency_ms"]
)
by_hand = latency_ms.quantile([0.5, 0.9], interpolation="lower").unstack()
shown.table(by_hand, sentences.NO_LATENCY, decimals=3)

# %% [markdown]
# ## As the report states it
#
# The same percentiles; a percentile with fewer than ten samples beyond it is not stated (NaN).

# %%
shown.table(tables.percentiles(found), sentences.NO_LATENCY, decimals=3)

# %%
shown.picture(latency_ecdf, found, sentences.ecdf(found))

# %% [markdown]
# ## Different, or not?
#
# Deliveries of one publication, and those of one busy second, are not independent, so what is resampled are run blocks
# and, inside them, time blocks. Where the interval of a difference holds zero, the two are *indistinguishable*: that is
# a statement about this run, and the last column says how large a difference would have shown.

# %%
shown.table(tables.contrasts(found), "No two transports were measured under one load: there is nothing to compare.")

# %% [markdown]
# ## What theory says
#
# With a one-way delay $d$ a push arrives after $d$. A long poll that carries its whole backlog has a mean of
# $d + \frac{r w^2 / 2}{r w + e^{-r w}}$ with $w = 2d$ (Poisson arrivals, rate $r$), and at worst $3d$. Short polling on
# a grid of $T$ has a mean of $d + T/2$. In milliseconds, for a one-way delay of 25 ms:

# %%
{
    "push": push_ms(25.0),
    "long poll, 1/s": round(float(long_poll_mean_ms(25.0, 1.0)), 1),
    "long poll, 10/s": round(float(long_poll_mean_ms(25.0, 10.0)), 1),
    "long poll, 40/s": round(float(long_poll_mean_ms(25.0, 40.0)), 1),
    "long poll, at worst": long_poll_max_ms(25.0),
    "short poll every second": short_poll_mean_ms(25.0, 1000.0),
}

# %% [markdown]
# ## Where 500 ms come from

# %%
shown.words(*sentences.five_hundred(found))

# %%
five_hundred(500.0)

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.latency(gather(found, run_dir)))
