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
# Tables that others published, each with its source, beside our own figures of the same thing (`rtlab replay all`). A
# figure that the protocol fixes (a share, bytes, transits, a count) is reproduced within 10 %, one that machine and
# code move (a latency, memory) within 50 %. A replay is reproduced if every row of it is.

# %%
import os
from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from loadtests.report import replays

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = replays.made(run_dir)
pd.set_option("display.max_colwidth", None)
Markdown(replays.sentence(found))

# %% [markdown]
# ## The verdicts

# %%
replays.verdicts(found)

# %% [markdown]
# ## Figure by figure

# %%
replays.table(found).round(2)

# %% [markdown]
# ## What the published figures mean

# %%
Markdown("\n".join(f"- **{each.name}**: {each.reading}" for each in found))
