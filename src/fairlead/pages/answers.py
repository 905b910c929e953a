"""An answer to people: what the model said of a row, how sure it is, and what guards made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fairlead.core.signature import BESIDE, TensorSpec, row_keys
from fairlead.documents.charts import escaped

MOST_ROWS, MOST_HEADS = 100, 60
"""Rows of a file that are shown, and values of each; all of them are in what can be kept."""

_MOST_BARS = 12
_LONGEST = 2000
_HEADLINES = {
    "serve": "",
    "warn": "Answered, with a warning",
    "abstain": "The model does not answer",
    "reject": "Refused by the guards",
}


def told(row: Mapping[str, Any], outputs: Sequence[TensorSpec], unit: str = "") -> dict[str, Any]:
    """One answered row as a page shows it.

    outputs: of the signature. unit: of a value that is predicted.
    """
    by_role = {spec.role: key for spec, key in zip(outputs, row_keys(outputs), strict=True)}
    label = row.get(by_role.get("label", ""))
    scores: Any = row.get(by_role.get("scores", ""))
    value = row.get(by_role.get("value", ""))
    beside = {by_role.get(role) for role in ("label", "scores", "value")} | {*BESIDE}
    decision = str(row.get("decision", "serve"))
    return {
        "decision": decision,
        "headline": _HEADLINES.get(decision, decision),
        "label": _best(cast("dict[str, Any]", scores))
        if label is None and isinstance(scores, dict)
        else label,
        "value": _number(value) if isinstance(value, int | float) else value,
        "unit": unit,
        "interval": [_number(end) for end in row.get("interval") or ()],
        "confidence": row.get("confidence"),
        "set": row.get("set"),
        "novelty": row.get("p_novel"),
        "reasons": [str(reason) for reason in row.get("reasons", ())],
        "bars": _bars(scores),
        "more": _more({k: v for k, v in row.items() if k not in beside}),
    }


def _best(scores: Mapping[str, float | None]) -> str | None:
    known = {name: score for name, score in scores.items() if score is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _bars(scores: Any) -> list[dict[str, Any]]:
    """The classes with the highest scores, each with its share as a bar."""
    if not isinstance(scores, dict):
        return []
    known: list[tuple[str, float]] = [
        (str(name), float(score))  # pyright: ignore[reportUnknownArgumentType]
        for name, score in scores.items()  # pyright: ignore[reportUnknownVariableType]
        if isinstance(score, int | float)
    ]
    known.sort(key=lambda pair: -pair[1])
    return [
        {"name": name, "share": f"{score:.1%}", "svg": _bar(score, name, first=not place)}
        for place, (name, score) in enumerate(known[:_MOST_BARS])
    ]


def _bar(share: float, name: str, *, first: bool) -> str:
    width = max(0.0, min(1.0, share)) * 100
    kind = "now" if first else "learnt"
    return (
        f'<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(name)}: {share:.1%}">'
        '<rect class="rail" width="100" height="6" rx="1"/>'
        f'<rect class="{kind}" width="{width:.2f}" height="6" rx="1"/></svg>'
    )


def _more(rest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Further outputs, as JSON that is cut where it is long."""
    made: list[tuple[str, str]] = []
    for name, value in rest.items():
        text = value if isinstance(value, str) else json.dumps(value)
        made.append((name, text if len(text) <= _LONGEST else text[:_LONGEST] + " \u2026"))
    return made


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Many answered rows: a head, and the cells of those that are shown."""
    heads: dict[str, None] = {}
    flat: list[dict[str, str]] = []
    for row in rows[:MOST_ROWS]:
        cells: dict[str, str] = {}
        for name, value in row.items():
            if name == "scores" and isinstance(value, dict):
                for one, score in value.items():  # pyright: ignore[reportUnknownVariableType]
                    cells[f"{one}"] = _cell(score)
            elif value or name not in ("reasons", "scores"):
                cells[name] = _cell(value)
        flat.append(cells)
        heads |= dict.fromkeys(cells)
    shown = [*heads][:MOST_HEADS]
    return shown, [[cells.get(name, "") for name in shown] for cells in flat]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "; ".join(str(one) for one in cast("list[Any]", value))[:200]
    return str(value)[:200]
