"""What was measured beyond what theory says, and what accounts for it: every residual gets its name by a rule.

The residual is the measured median minus the model's. It needs no cause where the median's 95 % interval holds the
model's. Otherwise known contributions are taken off, in this order, until what is left is within the interval's own
width or `SLACK_MS`: the link's own error (by its probes, once per transit the figure holds), then the serving of the
room (the median receiver waits for half of the room's deliveries: half of subscribers per room x server CPU per
delivery), on a lossy link then retransmissions, whatever they take. The last contribution that was needed names the
residual. What none of them accounts for is called unexplained, on loopback *work of the stack* where it is late: the
model there has no delay, so that everything that machine and servers do is residual. None of it makes a median too
early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadtests.records.schema import Validity
from loadtests.report import model
from loadtests.report.bounds import AtLeast
from loadtests.report.condition import Result
from loadtests.report.link_claims import link_error_ms, lossy
from loadtests.report.study import Study

SLACK_MS = 0.5

NONE = "none needed: within the interval"
LINK = "the link's own error"
SERVING = "serving the room"
RETRANSMITTED = "retransmissions"
STACK = "work of the stack"
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Residual:
    """One condition's median beside the model's, in ms. `left_ms`: what the named contributions do not account for."""

    transport: str
    load: str
    link: str
    model_ms: float
    measured_ms: float
    low_ms: float
    high_ms: float
    link_ms: float
    serving_ms: float
    left_ms: float
    cause: str

    @property
    def residual_ms(self) -> float:
        """Measured minus model."""
        return self.measured_ms - self.model_ms


def residuals(study: Study) -> tuple[Residual, ...]:
    """Return the residual of every condition of the table that is not invalid and has a model."""
    found = (_residual(result) for result in study.tabled if result.validity is not Validity.INVALID)
    return tuple(residual for residual in found if residual is not None)


def _residual(result: Result) -> Residual | None:
    condition, p50 = result.condition, result.p50
    model_ms = _model_ms(result)
    if p50 is None or model_ms is None or isinstance(p50.value_ms, AtLeast):
        return None  # of what is only known from below there is no residual
    link_ms, serving_ms = link_error_ms(result), _serving_ms(result)
    residual_ms = p50.value_ms - model_ms
    slack_ms = max(SLACK_MS, (p50.high_ms - p50.low_ms) / 2)
    left_ms = residual_ms - link_ms - serving_ms
    cause = STACK if condition.link == "loopback" and residual_ms > 0 else UNEXPLAINED
    if p50.low_ms <= model_ms <= p50.high_ms:
        cause, left_ms = NONE, residual_ms
    elif link_ms and abs(residual_ms - link_ms) <= slack_ms:
        cause, left_ms = LINK, residual_ms - link_ms
    elif residual_ms > 0 and left_ms <= slack_ms:
        cause = SERVING
    elif lossy(result) and left_ms > 0:
        cause = RETRANSMITTED
    return Residual(
        transport=condition.transport,
        load=condition.load,
        link=condition.link,
        model_ms=model_ms,
        measured_ms=p50.value_ms,
        low_ms=p50.low_ms,
        high_ms=p50.high_ms,
        link_ms=link_ms,
        serving_ms=serving_ms,
        left_ms=left_ms,
        cause=cause,
    )


def _model_ms(result: Result) -> float | None:
    """Return the model's median: the drawn line's, and 0 for a push or a long poll on a link without delay."""
    if result.model is not None:
        return float(np.interp(0.5, result.model.fraction, result.model.latency_ms))
    knows = result.condition.transport in (*model.PUSHING, "longpoll")
    return 0.0 if knows and model.link_one_way_ms(result.condition.link) == 0 else None


def _serving_ms(result: Result) -> float:
    cpu, used = result.costs.server_cpu_us, result.used
    if cpu is None or not used:
        return 0.0
    return result.condition.subscribers / used[0].rooms / 2 * cpu.value / 1e3
