"""A model card as Markdown, with the front matter that model hubs read.

Whatever the owner or a column's name holds is text: characters that mean something in Markdown or
HTML are escaped, and values of the front matter are JSON texts, which YAML reads as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.documents.card_text import figure, name_of, number, share, span, where
from fairlead.documents.card_words import ANALYSES, CAVEATS, NOT_STATED, TRAINING, USE

Card = Mapping[str, Any]

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$^=])")
_START = re.compile(r"^(\s*)([-+>]|\d+(?=[.)]))")
_HUB_LICENCES = (
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause",
    "bsl-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0",
    "cc0-1.0", "ecl-2.0", "epl-2.0", "eupl-1.1", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1",
    "lgpl-3.0", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "ofl-1.1", "openrail", "osl-3.0",
    "unlicense", "wtfpl", "zlib",
)  # fmt: skip
"""Licences that hubs know by this name; any other is `other` with its name beside it."""

_HEADINGS = {
    "out_of_scope": "Out-of-scope use",
    "ethics": "Bias, risks and limitations",
    "limitations": "Limitations",
}
"""Where people, and programs that judge cards, look for an answer on a hub."""

_LAST = "out_of_scope"
"""What stands below the facts of its section, under a heading of its own."""

_LONGEST_ROW = 2000

_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
_TASKS = {
    "classification": ("tabular-classification", "Tabular classification"),
    "regression": ("tabular-regression", "Tabular regression"),
}


def markdown(card: Card) -> str:
    """The card as one Markdown file."""
    parts = [_front_matter(card), f"# {plain(card['model'])} version {card['version']}", _top(card)]
    for one in card["sections"]:
        parts.append(f"## {one['title']}")
        parts += [_word(word) for word in one["words"] if word["key"] != _LAST]
        more = _MORE.get(one["title"])
        parts += more(card) if more else []
        if one["facts"]:
            parts.append(_table(("fact", ""), [(f["name"], f["value"]) for f in one["facts"]]))
        parts += [_word(word) for word in one["words"] if word["key"] == _LAST]
        parts += _get_started(card) if one["title"] == USE else []
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: object) -> str:
    """A text of one line that means nothing to Markdown, HTML or a hub."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(text).split()))
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _SPECIAL.sub(r"\\\1", shown)
    # No links by themselves, no mentions, no smileys.
    return shown.replace("://", "&#58;//").replace("@", "&#64;").replace("www.", "www&#46;")


