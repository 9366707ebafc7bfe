"""Whether an emulated link was what was asked for: the rules that a cell's probes are held to. Pure.

Bounds on the median round trip grow with the link's own jitter, which a short probe sees only a part of. Losses are
held to four standard errors of what the asked loss gives over both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from loadtests.records.schema import LinkCheck, Validity, Verdict

DOUBTFUL_MS, DOUBTFUL_SHARE = 1.0, 0.02
INVALID_MS, INVALID_SHARE = 5.0, 0.1
JITTER_SHARE = 0.5
STANDARD_ERRORS = 4.0

_ORDER = (Validity.VALID, Validity.DOUBTFUL, Validity.INVALID)


def judged(verdict: Verdict, check: LinkCheck) -> Verdict:
    """Return the cell's verdict with what its link adds to it."""
    reasons = list(_reasons(check))
    worst = max((verdict.validity, *(validity for validity, _ in reasons)), key=_ORDER.index)
    return Verdict(worst, (*verdict.reasons, *(reason for _, reason in reasons)))


def _reasons(check: LinkCheck) -> Iterator[tuple[Validity, str]]:
    if check.rtt_ms_p50 is None:
        yield Validity.INVALID, f"none of {check.probes} probes came back over the link"
        return
    asked_ms, off_ms = check.asked_rtt_ms, abs(check.rtt_ms_p50 - check.asked_rtt_ms)
    spread_ms = JITTER_SHARE * check.asked_jitter_ms
    for validity, limit_ms in (
        (Validity.INVALID, INVALID_MS + INVALID_SHARE * asked_ms + 2 * spread_ms),
        (Validity.DOUBTFUL, DOUBTFUL_MS + DOUBTFUL_SHARE * asked_ms + spread_ms),
    ):
        if off_ms > limit_ms:
            yield (
                validity,
                f"the link's median round trip is {check.rtt_ms_p50:.3g} ms instead of {asked_ms:g} ms, "
                f"more than {limit_ms:.3g} ms off",
            )
            break
    lost = check.probes - check.answered
    chance = 1 - (1 - check.asked_loss_percent / 100) ** 2
    expected = check.probes * chance
    if abs(lost - expected) > STANDARD_ERRORS * math.sqrt(expected * (1 - chance)):
        yield Validity.DOUBTFUL, f"{lost} of {check.probes} probes were lost on the link, where {expected:.3g} were due"
