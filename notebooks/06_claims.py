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
# # Each sentence of the guide, put to the test
#
# It shows which sentences of the guide are true. The guide has a table with three columns, latency, browser support and
# complexity, and some sentences of advice. Here each that can be tested meets the data: this run, the fault run, what
# was tried out on servers and in browsers, the guide's own server, and published browser facts. Nobody types a verdict;
# what was not measured is not judged.

# %%
import os
from pathlib import Path

import pandas as pd

from loadtests.report import conclusions, sentences, shown, tables
from loadtests.report.claims import RESOLUTION_MS
from loadtests.report.study import study
from loadtests.report.verdicts import evidence, guide

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = evidence.gather(study(run_dir), run_dir)
judged = guide.judged(found)
pd.set_option("display.max_colwidth", None)
shown.words(f"Run `{found.study.run.run_id}`: {sentences.state(found.study)}")

# %% [markdown]
# ## What the verdicts are made from

# %%
tables.sources(found)

# %% [markdown]
# ## The verdicts
#
# *True if*: it depends on what follows. *Not testable here*: what was measured lies on the limit.

# %%
shown.words(guide.summary(judged))

# %%
tables.verdicts(judged)

# %% [markdown]
# ## Why
#
# What was measured for each, and where it can be looked up.

# %%
tables.reasons(judged)

# %% [markdown]
# ## The whole table
#
# The guide's columns, filled from data (its own word in brackets), and those that it leaves out. A dash: not tested.

# %%
tables.columns(found)

# %% [markdown]
# ## Browser support
#
# Share of the world's usage, by published facts about each browser version. *Unknown*: nothing is published of it.

# %%
shown.table(tables.support(found), "No published browser facts were found.")

# %%
shown.words(guide.support_note(found))

# %% [markdown]
# ## The limits
#
# Every figure that a verdict depends on. A latency figure of the guide is read to the nearest so many milliseconds:

# %%
RESOLUTION_MS

# %% [markdown]
# Browser support: what share of usage, in percent, each of the guide's words stands for.

# %%
pd.DataFrame(evidence.SUPPORT_PERCENT, index=["from", "to"]).T

# %% [markdown]
# Up to here a reaction feels instant, and beyond here it breaks the flow of thought (ms); and Socket.IO is called
# easier with at most this share of the branches.

# %%
pd.Series(
    {
        "instant, ms": evidence.INSTANT_MS,
        "distracting, ms": evidence.DISTRACTING_MS,
        "easier, share of branches": evidence.EASIER_RATIO,
    }
)

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.sentences(judged))