def _entity(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


def paragraphs(text: str) -> str:
    """The same of several lines, each a paragraph that begins neither a list nor a rule."""
    lines = [plain(line) for line in text.splitlines() if line.strip()]
    return "\n\n".join(
        _START.sub(lambda found: f"{found[1]}{_entity(found[2])}", line) for line in lines
    )


# --- front matter -------------------------------------------------------------------------


def _front_matter(card: Card) -> str:
    """What hubs read: licence, library, tags and the measured figures."""
    lines = ["---", *_licence(_said(card, "licence"))]
    library = str(card["trained"].get("framework", ""))
    if library:
        lines.append(f"library_name: {_yaml(library)}")
    measured: Card = card["measured"]
    lines.append(f"tags: {_yaml(['fairlead', measured.get('task') or 'model'])}")
    if card["headline"] is not None:
        lines += _index(card, measured)
    return "\n".join([*lines, "---"])


def _licence(said: str) -> list[str]:
    name = " ".join(said.split())
    if not name:
        return []
    if name.lower() in _HUB_LICENCES:
        return [f"license: {_yaml(name.lower())}"]
    return ["license: other", f"license_name: {_yaml(name[:96])}"]


def _index(card: Card, measured: Card) -> list[str]:
    kind, name = _TASKS[measured["task"]]
    rows = measured["evaluation"]
    lines = [
        "model-index:",
        f"- name: {_yaml(card['model'])}",
        "  results:",
        "  - task:",
        f"      type: {_yaml(kind)}",
        f"      name: {_yaml(name)}",
        "    dataset:",
        f"      name: {_yaml('evaluation rows of the owner')}",
        "      type: private",
        f"      revision: {_yaml(rows['sha256'])}",
        "    metrics:",
    ]
    for one in measured["metrics"]:
        lines += [
            f"    - type: {_yaml(one['name'])}",
            f"      name: {_yaml(name_of(one['name']))}",
            f"      value: {json.dumps(one['value'])}",
            "      verified: false",
        ]
    return lines


def _yaml(value: Any) -> str:
    """A value as JSON in plain ASCII, which is YAML too."""
    return json.dumps(value)


# --- sections -----------------------------------------------------------------------------


def _said(card: Card, key: str) -> str:
    words = (word for one in card["sections"] for word in one["words"])
    return next((str(word["text"]) for word in words if word["key"] == key), "")


def _top(card: Card) -> str:
    one, found = card["headline"], card["completeness"]
    told = "**Performance: UNKNOWN.** No labelled rows have judged this version."
    if one is not None:
        value, rows = figure(one["name"], one["value"]), number(one["n"])
        told = f"**{name_of(one['name'])}: {value}** (95 % interval {span(one['name'], one)}, "
        told += f"{rows} labelled rows that were held out)"
    whole = len(found["stated"]) + len(found["missing"])
    words = f"The owner has answered {len(found['stated'])} of {whole} questions."
    missing = ", ".join(plain(key.replace("_", " ")) for key in found["missing"])
    return f"{told}\n\n{words}" + (f" Not stated: {missing}." if missing else "")


def _word(word: Card) -> str:
    told = f"**{word['question']}**\n\n{paragraphs(word['text']) or f'*{NOT_STATED}*'}"
    heading = _HEADINGS.get(word["key"])
    return f"### {heading}\n\n{told}" if heading else told


def _get_started(card: Card) -> list[str]:
    """How the model is asked, on the example that works."""
    if not card["example"]:
        return []
    row = ascii(card["example"])
    if len(row) > _LONGEST_ROW:
        return []
    lines = (
        "```python",
        "import fairlead",
        "",
        'with fairlead.Client("http://127.0.0.1:8080") as client:',
        f"    print(client.predict({card['model']!r}, [{row}]).rows)",
        "```",
    )
    return ["### How to get started", "\n".join(lines)]


def _analyses(card: Card) -> list[str]:
    measured: Card = card["measured"]
    metric = measured.get("headline", "")
    parts: list[str] = []
    slices: Card | None = measured.get("slices")
    if slices and slices["slices"]:
        entries = [*slices["slices"], *slices["pairs"]]
        rows = [_slice(one, metric) for one in entries]
        head = ("slice", "rows", name_of(metric), "95 % interval")
        parts += ["### By kinds of rows", _table(head, rows)]
    for one in measured.get("groups", ()):
        rows = [_group(group, metric) for group in one["groups"]]
        head = (
            "group",
            "rows",
            name_of(metric),
            "selection rate",
            "true positive",
            "false positive",
        )
        parts += [f"### Groups by {plain(one['column'])}", _table(head, rows)]
    reliability: Card = measured.get("reliability") or {}
    for kind, curve in reliability.items():
        parts.append(f"Expected calibration error, {kind}: {share(curve['ece'])}")
    promises: Sequence[Card] = measured.get("sets") or measured.get("intervals") or ()
    if promises:
        rows = [
            (share(one["promised"]), share(one["reached"]), _interval("accuracy", one))
            for one in promises
        ]
        parts += ["### Sets and intervals", _table(("promised", "held", "95 % interval"), rows)]
    spoilt: Sequence[Card] = measured.get("robustness") or ()
    if spoilt:
        rows = [
            (one["disturbance"], figure(metric, one["value"]), share(one["refused"]))
            for one in spoilt
        ]
        head = ("what is wrong", name_of(metric), "stopped by the guards")
        parts += ["### Careless clients", _table(head, rows)]
    return parts


def _slice(one: Card, metric: str) -> tuple[str, ...]:
    value = figure(metric, one["value"])
    return where(one["of"]), number(one["n"]), value, _interval(metric, one)


def _interval(metric: str, one: Card) -> str:
    return "too few rows" if one.get("few") else span(metric, one)


def _group(group: Card, metric: str) -> tuple[str, ...]:
    rates: list[Card] = [group.get(rate) or {"value": None} for rate in _RATES]
    told = [share(rate["value"]) for rate in rates]
    return (group["group"], number(group["n"]), figure(metric, group["headline"]["value"]), *told)


def _training(card: Card) -> list[str]:
    rows = [
        (c["name"], c["kind"], number(c.get("minimum")), number(c.get("maximum")), c["unit"])
        for c in card["columns"]
        if not c["private"]
    ]
    return [_table(("column", "kind", "from", "to", "unit"), rows)] if rows else []


def _caveats(card: Card) -> list[str]:
    lines = "\n".join(f"- {plain(line)}" for line in card["limitations"])
    return [f"**What measurement says**\n\n{lines}"] if lines else []


_MORE = {ANALYSES: _analyses, TRAINING: _training, CAVEATS: _caveats}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head)]
    told = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*told, *(f"| {' | '.join(plain(c) for c in row)} |" for row in rows)])
