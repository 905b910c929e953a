"""A model card as HTML: one file that needs nothing else, or the sections of a page of ours.

Classes only and no scripts, so that a strict policy shows it as it is. Every text from outside is
escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.documents import card_charts as charts
from fairlead.documents import card_tables as tables
from fairlead.documents.card_style import STYLE
from fairlead.documents.card_text import (
    day,
    figure,
    milliseconds,
    name_of,
    number,
    share,
    size,
    span,
)
from fairlead.documents.card_words import (
    ANALYSES,
    CAVEATS,
    NOT_STATED,
    TRAINING,
    USE,
)
from fairlead.documents.charts import escaped
from fairlead.documents.page import page

Card = Mapping[str, Any]

_MOST_PROSE = 20_000


def html_page(card: Card) -> str:
    """The card as one HTML file."""
    title = f"{card['model']} version {card['version']}"
    head = f'<div class="eyebrow">Model card</div>\n<h1>{escaped(title)}</h1>\n{_purpose(card)}'
    return page(f"Model card of {title}", f"{head}\n{sections(card)}\n{_foot(card)}", STYLE)


def sections(card: Card) -> str:
    """The card below its title, for a page that has `card_style.STYLE`."""
    parts = [
        f'<div class="mc-top">{_headline(card)}{_completeness(card)}</div>',
        _contents(card),
        *(_section(card, place, one) for place, one in enumerate(card["sections"], 1)),
    ]
    if card["live"] is not None:
        parts.insert(1, _live(card["live"]))
    return "\n".join(parts)


def prose(text: str) -> str:
    """What the owner wrote, as paragraphs; its own line breaks stay."""
    shown = text if len(text) <= _MOST_PROSE else text[: _MOST_PROSE - 1] + "\u2026"
    lines = [line.strip() for line in shown.splitlines()]
    plain = ["".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines if line]
    return "".join(f"<p>{html.escape(line)}</p>" for line in plain)


def _purpose(card: Card) -> str:
    words = (word for one in card["sections"] for word in one["words"])
    text = next((word["text"] for word in words if word["key"] == "purpose"), "")
    return prose(text) if text else f'<p><span class="mc-missing">purpose {NOT_STATED}</span></p>'


def _headline(card: Card) -> str:
    one = card["headline"]
    if one is None:
        return (
            '<div class="mc-box mc-unknown"><span class="soft small">Performance</span>'
            '<span class="mc-big">Unknown</span><p>No labelled rows have judged this version. '
            "Nobody can say how good its answers are.</p></div>"
        )
    name = one["name"]
    baseline: Mapping[str, Any] = card["measured"].get("baseline") or {}
    mark: float | None = baseline.get("value")
    shown: list[Mapping[str, Any]] = (
        [one] if mark is None else [one, {"low": mark, "value": mark, "high": mark}]
    )
    ends = charts.scale_of(shown, share_of_one=name == "accuracy")
    bar = charts.interval(name, one, *ends, mark, tall=True)
    constant = ""
    if mark is not None:
        constant = f"; an answer that is always the same reaches {figure(name, mark)} (dashed)"
    return (
        f'<div class="mc-box"><span class="soft small">{escaped(name_of(name))}</span>'
        f'<span class="mc-big">{escaped(figure(name, one["value"]))}</span>{bar}'
        f'<p class="soft small">95 % interval {escaped(span(name, one))}, of {number(one["n"])} '
        f"labelled rows that were held out{escaped(constant)}.</p></div>"
    )


def _completeness(card: Card) -> str:
    found = card["completeness"]
    whole = len(found["stated"]) + len(found["missing"])
    missing = "".join(f"<li>{escaped(key.replace('_', ' '))}</li>" for key in found["missing"])
    left = f'<p class="soft small">Not stated by the owner:</p><ul class="mc-tags">{missing}</ul>'
    slips = "".join(f'<p class="small">{escaped(line)}</p>' for line in card["slips"])
    return (
        '<div class="mc-box"><span class="soft small">Owner\'s words</span>'
        f'<span class="mc-big">{len(found["stated"])} of {whole}</span>'
        f"{charts.completeness(found['score'])}{left if missing else ''}{slips}</div>"
    )


def _contents(card: Card) -> str:
    links = "".join(
        f'<a href="#{_anchor(one["title"])}">{escaped(one["title"])}</a>'
        for one in card["sections"]
    )
    return f'<nav class="mc-nav" aria-label="Sections">{links}</nav>'


def _anchor(title: str) -> str:
    return "card-" + title.lower().replace(" ", "-")


def _section(card: Card, place: int, one: Mapping[str, Any]) -> str:
    more = _MORE.get(one["title"])
    body = "".join([_words(one["words"]), more(card) if more else "", _facts(one["facts"])])
    return (
        f'<section class="mc-section" id="{_anchor(one["title"])}">'
        f"<h2><span>{place}</span>{escaped(one['title'])}</h2>{body}</section>"
    )


def _words(words: Sequence[Mapping[str, Any]]) -> str:
    if not words:
        return ""
    parts = "".join(
        f"<div><dt>{escaped(word['question'])}</dt><dd>"
        + (prose(word["text"]) or f'<span class="mc-missing">{NOT_STATED}</span>')
        + "</dd></div>"
        for word in words
    )
    return f'<dl class="mc-words">{parts}</dl>'


def _facts(facts: Sequence[Mapping[str, str]]) -> str:
    if not facts:
        return ""
    rows = "".join(
        f"<dt>{escaped(fact['name'])}</dt><dd>{prose(fact['value'])}</dd>" for fact in facts
    )
    return f'<dl class="mc-facts">{rows}</dl>'


def _analyses(card: Card) -> str:
    measured = card["measured"]
    parts = [
        tables.slices(measured),
        _charts(card),
        tables.groups(measured),
        tables.confusion(measured, card["labels"]),
        tables.promises(measured),
        tables.robustness(measured),
    ]
    return "".join(parts)


def _charts(card: Card) -> str:
    measured = card["measured"]
    drawn = [
        _chart("Reliability", *_of_reliability(measured)),
        _chart("Errors among the surest", *_of_risk(measured)),
        _chart("Strangeness of the evaluation rows", *_of_novelty(measured)),
        _chart("Latency", *_of_latency(card)),
    ]
    shown = "".join(drawn)
    return f'<div class="mc-charts">{shown}</div>' if shown else ""


def _chart(title: str, picture: str, words: str) -> str:
    if not picture:
        return ""
    return (
        f'<article class="card"><header><h3>{escaped(title)}</h3></header>{picture}'
        f'<div class="words soft">{escaped(words)}</div></article>'
    )


_Drawn = tuple[str, str]


def _of_reliability(measured: Mapping[str, Any]) -> _Drawn:
    curves: Mapping[str, Any] = measured.get("reliability") or {}
    if not curves.get("raw"):
        return "", ""
    told = f"Raw scores (grey) are off by {share(curves['raw']['ece'])} on average"
    calibrated: Mapping[str, Any] = curves.get("calibrated") or {}
    if calibrated.get("method") == "none":
        told += " and are believed as they are"
        curves = {"raw": curves["raw"]}
    elif calibrated:
        told += f", the calibrated confidence (blue) by {share(curves['calibrated']['ece'])}"
    return charts.reliability(curves), f"{told}. On the dashed line confidence is honest."


def _of_risk(measured: Mapping[str, Any]) -> _Drawn:
    told: Mapping[str, Any] = measured.get("risk_coverage") or {}
    if not told.get("points"):
        return "", ""
    picture = charts.risk_coverage(told, told["at_random"] * 2)
    return picture, (
        f"When the least sure answers are withheld, fewer of the others are wrong. Area under the "
        f"generalised risk: {number(told['augrc'])}, at random {number(told['at_random'])}."
    )


def _of_novelty(measured: Mapping[str, Any]) -> _Drawn:
    told: Mapping[str, Any] | None = measured.get("novelty")
    if not told:
        return "", ""
    said = (
        f"{share(told['novel'])} of {number(told['n'])} rows are called unlike the training rows; "
        f"{share(told['false_alarm_rate'])} of good rows are meant to be."
    )
    learnt = " The guard has learnt from these very rows." if told["in_sample"] else ""
    return charts.novelty(told), said + learnt


def _of_latency(card: Card) -> _Drawn:
    profile: Mapping[str, Any] = card["profile"] or {}
    rows = [
        (f"{call['rows']} row{'s' * (call['rows'] != 1)}, the model alone", *_times(call))
        for call in (profile.get("one"), profile.get("batch"))
        if call
    ]
    live: Mapping[str, Any] = card["live"] or {}
    seen: Mapping[str, Any] = live.get("latency") or {}
    if seen.get("p50_ms") is not None and seen.get("p99_ms") is not None:
        rows.append(("whole requests, as served", *_times(seen)))
    if not rows:
        return "", ""
    told = [
        f"{number(round(profile['rows_per_s']))} rows a second" if "rows_per_s" in profile else "",
        f"loaded in {milliseconds(profile['load_s'] * 1000)}" if "load_s" in profile else "",
        f"{size(profile['memory_bytes'])} of memory" if profile.get("memory_bytes") else "",
        str(profile.get("machine", "")),
    ]
    return charts.latency(rows), "; ".join(part for part in told if part) + "."


def _times(call: Mapping[str, Any]) -> tuple[float, float]:
    return call["p50_ms"], call["p99_ms"]


def _caveats(card: Card) -> str:
    lines = "".join(f"<li>{prose(line)}</li>" for line in card["limitations"])
    if not lines:
        return ""
    return f'<h3 class="mc-sub">What measurement says</h3><ul class="mc-limits">{lines}</ul>'


def _live(live: Mapping[str, Any]) -> str:
    latency: Mapping[str, Any] = live.get("latency") or {}
    told = [
        ("requests", number(live["requests"]), f"since {day(live['since'])}"),
        ("rows", number(live["rows"]), _mix(live["decisions"])),
        ("latency, median", milliseconds(latency.get("p50_ms")), "whole requests"),
        ("latency, 99th percentile", milliseconds(latency.get("p99_ms")), "all workers"),
        ("drift", live["drift"]["verdict"], live["drift"]["more"]),
    ]
    cells = "".join(
        f'<div><span class="soft small">{escaped(name)}</span><b>{escaped(value)}</b>'
        f'<span class="soft small">{escaped(more)}</span></div>'
        for name, value, more in told
    )
    return f'<div class="figures mc-live">{cells}</div>'


def _mix(decisions: Mapping[str, int]) -> str:
    whole = sum(decisions.values())
    parts = [f"{name} {share(rows / whole)}" for name, rows in decisions.items() if rows]
    return ", ".join(parts) if whole else "none yet"


def _foot(card: Card) -> str:
    return (
        "<footer><p>Figures are measured on held-out rows; what the owner has not said is left "
        "visibly open, and nothing is filled in for them. Every figure can be made again:</p>"
        f'<pre class="mc-code">{escaped(card["reproduce"])}</pre></footer>'
    )


_MORE = {
    USE: tables.example,
    TRAINING: tables.columns,
    ANALYSES: _analyses,
    CAVEATS: _caveats,
}
"""What some sections hold between the owner's words and the facts."""
