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
# # Fan-out and cost
#
# It shows what a larger room does to latency, and what each delivery costs the server, the wire and the memory. One
# message to a room of *n* is *n* deliveries.

# %%
import os
from pathlib import Path

from loadtests.report import conclusions, sentences, shown, tables
from loadtests.report.charts.costs import costs, timeline
from loadtests.report.charts.latency import latency_by_fan_out
from loadtests.report.study import study

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = study(run_dir)
shown.words(f"Run `{found.run.run_id}`: {sentences.state(found)}")

# %% [markdown]
# ## Latency against the size of the room

# %%
shown.picture(latency_by_fan_out, found, sentences.fan_out(found))

# %% [markdown]
# `first_to_last` is the median time in ms between an event's first and its last receiver: the part of the latency that
# grows with the room. Short polling spreads its receivers over the whole grid by design.

# %%
shown.table(tables.percentiles(found).filter(["n", "p50", "first_to_last"]), sentences.NO_LATENCY, decimals=3)

# %% [markdown]
# ## What a delivery costs
#
# Per-delivery figures are ratios of totals. Bytes and packets come from the kernel (`TCP_INFO`), so headers, chunk
# framing and poll requests are all in. CPU is the server process's.

# %%
shown.picture(costs, found, sentences.costs(found))

# %%
shown.table(tables.costs(found).dropna(axis="columns", how="all"), sentences.NO_COSTS, decimals=2)

# %% [markdown]
# ## The run, second by second
#
# Cells of all transports are interleaved in an order drawn at random, so that a drift of the machine cannot look like a
# difference between transports.

# %%
shown.picture(timeline, found, sentences.timeline(found))

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.costs(found))
