"""Advice as one HTML file: a form, and a script that computes from the embedded figures what `advice` computes."""

from __future__ import annotations

from pathlib import Path

import jinja2
import msgspec
from markupsafe import Markup

from core.catalogue import records
from loadtests.records import prices
from loadtests.report import palette
from loadtests.report.advise import advice, bill, costing, published, risks, sizing, surface
from loadtests.report.advise.advice import Basis
from loadtests.report.advise.case import CLIENTS, MOBILE, NO_PROXY, Case
from loadtests.report.advise.costing import Costing
from loadtests.report.advise.surface import Surface
from loadtests.report.claims import title
from loadtests.report.frontier import AS_CHEAP_SHARE
from loadtests.report.priced import BUSY_SHARE, HEADER_BYTES, MONTH_S
from loadtests.report.templated import KEPT
from loadtests.report.tls import RECORD_BYTES
from loadtests.report.verdicts.catches import duplex, in_browsers
from loadtests.report.verdicts.evidence import UNSEEN_MS

NAME = "advise.html"
_TEMPLATES = Path(__file__).parents[1] / "templates"


def render(found: Basis) -> str:
    """Return the page. What is embedded is JSON in which `<` is escaped, so no value can end the script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        bytecode_cache=KEPT,
    )
    scripts = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in ("advise.js", "advise_form.js")]
    return environment.get_template("advise.html.j2").render(
        found=found,
        light=Markup(palette.css_variables(dark=False)),  # noqa: S704  # our own constants
        dark=Markup(palette.css_variables(dark=True)),  # noqa: S704
        most_payload=advice.MOST_PAYLOAD_BYTES,
        most_loss=advice.MOST_LOSS_PERCENT,
        clients=CLIENTS,
        proxies=proxies(),
        prices=_prices(),
        default_price=prices.DEFAULT,
        data=Markup(msgspec.json.encode(data(found)).decode().replace("<", "\\u003c")),  # noqa: S704
        script=Markup("\n".join(scripts)),  # noqa: S704
    )


def proxies() -> tuple[str, ...]:
    """Return what may stand before the servers."""
    return NO_PROXY, "caddy", *(name for name in published.load().idle if name != MOBILE)


def data(found: Basis) -> dict[str, object]:
    """Return what the script computes from."""
    return {
        "transports": [_transport(found, each) for name, each in found.costings.items() if name in records()],
        "prices": {name: msgspec.structs.replace(paid, read=()) for name, paid in _prices().items()},
        "idle": {name: entry.seconds for name, entry in published.load().idle.items()},
        "nominal": advice.NOMINAL,
        "interval_ms": costing.POLL_INTERVAL_MS,
        "same": surface.SAME,
        "header_bytes": HEADER_BYTES,
        "segment_bytes": costing.SEGMENT_BYTES,
        "record_bytes": RECORD_BYTES,
        "heartbeat_bytes": bill.HEARTBEAT_BYTES,
        "answer_bytes": bill.ANSWER_BYTES,
        "heartbeat_s": risks.DEFAULT_HEARTBEAT_S,
        "busy_share": BUSY_SHARE,
        "memory_share": sizing.MEMORY_SHARE,
        "process_mib": sizing.PROCESS_MIB,
        "most_processes": sizing.MOST,
        "month_s": MONTH_S,
        "unseen_ms": UNSEEN_MS,
        "as_cheap": AS_CHEAP_SHARE,
    }


def _prices() -> dict[str, prices.Prices]:
    return {name: prices.find(name) for name in prices.FILES.named()}


def _transport(found: Basis, each: Costing) -> dict[str, object]:
    kib, tls_kib = (each.memory_kib(tls=tls) for tls in (False, True))
    return {
        "name": each.transport,
        "title": title(each.transport),
        "model": records()[each.transport].model,
        "two_way": duplex(found.evidence, each.transport),
        "in_browsers": in_browsers(found.evidence, each.transport),
        "stopped_by": [name for name in proxies() if _stopped(found, each.transport, name)],
        "kib": kib.value if kib else None,
        "tls_kib": tls_kib.value if tls_kib else None,
        "tls_cpu_us": each.tls_cpu.value if each.tls_cpu else None,
        "cpu": _surface(each.cpu),
        "wire": _surface(each.wire),
        "p50": _surface(each.p50),
        "p99": _surface(each.p99),
        "lossy": [
            {"percent": percent, "load": costing.key_of(point), "value": value, "at_least": bool(least)}
            for point in each.lossy
            for percent, value, least in (
                (50, point.p50_ms, point.p50_ms_at_least),
                (99, point.p99_ms, point.p99_ms_at_least),
            )
            if value is not None
        ],
    }


def _stopped(found: Basis, transport: str, proxy: str) -> bool:
    risk = risks.proxy(Case(proxy=proxy), found.evidence, transport)
    return risk is not None and risk.out


def _surface(fitted: Surface | None) -> dict[str, object] | None:
    if fitted is None:
        return None
    seen = [
        {"scale": s.at.scale, "group": s.at.group, "terms": s.terms, "offset": s.offset, "value": s.value}
        for s in fitted.seen
    ]
    return {"seen": seen, "coefficients": fitted.coefficients, "ratio": fitted.ratio}
