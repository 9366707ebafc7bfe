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
# # Links and models: what theory says, what was measured
#
# It shows what a longer line does to each transport, beside closed forms that say what it must do, and which transport
# is the cheapest that is still in time. On loopback everything is a millisecond; over a link the transports part. Made
# for runs of the scenario `links`: cells over an emulated round trip, with random arrivals, and a sweep. Publishers
# stand beside the server, so a delivery crosses the link once.

# %%
import os
from pathlib import Path

import pandas as pd

from loadtests.report import conclusions, frontier, model, sentences, shown, tables
from loadtests.report.charts.frontier import cheapest_in_time
from loadtests.report.charts.latency import latency_ecdf
from loadtests.report.study import study

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/links"))
found = study(run_dir)
pd.set_option("display.max_colwidth", None)
shown.words(f"Run `{found.run.run_id}`: {sentences.state(found)}")

# %% [markdown]
# ## The links, as probes found them
#
# Before each cell probes cross the link; a link that is off makes the cell doubtful or invalid. Times in ms. Half of
# what the median round trip is too long is the link's own error; it is taken off below.

# %%
shown.table(tables.links(found), "This run emulated no link.", decimals=2)

# %% [markdown]
# ## Theory's promises
#
# With a one-way delay $d$, $w = 2d$ and $r$ messages a second: a push takes $d$; a long poll that carries its backlog
# takes $d + \frac{r w^2 / 2}{r w + e^{-r w}}$ on average and $3d$ at most; a short poll on a grid of $T$ takes
# $d + T/2$. Where packets are lost, a tail of at least one more round trip must appear, and no message may be missing.

# %%
shown.table(tables.promises(found), "Theory promises nothing of a run without a link.", decimals=1)

# %% [markdown]
# ## 36 or 40 ms?
#
# An early figure for long polls at ten messages a second over 50 ms was 40 ms; the closed form gives 36.3. The means
# measured at one, ten and forty messages a second, less the link's own error:

# %%
promised = tables.promises(found).reset_index()
means = promised[promised["promise"] == "mean: closed form"].set_index("load")[["theory", "measured"]]
means = means.assign(off_percent=100 * (means["measured"] / means["theory"] - 1))
shown.table(means, "This run measured no long polls with random arrivals over a link.", decimals=1)

# %%
shown.picture(latency_ecdf, found, sentences.ecdf(found))

# %% [markdown]
# Dotted in the chart: the model under this run's own arrivals. A long poll's two parts show: messages that find a
# request waiting take one transit, the others wait for the next request, evenly up to three.

# %% [markdown]
# ## Residuals, by name
#
# Median minus model, and what accounts for it (the rule stands in `loadtests.report.residuals`).

# %%
shown.table(tables.residual_causes(found), "This run holds no median that a model speaks of.", decimals=2)

# %% [markdown]
# ## The cheapest in time
#
# For each budget: among the transports whose 90th percentile is within it, the one with the least server CPU per
# delivery. Where colours meet, the cheapest changes. Dotted: how far each model stays within the budget.

# %%
shown.picture(cheapest_in_time, found, frontier.sentence(found))

# %%
shown.table(tables.cheapest(found), "This run holds no sweep over round trips and rates.")

# %% [markdown]
# The longest round trip, in ms, at which the closed forms alone keep the 90th percentile within each budget, at twelve
# messages a second and a grid of 200 ms:

# %%
pd.DataFrame(
    {
        f"{budget_ms:g} ms": {
            "push": round(model.longest_rtt_ms("websocket", budget_ms, 12.0, 200.0, 90.0)),
            "long poll": round(model.longest_rtt_ms("longpoll", budget_ms, 12.0, 200.0, 90.0)),
            "short poll": round(model.longest_rtt_ms("shortpoll", budget_ms, 12.0, 200.0, 90.0)),
        }
        for budget_ms in frontier.BUDGETS_MS
    }
)

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.over_links(found))
