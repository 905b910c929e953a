"""Everything that a model card says in numbers, made of the evaluation rows: `card.json`.

The same bytes for the same rows. Timings are no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.package import CardChoice, GuardChoice
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.confidence import Confidence
from fairlead.guards.contract import Contract
from fairlead.guards.files import CONFIDENCE, CONTRACT, NOVELTY, SEEN
from fairlead.guards.novelty import Novelty
from fairlead.guards.seen import Seen, seen_of
from fairlead.packing import onnx_file
from fairlead.packing.evaluate import Answers
from fairlead.packing.evidence import digest
from fairlead.packing.groups import groups_of
from fairlead.packing.judged import Classified, Judged, judged
from fairlead.packing.metrics import baseline_of, confusion_of, headline_of, metrics_of
from fairlead.packing.reliability import reliability_of, risk_coverage_of, sets_of, spans_of
from fairlead.packing.robustness import Guards, robustness_of
from fairlead.packing.rows import Table, inputs_of
from fairlead.packing.slices import PRIVATE_LEAST, slices_of
from fairlead.packing.uncertainty import plain, wilson

FILE = "card.json"
FORMAT = 1
_MOST_STRANGE = 5000
_MOST_SPOILT, _MOST_SPOILT_APART = 1000, 300
"""Rows that are spoilt: of a graph here, and of a model in a process of its own."""

_BARS = 20

Files = Mapping[str, bytes | Path]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: a model, its signature, the files that it has learnt, and the owner's wishes.

    isolated: it runs in a process of its own. private: nothing may be told of single rows.
    in_sample: the novelty guard has learnt from the evaluation rows, for want of others.
    """

    name: str
    model: LoadedModel
    signature: Signature
    files: Files
    choice: GuardChoice
    card: CardChoice
    isolated: bool = False
    private: bool = False
    in_sample: bool = False


def identity_of(graph: bytes | None) -> dict[str, Any]:
    """What an ONNX graph is: {"parameters", "weight_bytes", "opset", "operators", "producer"};
    {} of anything else.
    """
    if graph is None:
        return {}
    facts = onnx_file.read(graph)
    return {
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "opset": facts.opsets,
        "operators": dict(sorted(facts.operators.items())),
        "producer": facts.producer,
    }


def unmeasured(graph: bytes | None) -> dict[str, Any]:
    """The facts of a model that no labelled row has judged."""
    return {"format": FORMAT, "identity": identity_of(graph), "performance": "unknown"}


def statistics_of(
    subject: Subject, rows: Table, target: str, answers: Answers, graph: bytes | None
) -> dict[str, Any]:
    """The facts of a model by its evaluation rows, as `card.json` holds them.

    answers: of the model to `rows`. Raises RowsInvalid, PackageInvalid for groups that the owner
    names and that are not there.
    """
    found = judged(subject.signature, answers)
    told = unmeasured(graph)
    told["evaluation"] = {
        "rows": rows.count,
        "of": rows.of or rows.count,
        "target": target,
        "columns": len(rows.columns) - 1,
        "sha256": digest(rows),
        **({"private": True} if subject.private else {}),
    }
    if found is None:
        return plain(told)
    told["performance"] = "measured"
    told |= _judged(subject, rows.without(target).columns, found)
    if subject.signature.batched:
        inputs = inputs_of(rows.without(target), subject.signature)
        guards = _guards(subject)
        told["novelty"] = _novelty(subject, guards, inputs)
        if subject.signature.columns:
            told["robustness"] = _robustness(subject, guards, inputs, answers.truth)
    return plain(told)


