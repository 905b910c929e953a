"""A version's drift as a page, as JSON and as a few lines of text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import log10
from typing import Any

from fairlead.documents.charts import MANY, escaped, histogram, shown, strip
from fairlead.documents.drift_facts import alarmed
from fairlead.documents.page import page

MOST_CARDS = 60
"""Columns with charts; every column stands in the table."""

_MOST_ALARMS = 4
"""Windows with alarms that are not folded away."""

_MOST_SHOWN = 5
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEARNT_FROM = {"input": "training rows"}

Facts = Mapping[str, Any]


def json_text(facts: Facts) -> str:
    """The report as one JSON object."""
    return json.dumps(facts, indent=2, allow_nan=False)


# --- in words ---------------------------------------------------------------------------


def text(facts: Facts) -> str:
    """The report for a terminal."""
    lines = [
        f"{facts['model']} version {facts['version']}: {_number(facts['rows'])} rows looked at "
        f"since {facts['since']}",
        verdict(facts),
    ]
    for alarm in facts["standing"][:_MOST_SHOWN]:
        lines.append(f"  {_plain(alarm['words'])}")
    if len(facts["standing"]) > _MOST_SHOWN:
        lines.append(f"  and {len(facts['standing']) - _MOST_SHOWN} more")
    lines += [line for line in (_strange(facts), _accurate(facts)) if line]
    return "\n".join([*lines, promise(facts)])


def verdict(facts: Facts) -> str:
    """What has come of it so far, in a sentence."""
    count, watched = len(facts["standing"]), facts["columns_watched"]
    if count:
        return f"{count} of {watched} columns {'has' if count == 1 else 'have'} moved"
    if not any(window["ended"] for window in facts["windows"]):
        smallest = min(facts["windows"], key=lambda window: window["size"])
        return f"Nothing can be said yet: {smallest['counted']} of {smallest['size']} rows are in"
    return f"None of {watched} columns has moved"


def promise(facts: Facts) -> str:
    """What a false alarm is, and how often one comes."""
    return (
        f"When nothing has changed, a window raises an alarm with a chance of at most "
        f"{facts['false_alarm_rate']:.2g}, all columns together"
    )


def _strange(facts: Facts) -> str:
    bet = facts["strangeness"]
    if bet is None:
        return ""
    made = (
        f"betting on it has made a stake of 1 into {_large(bet['highest'])} at best, "
        f"and {_number(bet['limit'])} is an alarm"
    )
    if bet["alarmed"]:
        since = _number(bet["since_row"])
        return (
            "The rows are stranger than training rows, and have been since row "
            f"{since} at the latest: {made}"
        )
    return f"No more rows than usual are strange: {made}"


def _accurate(facts: Facts) -> str:
    """How right the answers were, as far as true labels have come."""
    told: Facts = facts["accuracy"] or {}
    if "accuracy" in told:
        said, form = f"{told['accuracy']:.1%} of the answers are right", ".1%"
    elif "mean_absolute_error" in told:
        said, form = f"answers are off by {told['mean_absolute_error']:.4g} on average", ".4g"
    else:
        return ""
    if "interval" in told:
        low, high = told["interval"]
        said += f" (95 % interval {low:{form}} to {high:{form}})"
    said = f"Of {_number(told['labelled'])} rows the true label is known: {said}"
    return f"{said}; {told['alarm']}" if told.get("alarm") else said


def _plain(words: object) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(words))


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _large(value: float) -> str:
    if value < 1e4:
        return f"{value:,.1f}"
    return "10" + f"{log10(value):.0f}".translate(_RAISED)


# --- as a page --------------------------------------------------------------------------


def html_page(facts: Facts) -> str:
    """The report as one HTML file, which needs nothing else."""
    drawn = facts["columns"][:MOST_CARDS]
    line = _line(facts)
    cards = "\n".join(_card(column, line) for column in drawn)
    some = (
        f" The {MOST_CARDS} with the strongest evidence."
        if len(drawn) < len(facts["columns"])
        else ""
    )
    body = "\n".join(
        [
            _head(facts),
            _figures(facts),
            f'<h2>Columns</h2>\n<p class="soft">The strongest evidence first.{some}</p>',
            '<div class="key"><span><i></i>rows learnt from</span>'
            '<span><i class="now"></i>the window that says most</span>'
            '<span><i class="moved"></i>an alarm stands</span></div>',
            f'<div class="cards">\n{cards}\n</div>',
            _alarms(facts),
            _table(facts),
            _foot(facts),
        ]
    )
    return page(f"Drift of {facts['model']} version {facts['version']}", body)


def _line(facts: Facts) -> float:
    """Where the evidence for the least likely column becomes an alarm: minus log10 of its p."""
    shared = len(facts["windows"]) * max(1, facts["columns_watched"])
    return -log10(facts["false_alarm_rate"] / shared)


def _head(facts: Facts) -> str:
    moved = alarmed(facts)
    more = [line for line in (_strange(facts), _accurate(facts)) if line]
    paragraphs = "".join(f"<p>{escaped(line)}.</p>" for line in more)
    return (
        f'<div class="eyebrow">Drift</div>\n'
        f"<h1>{escaped(facts['model'])} version {facts['version']}</h1>\n"
        f'<p class="soft">{_number(facts["rows"])} rows looked at since '
        f"{escaped(_day(facts['since']))}; as of {escaped(_day(facts['updated']))}.</p>\n"
        f'<div class="verdict{" moved" if moved else ""}">'
        f"<strong>{escaped(verdict(facts))}</strong>{paragraphs}</div>"
    )


def _figures(facts: Facts) -> str:
    bet = facts["strangeness"]
    told = [
        ("columns watched", _number(facts["columns_watched"]), _left_out(facts)),
        ("alarms so far", _number(facts["alarms_raised"]), f"standing: {len(facts['standing'])}"),
        *(
            (
                f"windows of {_number(window['size'])} rows",
                _number(window["ended"]),
                f"{_number(window['counted'])} rows towards the next",
            )
            for window in facts["windows"]
        ),
    ]
    if bet is not None:
        told.append(
            (
                "wealth of the bet on strangeness",
                _large(bet["highest"]),
                f"its most so far; {_number(bet['limit'])} is an alarm",
            )
        )
    cells = "".join(
        f'<div><span class="soft small">{escaped(name)}</span><b>{escaped(value)}</b>'
        f'<span class="soft small">{escaped(more)}</span></div>'
        for name, value, more in told
    )
    return f'<div class="figures">{cells}</div>'


def _left_out(facts: Facts) -> str:
    left = facts["columns_left_out"]
    return f"{_number(left)} more are not" if left else "all there are"


def _alarms(facts: Facts) -> str:
    """The alarms by window, newest first; the older ones are folded away."""
    windows = [
        _alarms_of_one(list(together))
        for _, together in groupby(facts["alarms"], lambda alarm: (alarm["row"], alarm["window"]))
    ]
    if not windows:
        return ""
    first, older = windows[:_MOST_ALARMS], windows[_MOST_ALARMS:]
    folded = ""
    if older:
        folded = (
            f"<details><summary>{len(older)} more windows with an alarm before these</summary>"
            f'<ol class="alarms">{"".join(older)}</ol></details>'
        )
    lost = facts["alarms_raised"] - len(facts["alarms"])
    more = f'<p class="soft small">{_number(lost)} older alarms are not kept.</p>' if lost else ""
    return f'<h2>Alarms</h2>\n<ol class="alarms">{"".join(first)}</ol>{folded}{more}'


def _alarms_of_one(alarms: Sequence[Facts]) -> str:
    """The alarms of one window."""
    when, rows = escaped(_day(alarms[0]["when"])), _number(alarms[0]["window"])
    words = "".join(f"<div>{escaped(alarm['words'])}</div>" for alarm in alarms)
    return f"<li><span>{when}<br>window of {rows} rows</span><span>{words}</span></li>"


def _card(column: Facts, line: float) -> str:
    seen = column["p"] is not None
    learnt_from = _LEARNT_FROM.get(column["kind"], "evaluation rows")
    kind = "" if column["kind"] == "input" else column["kind"]
    tag = "moved" if column["moved"] else kind
    parts = [
        f"<header><h3>{escaped(column['name'])}</h3>"
        f'<span class="tag">{escaped(tag)}</span></header>',
        histogram(column["bars"], seen=seen, learnt_from=learnt_from),
        _ends(column["bars"]) if column["bars"] else '<div class="soft small">private values</div>',
    ]
    if seen:
        parts.append(_sizes(column))
        parts.append(
            f"<div>{strip(column['past'], line)}"
            f'<span class="soft small">Distance in {len(column["past"])} '
            f"window{'s' * (len(column['past']) != 1)} of {_number(column['window'])} rows</span>"
            "</div>"
        )
    if column["words"]:
        parts.append(f'<div class="words">{escaped(column["words"])}</div>')
    return f'<article class="card{" moved" * column["moved"]}">{"".join(parts)}</article>'


def _ends(bars: Sequence[Facts]) -> str:
    """What stands below the bars: each one's name when they are few, else the first and last."""
    labels = [bar["label"] for bar in shown(bars)]
    few = len(labels) <= 6
    named = labels if few else [labels[0], labels[-1]]
    spans = "".join(f'<span title="{escaped(name)}">{escaped(name)}</span>' for name in named)
    beside = [bar for bar in bars if bar["beside"]] if len(bars) >= MANY else []
    more = "".join(
        f'<div class="soft small">{escaped(bar["label"])}: {bar["now"]:.1%} of the window, '
        f"{bar['learnt']:.1%} before</div>"
        for bar in beside
    )
    return f'<div class="ends{"" if few else " two"}">{spans}</div>{more}'


