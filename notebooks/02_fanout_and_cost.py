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
# One message to a room of *n* is *n* deliveries. What does the last receiver wait, and what does each delivery cost the
# server, the wire and the memory?

# %%
import os
from pathlib import Path

from IPython.display import Markdown

from loadtests.report import sentences, tables
from loadtests.report.charts.costs import costs, timeline
from loadtests.report.charts.drawing import picture
from loadtests.report.charts.latency import latency_by_fan_out
from loadtests.report.study import study

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = study(run_dir)
Markdown(f"Run `{found.run.run_id}`: {sentences.state(found)}")

# %% [markdown]
# ## Latency against the size of the room

# %%
picture(latency_by_fan_out, found, sentences.fan_out(found))

# %%
Markdown(sentences.fan_out(found))

# %% [markdown]
# `first_to_last` is the median time in ms between an event's first and its last receiver: the part of the latency that
# grows with the room. Short polling spreads its receivers over the whole grid by design.

# %%
tables.percentiles(found)[["n", "p50", "first_to_last"]].round(3)

# %% [markdown]
# ## What a delivery costs
#
# Per-delivery figures are ratios of totals. Bytes and packets come from the kernel (`TCP_INFO`), so headers, chunk
# framing and poll requests are all in. CPU is the server process's.

# %%
picture(costs, found, sentences.costs(found))

# %%
Markdown(sentences.costs(found))

# %%
tables.costs(found).round(2)

# %% [markdown]
# ## The run, second by second
#
# Cells of all transports are interleaved in an order drawn at random, so that a drift of the machine cannot look like a
# difference between transports.

# %%
picture(timeline, found, sentences.timeline(found))

# %%
Markdown(sentences.timeline(found))