def _judged(subject: Subject, columns: Mapping[str, Array], found: Judged) -> dict[str, Any]:
    classifies = isinstance(found, Classified)
    told: dict[str, Any] = {
        "task": "classification" if classifies else "regression",
        "headline": headline_of(found),
        "metrics": metrics_of(found),
        "baseline": _baseline(found, private=subject.private),
    }
    if isinstance(found, Classified):
        guard = _confidence(subject.files)
        if not (subject.private and _has_strangers(subject.signature, found)):
            told["confusion"] = confusion_of(found)
        told["reliability"] = reliability_of(found, guard)
        told["risk_coverage"] = risk_coverage_of(found, guard)
        told["sets"] = sets_of(found)
    else:
        told["intervals"] = spans_of(found)
    told["slices"] = slices_of(columns, found.per_row, higher=classifies, private=subject.private)
    if subject.card.groups:
        groups = groups_of(
            columns, found, subject.card.groups, subject.card.favourable, subject.name
        )
        told["groups"] = _told_groups(groups) if subject.private else groups
    return told


def _baseline(found: Judged, *, private: bool) -> dict[str, Any]:
    """What a constant answer reaches; privately without the number, which is one of a row."""
    told = baseline_of(found)
    if private and not isinstance(found, Classified):
        del told["answer"]
    return told


def _told_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**one, "groups": [group for group in one["groups"] if group["n"] >= PRIVATE_LEAST]}
        for one in groups
    ]


def _has_strangers(signature: Signature, found: Classified) -> bool:
    """Whether a label of a row is no class that the model itself names."""
    known = {name for spec in signature.outputs for name in spec.classes}
    return not {*found.classes} <= known


def _confidence(files: Files) -> Confidence | None:
    raw = files.get(CONFIDENCE)
    return Confidence.from_bytes(raw) if isinstance(raw, bytes) else None


def _guards(subject: Subject) -> Guards:
    """The guards that look at rows, as they will in the server."""
    seen, contract, novelty = (subject.files.get(name) for name in (SEEN, CONTRACT, NOVELTY))
    rules = Contract.from_toml(contract.decode()) if isinstance(contract, bytes) else None
    looks = Seen.from_bytes(seen) if isinstance(seen, bytes) else seen_of(subject.signature)
    if not isinstance(novelty, bytes):
        return Guards(looks, rules, None, np.inf)
    guard = Novelty.from_bytes(novelty)
    guard.false_alarm_rate = subject.choice.false_alarm_rate
    limit = guard.threshold(assured=subject.choice.assured)
    if not np.isfinite(limit):
        guard.false_alarm_rate = guard.smallest_rate
        limit = guard.threshold()
    return Guards(looks, rules, guard, limit)


def _novelty(subject: Subject, guards: Guards, inputs: Sequence[Array]) -> dict[str, Any] | None:
    """How strange the evaluation rows are to the guard; None where nothing was learnt.

    {"n", "novel": share, "low", "high", "false_alarm_rate", "in_sample", "histogram": rows by
    p-value in twenty equal steps}
    """
    some = _spread(inputs, _MOST_STRANGE)
    scores = guards.scores(some)
    if scores is None or guards.novelty is None:
        return None
    p_values: Any = guards.novelty.p_of(scores)
    novel = int((scores > guards.limit).sum())
    low, high = wilson(novel, len(scores))
    counts = np.histogram(p_values, bins=_BARS, range=(0.0, 1.0))[0]
    return {
        "n": len(scores),
        "novel": novel / len(scores),
        "low": low,
        "high": high,
        "false_alarm_rate": guards.novelty.false_alarm_rate,
        "in_sample": subject.in_sample,
        "histogram": counts.tolist(),
    }


def _robustness(
    subject: Subject, guards: Guards, inputs: Sequence[Array], truth: Array
) -> list[dict[str, Any]]:
    most = _MOST_SPOILT_APART if subject.isolated else _MOST_SPOILT
    some = _spread([*inputs, truth], most)
    return robustness_of(subject.model, subject.signature, some[:-1], some[-1], guards)


def _spread(arrays: Sequence[Array], most: int) -> list[Array]:
    """At most so many rows, evenly spread."""
    count = len(arrays[0])
    if count <= most:
        return list(arrays)
    chosen = np.linspace(0, count - 1, most).astype(int)
    return [array[chosen] for array in arrays]