def _sizes(column: Facts) -> str:
    shift = column["shift"]
    moved = ("-", "no mean") if shift is None else (f"{shift:+.2f}", "standard deviations")
    told = [
        ("mean", moved[0], moved[1]),
        ("distance", f"{column['distance']:.3f}", f"p {column['p']:.1g}"),
        ("PSI", f"{column['psi']:.2f}", f"usually below {column['psi_usual']:.2f}"),
    ]
    cells = "".join(
        f"<div><span>{name}</span>{value}<span>{more}</span></div>" for name, value, more in told
    )
    return f'<div class="sizes">{cells}</div>'


def _table(facts: Facts) -> str:
    rows = "".join(_row(column) for column in facts["columns"])
    return (
        '<h2>Every column</h2>\n<div class="scroll" role="region" aria-label="Every column" '
        'tabindex="0"><table><thead><tr><th>column</th>'
        "<th>verdict</th><th>p</th><th>distance</th><th>mean</th><th>PSI</th><th>usual below</th>"
        f"<th>window</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(column: Facts) -> str:
    cells = ["-"] * 6
    if column["p"] is not None:
        cells = [
            f"{column['p']:.1g}",
            f"{column['distance']:.3f}",
            "-" if column["shift"] is None else f"{column['shift']:+.2f}",
            f"{column['psi']:.3f}",
            f"{column['psi_usual']:.3f}",
            _number(column["rows"]),
        ]
    moved = '<td class="moved">moved</td>' if column["moved"] else "<td></td>"
    rest = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><td>{escaped(column['name'])}</td>{moved}{rest}</tr>"


def _foot(facts: Facts) -> str:
    return (
        f"<footer><p>{escaped(promise(facts))}. An alarm says that a column has changed, not that "
        "the model is wrong. PSI and the mean (in standard deviations of the rows learnt from) say "
        "by how much and never raise an alarm; the usual PSI is what 99 of 100 unchanged windows "
        "stay below. Inputs are held against training rows, predictions and confidence against "
        "evaluation rows.</p></footer>"
    )


def _day(moment: str) -> str:
    """An ISO time as people write it."""
    return str(moment).replace("T", " ").replace("+00:00", " UTC")
