"""What a chart or a run shows, in one sentence made from its figures: none here knows the outcome beforehand."""

from __future__ import annotations

from collections import Counter

from loadtests.records import repeats
from loadtests.records.schema import Validity
from loadtests.report import budget, model
from loadtests.report.claims import in_prose
from loadtests.report.condition import Cost, Result, bytes_known
from loadtests.report.places import far, load_words, near
from loadtests.report.quantity import AtLeast, count, digits, listed, with_unit
from loadtests.report.study import Contrast, Study, fan_out_results, heaviest
from loadtests.report.variants import stamped, stamped_sentence

NO_LATENCY = "This run holds no latency of which half could be stated."
ONE_SIZE = "This run measured no transport in rooms of two sizes: how latency grows with the room is not known."
NO_COSTS = "This run could not look into the server, and held no idle connections: what a delivery costs is not known."
NO_TIMELINE = "This run kept no figures by the second."


def state(study: Study) -> str:
    """Say whether the run is whole and how many of its cells can be believed."""
    run = study.run
    if not run.cells:
        return f"Incomplete: none of {run.planned_cells} planned cells ({run.note or 'no reason given'})."
    found = Counter(repeats.outcomes(run.cells).values())
    searched = sum(cell.kind == repeats.SEARCHED for cell in run.cells)
    done = repeats.done(run.cells)
    whole = (
        f"{count(done, 'cell')}, complete"
        if run.complete
        else f"Incomplete: {done} of {run.planned_cells} planned cells"
    )
    if not run.complete and run.note:
        whole += f" ({run.note})"
    again = len(run.cells) - done
    parts = (
        whole,
        ", ".join(f"{found[validity]} {validity}" for validity in Validity if found[validity]),
        f"{count(searched, 'cell')} of a capacity search" if searched else "",
        f"{count(again, 'repetition')} of cells that were spoilt" if again else "",
        f"{count(study.deliveries, 'delivery', 'deliveries')} measured.",
    )
    return "; ".join(filter(None, parts))


def answer(study: Study) -> str:
    """Say what half of all messages took, here and over the longer line; empty where nothing can be compared."""
    parts = []
    for results in (near(study), far(study)):
        medians = [f"{digits(r.p50.value_ms)} ms over {_name(r)}" for r in results if r.p50]
        if medians:
            parts.append(f"{_capital(load_words(results[0]))}: {listed(medians)}.")
    return " ".join(parts)


def ecdf(study: Study) -> str:
    """Say what half of the deliveries took under the heaviest load."""
    results = [r for r in heaviest(study) if r.p50]
    if not results:
        return NO_LATENCY
    medians = [(r.p50.value_ms, _name(r)) for r in results if r.p50]
    known = [f"{digits(ms)} ms over {name}" for ms, name in medians if not isinstance(ms, AtLeast)]
    open_ended = [f"{digits(ms)} ms over {name}" for ms, name in medians if isinstance(ms, AtLeast)]
    parts = (
        f"half of all deliveries took at most {listed(known)}" if known else "",
        f"too many never came to know more of the median than {listed(open_ended)}" if open_ended else "",
    )
    return f"With {_load(results[0])}, {'; '.join(filter(None, parts))}."


def fan_out(study: Study) -> str:
    """Say how each median grows from the smallest room to the largest that the transport was measured in."""
    results = fan_out_results(study)
    by_sizes: dict[tuple[int, int], list[str]] = {}
    for transport in dict.fromkeys(r.condition.transport for r in results):
        rooms = [
            (r.condition.subscribers, r.p50.value_ms) for r in results if r.condition.transport == transport and r.p50
        ]
        (smallest, first_ms), (largest, last_ms) = rooms[0], rooms[-1]
        if largest > smallest:
            exact = not any(isinstance(median, AtLeast) for median in (first_ms, last_ms))
            factor = f" ({digits(last_ms / first_ms, 2)} times)" if exact else ""
            words = f"{in_prose(transport)} from {digits(first_ms)} to {digits(last_ms)} ms{factor}"
            by_sizes.setdefault((smallest, largest), []).append(words)
    if not by_sizes:
        return ONE_SIZE
    return " ".join(
        f"From {smallest:,} to {largest:,} subscribers, the median goes: {listed(parts)}."
        for (smallest, largest), parts in by_sizes.items()
    )


