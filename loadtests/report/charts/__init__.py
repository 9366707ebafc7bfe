"""The report's charts: what is drawn, from a `Study`, as matplotlib figures.

Each function takes a study and a `layout.Layout` (wide screens, phones) and returns a figure, or None where the run
holds nothing to draw; draw inside `layout.house_style`. Axes carry units, sample counts and the run's id; hollow marks
and dashed lines stand for invalid, half-filled marks for doubtful.
"""
