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
# # The guide's table, measured
#
# It shows which of the guide's latencies a measurement bears out: WebSocket ~0 ms, Server-Sent Events ~100 ms, long
# polling ~500 ms, HTTP/2 push ~0 ms. A rule decides.

# %%
import os
from pathlib import Path

import pandas as pd

from loadtests.report import answer, claims, conclusions, sentences, shown, tables
from loadtests.report.study import study
from loadtests.report.verdicts.evidence import gather

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = study(run_dir)
evidence = gather(found, run_dir)
shown.words(f"Run `{found.run.run_id}`: {sentences.state(found)}")

# %% [markdown]
# ## The table
#
# In brackets: 95 % intervals.

# %%
pd.set_option("display.max_colwidth", None)
shown.table(tables.guide(found), sentences.NO_LATENCY)

# %%
shown.words(answer.lead(evidence))

# %% [markdown]
# ## The rule
#
# The guide's figures are whole hundreds with a tilde, so they are read to the nearest hundred milliseconds. A claim
# holds where the whole interval of the measured median rounds to it, does not hold where none of it does, and is
# undecided otherwise. Nobody types a verdict. What the rule says of a median of so many milliseconds, measured exactly:

# %%
medians_ms = [0.5, 49, 51, 99, 151, 449, 499, 551]
pd.DataFrame(
    {
        f"~{claimed:g} ms": [str(claims.rule(claimed, median, median)) for median in medians_ms]
        for claimed in sorted(set(found.run.claims.values()))
    },
    index=pd.Index(medians_ms, name="median, ms"),
)

# %% [markdown]
# ## Where the guide's 500 ms come from

# %%
shown.words(*sentences.five_hundred(found))

# %% [markdown]
# ## Can the cells be believed?
#
# Each cell is valid, doubtful or invalid, by thresholds on the instrument's own health. Reasons against a cell:

# %%
shown.table(tables.spoilt(found), "There is no reason against any cell.")

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.guides_table(evidence))