def costs(study: Study) -> str:
    """Name the cheapest and the dearest transport of each cost; memory apart, which no load moves."""
    results = heaviest(study)
    parts = []
    counted, field = bytes_known([result.costs for result in results])
    for what, unit, figure in (("server CPU", "µs", "server_cpu_us"), (counted, "", field)):
        found = {r.condition.transport: getattr(r.costs, figure) for r in results if getattr(r.costs, figure)}
        parts += _extremes(f"{what} per delivery", unit, found)
    said = [f"With {_load(results[0])}, {'; '.join(parts)}."] if parts else []
    said += [
        f"{_capital(words)}." for words in _extremes("server memory per idle connection", "KiB", dict(study.memory))
    ]
    return " ".join(said) or NO_COSTS


def budgets(study: Study) -> str:
    """Say where a median delivery's time goes, and what it costs to know; empty where no server stamped."""
    return " ".join(filter(None, (budget.sentence(study.budgets), stamped_sentence(stamped(study)))))


def timeline(study: Study) -> str:
    """Say how busy server and generator were at most."""
    frame = study.timeline
    if frame.empty:
        return NO_TIMELINE
    server, generator = frame["server_cpu_percent"].max(), frame["generator_cpu_percent"].max()
    return (
        f"In {digits(float(frame['t_s'].max()) + 1)} s the server used at most {digits(float(server))} % of a core in "
        f"any second and the generator {digits(float(generator))} %; the cells ran in an order drawn at random."
    )


def contrast(found: Contrast) -> str:
    """Say in words whether two transports differ."""
    difference, base = found.difference, in_prose(found.baseline)
    if not difference.known:
        return f"not known against {base}: a median is only known from below"
    if difference.indistinguishable:
        return f"indistinguishable from {base}"
    return f"{difference.direction} than {base} by {digits(difference.size_ms)} ms"


def five_hundred(study: Study) -> tuple[str, ...]:
    """Explain where a mean of 500 ms comes from, by the model and by what was measured; one string a paragraph."""
    guide = study.guide
    claimed = guide.get("longpoll", 500.0)
    needs = model.five_hundred(claimed)
    paragraphs = [
        f"A client that asks on a fixed grid of T sees a message T/2 late on average, whatever the server does: a "
        f"mean of {digits(claimed)} ms is what short polling every {needs.short_poll_interval_ms / 1e3:g} s gives.",
        f"A long poll is answered the moment something happens. It is late only while its next request is on the way, "
        f"so its mean, from when the server has the message, never exceeds two transits of the link (plus half the "
        f"client's turnaround): for {digits(claimed)} ms the link needs {digits(needs.long_poll_one_way_ms)} ms one "
        f"way, even in the busiest room.",
    ]
    for result in heaviest(study):
        transport, p = result.condition.transport, result.percentiles
        if model.kind(transport) in ("short poll", "long poll") and result.p50:
            one_way_ms = model.link_one_way_ms(result.condition.link) or 0.0
            mean_ms = model.short_poll_mean_ms(one_way_ms, result.poll_interval_ms)
            asked = model.kind(transport) == "short poll"
            every = f" every {result.poll_interval_ms / 1e3:g} s" if asked else ""
            by_model = f", against {digits(mean_ms)} ms by the model" if asked else ""
            paragraphs.append(
                f"Measured here, {_name(result)}{every} with {_load(result)}: mean {digits(p.mean_ms)} ms{by_model}; "
                f"median {digits(p.p50_ms)} ms."
            )
    return tuple(paragraphs)


def _load(result: Result) -> str:
    c, rooms = result.condition, result.cells[0].rooms
    if rooms == 1:
        return f"{count(c.subscribers, 'receiver')} and {c.rate_per_s:g} messages a second"
    return f"{count(c.subscribers, 'receiver')} in {rooms:,} rooms and {c.rate_per_s:g} messages a second in each"


def _name(result: Result) -> str:
    mark = "" if result.validity is Validity.VALID else f" ({result.validity})"
    return in_prose(result.condition.transport) + mark


def _extremes(what: str, unit: str, found: dict[str, Cost]) -> list[str]:
    if not found:
        return []
    ordered = sorted(found, key=lambda transport: found[transport].value)
    ends = [f"{with_unit(found[t].value, unit).strip()} ({in_prose(t)})" for t in (ordered[0], ordered[-1])]
    return [f"{what}: {' to '.join(ends if len(ordered) > 1 else ends[:1])}"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
