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
# # Is it true?
#
# It shows how far the instrument can be believed. One that is only ever pointed at unknown things cannot be checked.
# Here it is pointed at known ones: faults that were planted, a transport compared with itself, a generator too weak to
# measure, a stall that other tools hide. Everything below comes from `rtlab calibrate`, whose JSON files lie beside the
# run, and from a run whose servers stamped each step of a message's way.

# %%
import os
from operator import attrgetter
from pathlib import Path

from loadtests.report import budget, calibration, conclusions, sentences, shown, tables
from loadtests.report.charts.latency import against_itself, coordinated_omission, latency_budget
from loadtests.report.study import study

run_dir = Path(os.environ.get("RTLAB_RUN", "../results/reference"))
found = study(run_dir)
calibrations = calibration.beside(run_dir)
lacking = "Not measured beside this run: `rtlab calibrate`, `rtlab calibrate --aa 20`, `rtlab run budget` would."
shown.words(f"Run `{found.run.run_id}`, with {len(calibrations)} calibrations beside it.")

# %% [markdown]
# ## Planted and found
#
# A server delays each message by exactly 5 ms, or by one of two delays; it stops for a second; it loses, doubles and
# swaps messages; it is slow to answer at first. Each transport's own client measures it, and the lab's own code counts.
# A grid's own wait is taken off short polling. One column per calibration.

# %%
shown.table(tables.checks(calibrations), lacking, decimals=3)

# %% [markdown]
# The short form, in the seconds before this run's first cell:

# %%
shown.words(calibration.verdict(found.run.calibration) if found.run.calibration else "This run was not calibrated.")

# %% [markdown]
# ## A generator that is too weak
#
# Given a fraction of the processor time that it needs, a load generator reads late and publishes late, and a naive
# report would show a slow server. The lab must refuse the cell.

# %%
weak = calibration.latest(calibrations, attrgetter("weakened"))
shown.words(
    f"Held back by {weak.means}: the cell is **{weak.validity}** ({'; '.join(weak.reasons)})." if weak else lacking
)

# %% [markdown]
# ## A transport against itself
#
# The same transport under two names, in interleaved run blocks, compared by the same code as everything else. At 95 %
# one of twenty differs by chance. Hollow marks: called different. The last line compares two transports.

# %%
same = calibration.latest(calibrations, attrgetter("self_test"))
shown.picture(
    against_itself, same, "\n\n".join(list(calibration.repeated(same))[len(same.repeats) :]) if same else lacking
)

# %%
shown.table(tables.comparisons((*same.repeats, *same.between) if same else ()), lacking, decimals=3)

# %% [markdown]
# ## Coordinated omission
#
# The server stops for one second of ten. Measured from the schedule, every message that was due in that second is late.
# A closed loop, which sends the next message when the last one has come back, sends nothing while it waits: one message
# tells of the stall, and the percentiles forget it.

# %%
omitted = calibration.latest(calibrations, attrgetter("omission"))
shown.picture(coordinated_omission, omitted, calibration.omitted(omitted) if omitted else lacking)

# %% [markdown]
# ## Where the time goes
#
# Servers stamp each step on demand (`RTLAB_STAMPS`), in cells of their own, beside cells that do not: the difference is
# what stamping costs. A bar stands for the deliveries around the median, and around p99; means of their steps add up.

# %%
stamped = study(budget.stamped_run(run_dir))
shown.picture(latency_budget, stamped, sentences.budgets(stamped) or lacking)

# %%
shown.table(tables.budgets(stamped), lacking, decimals=3)

# %%
shown.words(budget.steps())

# %% [markdown]
# ## What a reader may conclude

# %%
shown.words(conclusions.instrument(calibrations, stamped))
