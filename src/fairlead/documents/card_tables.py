"""The tables of a model card as HTML: slices, groups, confusions, promises, columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from fairlead.documents import card_charts as charts
from fairlead.documents.card_text import figure, name_of, number, share, span, where
from fairlead.documents.charts import escaped

Facts = Mapping[str, Any]

_COLUMNS_OPEN = 4
_MOST_COLUMNS = 60
_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def slices(measured: Facts) -> str:
    """The headline by kinds of rows, the mean of all rows as a dashed line."""
    found: Facts = measured.get("slices") or {}
    entries: Sequence[Facts] = found.get("slices", ())
    if not entries:
        return ""
    metric = measured["headline"]
    pairs: Sequence[Facts] = found["pairs"]
    judged = [one for one in (*entries, *pairs) if not one["few"]]
    ends = charts.scale_of(judged or entries, share_of_one=metric == "accuracy")
    by_column = [list(inside) for _, inside in groupby(entries, lambda one: one["of"][0][0])]
    by_column.sort(key=lambda inside: -_apart(inside, found["overall"]))
    head = (
        f"<tr><th>slice</th><th>rows</th><th>{escaped(name_of(metric).lower())}</th>"
        '<th class="mc-cell">95 % interval; dashed: all rows</th></tr>'
    )

    def table(columns: Sequence[Sequence[Facts]], crossed: Sequence[Facts]) -> str:
        rows = [
            _column_of(inside[0]["of"][0][0], inside, metric, ends, found) for inside in columns
        ]
        rows += [_column_of("two at once", crossed, metric, ends, found)] if crossed else []
        return (
            f'{_scrolled("Slices")}<table class="mc-slices"><thead>{head}</thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )

    first, others = by_column[:_COLUMNS_OPEN], by_column[_COLUMNS_OPEN:_MOST_COLUMNS]
    folded = ""
    if others:
        folded = (
            f'<details class="mc-more"><summary>{len(others)} more columns, which differ less'
            f"</summary>{table(others, ())}</details>"
        )
    return (
        f'<h3 class="mc-sub">{escaped(name_of(metric))} by kinds of rows</h3>'
        f'<p class="soft small">{escaped(_worst(found["worst"], metric, found))}</p>'
        f"{table(first, pairs)}{folded}"
    )


def _apart(inside: Sequence[Facts], overall: float) -> float:
    """How far the slices of a column lie from all rows, those of few rows aside."""
    return max((abs(one["value"] - overall) for one in inside if not one["few"]), default=0.0)


def _column_of(
    name: str, inside: Sequence[Facts], metric: str, ends: tuple[float, float], found: Facts
) -> str:
    rows = [f'<tr class="mc-column-name"><td colspan="4">{escaped(name)}</td></tr>']
    for one in inside:
        words = one["of"][0][1] if len(one["of"]) == 1 else where(one["of"])
        rows.append(_slice(one, words, metric, ends, found["overall"], found["worst"]))
    return "".join(rows)


def _worst(worst: Facts | None, metric: str, found: Facts) -> str:
    if worst is None:
        return "No slice has rows enough to be compared."
    if not worst["worse"]:
        return (
            f"None of {found['compared']} slices that were compared is shown to be worse than "
            "all rows together."
        )
    return (
        f"Worst: {where(worst['of'])}, {figure(metric, worst['value'])} "
        f"({span(metric, worst)}, as the worst of {found['compared']})."
    )


def _slice(
    one: Facts,
    name: str,
    metric: str,
    ends: tuple[float, float],
    overall: float,
    worst: Facts | None,
) -> str:
    kind = "mc-few" if one["few"] else ""
    if worst and worst["worse"] and worst["of"] == one["of"]:
        kind = "mc-worst"
    few = ' <span class="tag">too few rows</span>' if one["few"] else ""
    bar = charts.interval(metric, one, *ends, overall)
    return (
        f'<tr class="{kind}"><td>{escaped(name)}{few}</td><td>{number(one["n"])}</td>'
        f'<td>{escaped(figure(metric, one["value"]))}</td><td class="mc-cell">{bar}</td></tr>'
    )


def groups(measured: Facts) -> str:
    """What becomes of groups of people, by column."""
    parts: list[str] = []
    for one in measured.get("groups", ()):
        rates = [rate for rate in _RATES if any(group.get(rate) for group in one["groups"])]
        heads = "".join(f"<th>{escaped(name_of(rate).lower())}</th>" for rate in rates)
        rows = "".join(_group(group, rates, measured["headline"]) for group in one["groups"])
        wanted = f" Wanted: {one['favourable']}." if one["favourable"] else ""
        parts.append(
            f'<h3 class="mc-sub">Groups by {escaped(one["column"])}</h3>'
            f'<p class="soft small">{escaped(_ratio(one) + wanted)}</p>'
            f"{_scrolled('Groups of people')}<table>"
            f"<thead><tr><th>group</th><th>rows</th><th>{escaped(name_of(measured['headline']).lower())}"
            f"</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    return "".join(parts)


def _ratio(one: Facts) -> str:
    ratio: Facts | None = one["four_fifths"]
    if not ratio:
        return "Selection rates are not compared."
    kept = "the four fifths are kept." if ratio["kept"] else "the four fifths are NOT kept."
    low, high = number(ratio["low"]), number(ratio["high"])
    least = f"The least selection rate is {number(ratio['value'])} ({low} to {high})"
    return f"{least} of the greatest: {kept}"


def _group(group: Facts, rates: Sequence[str], metric: str) -> str:
    few = ' <span class="tag">too few rows</span>' if group["few"] else ""
    cells = "".join(f"<td>{_rate(group.get(rate))}</td>" for rate in rates)
    headline = figure(metric, group["headline"]["value"])
    return (
        f"<tr><td>{escaped(group['group'])}{few}</td><td>{number(group['n'])}</td>"
        f"<td>{escaped(headline)}</td>{cells}</tr>"
    )


def _rate(rate: Facts | None) -> str:
    if not rate:
        return "-"
    interval = f"{share(rate['low'])} to {share(rate['high'])}"
    return f'{escaped(share(rate["value"]))}<br><span class="soft small">{escaped(interval)}</span>'


def confusion(measured: Facts, labels: Mapping[str, Any]) -> str:
    """True classes by answers."""
    found: Facts | None = measured.get("confusion")
    if not found:
        return ""
    head = '<h3 class="mc-sub">Confusions</h3>'
    if "table" not in found:
        rows = "".join(
            f"<tr><td>{escaped(one['true'])}</td><td>{escaped(one['given'])}</td>"
            f"<td>{number(one['n'])}</td></tr>"
            for one in found["most"]
        )
        return (
            f'{head}<p class="soft small">The most frequent of {found["classes"]} classes.</p>'
            f'{_scrolled("Confusions")}<table class="mc-confusion"><thead><tr><th>true</th>'
            f"<th>answer</th><th>rows</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    names = [escaped(labels.get(name, name)) for name in found["classes"]]
    heads = "".join(f"<th>{name}</th>" for name in names)
    pairs = enumerate(zip(names, found["table"], strict=True))
    rows = "".join(f"<tr><td>{name}</td>{_counts(counts, i)}</tr>" for i, (name, counts) in pairs)
    return (
        f'{head}<p class="soft small">Rows are true classes, columns answers.</p>'
        f'{_scrolled("Confusions")}<table class="mc-confusion">'
        f"<thead><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _counts(counts: Sequence[int], right: int) -> str:
    marked = [' class="mc-right"' if place == right else "" for place in range(len(counts))]
    return "".join(f"<td{m}>{number(n)}</td>" for m, n in zip(marked, counts, strict=True))


def promises(measured: Facts) -> str:
    """What prediction sets or intervals promise and hold."""
    sets, intervals = measured.get("sets"), measured.get("intervals")
    found: Sequence[Facts] = sets or intervals or ()
    if not found:
        return ""
    what, size, key = (
        ("Prediction sets", "classes in a set", "mean_size")
        if sets
        else ("Intervals around answers", "mean width", "mean_width")
    )
    rows = "".join(
        f"<tr><td>{share(one['promised'])}</td><td>{share(one['reached'])}</td>"
        f"<td>{share(one['low'])} to {share(one['high'])}</td><td>{number(one[key])}</td></tr>"
        for one in found
    )
    return (
        f'<h3 class="mc-sub">{what}</h3><p class="soft small">On rows that did not teach them.</p>'
        f"{_scrolled('Promises')}<table><thead><tr><th>promised</th><th>held</th><th>95 % interval"
        f"</th><th>{size}</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def robustness(measured: Facts) -> str:
    """What careless clients do to the answers."""
    found: Sequence[Facts] = measured.get("robustness") or ()
    if not found:
        return ""
    metric = measured["headline"]
    name = escaped(name_of(metric).lower())
    rows = "".join(
        f"<tr><td>{escaped(_undisturbed(one['disturbance']))}</td>"
        f"<td>{escaped(figure(metric, one['value']))}</td><td>{share(one['refused'])}</td>"
        f"<td>{escaped(figure(metric, one['answered']['value']))}</td></tr>"
        for one in found
    )
    return (
        '<h3 class="mc-sub">Careless clients</h3><p class="soft small">The same rows, spoilt in '
        "ways that happen.</p>"
        f"{_scrolled('Careless clients')}<table><thead><tr><th>what is wrong</th>"
        f"<th>{name}, guards aside</th>"
        f"<th>stopped by the guards</th><th>{name} of the rest</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _undisturbed(words: str) -> str:
    return "nothing" if words == "none" else words


def columns(card: Facts) -> str:
    """What training rows held, by column."""
    found: Sequence[Facts] = card["columns"]
    if not found:
        return ""
    rows = "".join(_column(one) for one in found[:_MOST_COLUMNS])
    more = len(found) - _MOST_COLUMNS
    left = f'<p class="soft small">{more} more columns stand in the JSON.</p>' if more > 0 else ""
    return (
        '<h3 class="mc-sub">Operating range</h3><p class="soft small">What training rows held: '
        "nothing is known outside.</p>"
        f"{_scrolled('Operating range')}<table><thead><tr><th>column</th><th>kind</th>"
        "<th>from</th><th>to</th>"
        f"<th>missing</th></tr></thead><tbody>{rows}</tbody></table></div>{left}"
    )


def _column(one: Facts) -> str:
    unit = f' <span class="tag">{escaped(one["unit"])}</span>' if one["unit"] else ""
    if one["private"]:
        rest = '<td colspan="3">private values</td>'
    elif one["categories"]:
        listed = ", ".join(one["categories"])
        rest = f'<td colspan="2">{escaped(listed)}</td><td>{share(one["missing"])}</td>'
    else:
        rest = (
            f"<td>{number(one['minimum'])}</td><td>{number(one['maximum'])}</td>"
            f"<td>{share(one['missing'])}</td>"
        )
    return f"<tr><td>{escaped(one['name'])}{unit}</td><td>{escaped(one['kind'])}</td>{rest}</tr>"


def example(card: Facts) -> str:
    """A row that works."""
    row = card["example"]
    if not row:
        return ""
    text = json.dumps(row, ensure_ascii=False)
    return f'<h3 class="mc-sub">A row that works</h3><pre class="mc-code">{_long(text)}</pre>'


def _long(text: str) -> str:
    """A text that is longer than others may be, escaped piece by piece."""
    pieces = [text[i : i + 150] for i in range(0, min(len(text), 3000), 150)]
    return "".join(escaped(piece) for piece in pieces) + ("\u2026" if len(text) > 3000 else "")


def _scrolled(name: str) -> str:
    """The beginning of what is wider than a phone: the keyboard reaches it, and it has a name."""
    return f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">'
