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
# # What others measured, measured again
#
# It shows which published measurements come out the same here. Tables that others published, each with its source,
# stand beside our own figures of the same thing (`rtlab replay all`). A
# figure that the protocol fixes (a share, bytes, transits, a count) is reproduced within 10 %, one that machine and
# code move (a latency, memory) within 50 %. A replay is reproduced if every row of it is.

# %%
import os
from pathlib import Path

import pandas as pd

from loadtests.report import conclusions, replays, shown

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = replays.made(run_dir)
pd.set_option("display.max_colwidth", None)
lacking = "No replays were made beside this run: `rtlab replay all` makes them."
shown.words(replays.sentence(found) if found else lacking)

# %% [markdown]
# ## The verdicts

# %%
shown.table(replays.verdicts(found), lacking)

# %% [markdown]
# ## Figure by figure

# %%
shown.table(replays.table(found), lacking, decimals=2)

# %% [markdown]
# ## What the published figures mean

# %%
shown.words("\n".join(f"- **{each.name}**: {each.reading}" for each in found) or lacking)

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.measured_again(found))
