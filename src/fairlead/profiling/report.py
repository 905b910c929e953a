"""A profile in a few lines, for whoever reads a terminal."""

from __future__ import annotations

from math import inf

from fairlead.core.figures import span
from fairlead.costs.profile import Payload, Profile, Setting
from fairlead.costs.scaling import most_useful
from fairlead.documents.card_text import number, size
from fairlead.documents.tables import table
from fairlead.profiling.bandwidth import shown

_MILLION = 1_000_000
_DISTURBED = 0.25
"""Processors."""


def text(
    profile: Profile, *, of: str, trials: int, grid: int, bandwidth: float, others: float = 0.0
) -> str:
    """What was found.

    of: the rows that were asked. bandwidth: bits per second. others: processors that other programs
    kept busy meanwhile.
    """
    gpu = f", {profile.gpu}" if profile.gpu else ""
    facts = [
        ("measured", f"{profile.taken} on {profile.machine}{gpu}, with {of}"),
        ("loaded", f"in {span(profile.load_s)}; {size(profile.disk_bytes)} on disk"),
        ("memory", _memory(profile)),
        ("runs", _runs(profile)),
        ("for latency", f"{_setting(profile.latency)}: 99 of 100 calls of "
         f"{_callers(profile.latency.callers)} within {span(profile.latency.p99_s)}"),
        ("for throughput", f"{_setting(profile.throughput)}: "
         f"{number(profile.throughput.rows_per_s)} rows/s of "
         f"{_callers(profile.throughput.callers)}, in process"),
        ("searched", f"{trials} of {grid} settings ({trials / grid:.0%})"),
        ("saturation", _saturation(profile)),
    ]  # fmt: skip
    load = [
        (p.callers, number(p.calls_per_s), span(p.p50_s), span(p.p99_s)) for p in profile.points
    ]
    asked = [_payload(payload, bandwidth) for payload in profile.payloads]
    line = f"one at {shown(bandwidth)}"
    warned = [
        "",
        f"other programs kept {others:.1f} processors busy meanwhile: take it again, with --fresh, "
        "when they do not",
    ]
    return "\n".join(
        [
            f"{profile.model} version {profile.version}, {profile.runtime}",
            table(None, [(f"  {name}", told) for name, told in facts]),
            "",
            "a server of one worker, each caller asking when answered",
            _indented(table(("callers", "calls/s", "median", "99 %"), load)),
            "",
            "bytes of a call of one row, with their heads",
            _indented(table(("wire", "asked", "answered", "a million calls", line), asked)),
            *(warned if others > _DISTURBED else ()),
        ]
    )


def _indented(lines: str) -> str:
    return "\n".join(f"  {line}" for line in lines.splitlines())


def _memory(profile: Profile) -> str:
    if not profile.steady_bytes:
        return "this system does not say"
    held = f"{size(profile.steady_bytes)} in a worker, {size(profile.peak_bytes)} at most"
    return f"{held}; {size(profile.base_bytes)} before it is loaded"


def _runs(profile: Profile) -> str:
    joined = f"up to {_rows(profile.max_rows)} joined" if profile.max_rows > 1 else "not joined"
    where = "on the worker's loop" if profile.inline else f"{profile.slots} at once, beside it"
    return f"{where}, {joined}; {span(profile.service(1).quantiles[50])} for one row"


def _setting(setting: Setting) -> str:
    where = f"{setting.threads} at once" if setting.threads else "on the worker's loop"
    return f"max_batch {setting.max_batch}, {where}"


def _callers(count: int) -> str:
    return "a lone caller" if count == 1 else f"{count} callers"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _saturation(profile: Profile) -> str:
    best = max(profile.points, key=lambda point: point.calls_per_s)
    told = f"{number(best.calls_per_s)} calls/s at {_callers(best.callers)}"
    turn, law = most_useful(profile.scaling), profile.scaling
    last = profile.points[-1].callers
    beyond = (
        f"more than {turn:.0f} callers get less in all"
        if turn <= last
        else f"up to {last} callers, more get more in all"
    )
    if turn != inf and turn > last:
        beyond += f"; the curve turns at {turn:.0f}"
    fitted = f"s {law.s:.3g}, k {law.k:.2g}, off by at most {law.worst:.0%}"
    return f"{told}; {beyond} (fitted: {fitted})"


def _payload(payload: Payload, bandwidth: float) -> tuple[str, str, str, str, str]:
    both = payload.request_bytes + payload.answer_bytes
    return (
        payload.wire,
        size(payload.request_bytes),
        size(payload.answer_bytes),
        size(both * _MILLION),
        span(8 * both / bandwidth),
    )
