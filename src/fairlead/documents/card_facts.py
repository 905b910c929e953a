"""A version's model card as plain values: what its owner said, what was measured, what is seen.

The one record from which every form of the card is made. Texts are as they were given: whoever
shows them must escape them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from fairlead.core.package import Package
from fairlead.documents import card_text as text
from fairlead.documents.card_limits import limitations
from fairlead.documents.card_needs import TITLE, needs
from fairlead.documents.card_words import (
    ANALYSES,
    CAVEATS,
    DETAILS,
    ETHICS,
    EVALUATION,
    FACTORS,
    KNOWN,
    METRICS,
    SECTIONS,
    TRAINING,
    USE,
    completeness,
    said,
    slips,
)
from fairlead.guards.contract import Contract
from fairlead.guards.files import CONFIDENCE, CONTRACT, INTERVALS, NOVELTY

FORMAT = 1
_MOST_LISTED = 12

Facts = Mapping[str, Any]


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Known:
    """What a card is made of.

    statistics: the package's card.json; measured: its measured.json; example: its examples.json;
    profile: its profile.json; {} where there is none. contract: None where nothing was learnt.
    live: what the server sees of the version, None where no server is asked. ranges: tell what
    numbers training rows held.
    """

    package: Package
    statistics: Facts = field(default_factory=_nothing)
    measured: Facts = field(default_factory=_nothing)
    contract: Contract | None = None
    example: Facts = field(default_factory=_nothing)
    live: Facts | None = None
    ranges: bool = True
    profile: Facts = field(default_factory=_nothing)


NEEDED = ("card.json", "measured.json", CONTRACT, "examples.json", "profile.json")
"""The files of a package that its card is made of, each where it is there."""


def known_of(package: Package, files: Mapping[str, bytes], live: Facts | None = None) -> Known:
    """What a card is made of, from the content of the files NEEDED.

    Raises ValueError for a file that cannot be read.
    """
    told = [json.loads(files.get(name, b"{}")) for name in NEEDED if name != CONTRACT]
    contract = Contract.from_toml(files[CONTRACT].decode()) if CONTRACT in files else None
    return Known(package, told[0], told[1], contract, told[2], live, profile=told[3])


def card_of(known: Known) -> dict[str, Any]:
    """The card: see docs/reference/package.md for its fields. Private columns have names only."""
    package = known.package
    words: dict[str, Any] = package.words.get("words", {})
    hidden = private_columns(known.contract)
    measured = without_columns(known.statistics, hidden) or {"performance": "unknown"}
    columns = _columns(known)
    if not known.ranges:
        numbers = {one["name"] for one in columns if one["kind"] in ("number", "integer")}
        measured = without_ranges(measured, numbers)
    guards = {
        "novelty": NOVELTY in package.files,
        "confidence": CONFIDENCE in package.files,
        "intervals": INTERVALS in package.files,
    }
    metrics = measured.get("metrics") or [None]
    card: dict[str, Any] = {
        "format": FORMAT,
        "model": package.name,
        "version": package.version,
        "packed": known.measured.get("packed", ""),
        "fairlead": known.measured.get("fairlead", ""),
        "performance": measured["performance"],
        "headline": metrics[0],
        "completeness": completeness(words),
        "slips": slips(words),
        "sections": [],
        "limitations": limitations(measured, columns, guards),
        "inputs": [spec.to_json() for spec in package.signature.inputs],
        "outputs": [spec.to_json() for spec in package.signature.outputs],
        "columns": columns,
        "labels": dict(package.words.get("labels", {})),
        "example": _example(known.example, hidden),
        "trained": package.trained,
        "runtime": package.runtime,
        "graph_sha256": _graph_sha256(package),
        "libraries": dict(package.environment.get("versions", {})),
        "measured": measured,
        "comparison": known.measured.get("comparison"),
        "goal": known.measured.get("goal"),
        "profile": known.measured.get("profile"),
        "reproduce": _reproduce(package, measured),
        "live": known.live,
    }
    facts = _facts(card, known)
    card["sections"] = [
        {
            "title": title,
            "words": [
                {"key": w.key, "question": w.question, "text": said(words.get(w.key))}
                for w in KNOWN
                if w.section == title
            ],
            "facts": [{"name": n, "value": v} for n, v in facts.get(title, ()) if v],
        }
        for title in SECTIONS
    ]
    card["sections"] += _needed(known)
    return card


def _needed(known: Known) -> list[dict[str, Any]]:
    """A tenth section of cards whose package holds a profile."""
    found = [{"name": n, "value": v} for n, v in needs(known.profile) if v]
    return [{"title": TITLE, "words": [], "facts": found}] if found else []


def private_columns(contract: Contract | None) -> frozenset[str]:
    """The columns whose values are told to nobody."""
    rules = contract.rules if contract is not None else []
    return frozenset(rule.name for rule in rules if rule.private)


def _example(told: Facts, hidden: frozenset[str]) -> Any:
    """A row that works; None where it would tell a value of a private column."""
    row: Any = next(iter(told.get("rows", ())), None)
    return None if hidden & _names(row) else row


def _names(row: Any) -> frozenset[str]:
    return frozenset(cast("dict[str, Any]", row)) if isinstance(row, dict) else frozenset()


def without_columns(statistics: Facts, hidden: Collection[str]) -> dict[str, Any]:
    """The same statistics without what tells values of these columns."""
    found = dict(statistics)
    if not hidden:
        return found
    slices: Facts | None = found.get("slices")
    if slices is not None:
        worst = slices.get("worst")
        found["slices"] = {
            **slices,
            "slices": [one for one in slices["slices"] if _open(one, hidden)],
            "pairs": [one for one in slices["pairs"] if _open(one, hidden)],
            "worst": worst if worst and _open(worst, hidden) else None,
        }
    if "groups" in found:
        found["groups"] = [one for one in found["groups"] if one["column"] not in hidden]
    return found


def without_ranges(statistics: Facts, numbers: Collection[str]) -> dict[str, Any]:
    """The same statistics with parts of these columns by their order, not by their ends."""
    found = dict(statistics)
    slices: Facts | None = found.get("slices")
    if slices is None:
        return found
    parts: dict[tuple[str, str], str] = {}
    counted: dict[str, int] = {}
    for one in slices["slices"]:
        column, value = one["of"][0]
        if column in numbers and value != "missing":
            counted[column] = counted.get(column, 0) + 1
            parts[column, value] = f"part {counted[column]}"

    def named(one: Facts) -> dict[str, Any]:
        told = [[column, parts.get((column, value), value)] for column, value in one["of"]]
        return {**one, "of": told}

    found["slices"] = {
        **slices,
        "slices": [named(one) for one in slices["slices"]],
        "pairs": [named(one) for one in slices["pairs"]],
        "worst": named(slices["worst"]) if slices["worst"] else None,
    }
    return found


def _open(entry: Facts, hidden: Collection[str]) -> bool:
    return not any(column in hidden for column, _ in entry["of"])


def _columns(known: Known) -> list[dict[str, Any]]:
    """What rows are like, by column; of a private one its name and kind alone."""
    units: Facts = known.package.words.get("units", {})
    found: list[dict[str, Any]] = []
    for rule in known.contract.rules if known.contract is not None else ():
        one: dict[str, Any] = {
            "name": rule.name,
            "kind": rule.kind,
            "unit": rule.unit or str(units.get(rule.name, "")),
            "required": rule.required,
            "private": rule.private,
        }
        if not rule.private:
            seen = rule.seen
            one |= {key: seen.get(key) for key in ("missing", "distinct")}
            ends = seen if known.ranges else {}
            one |= {key: ends.get(key) for key in ("minimum", "maximum")}
            one["categories"] = list(rule.choices)[:_MOST_LISTED]
        found.append(one)
    return found


def _graph_sha256(package: Package) -> str:
    fact = package.files.get(package.graph)
    return fact.sha256 if fact is not None else ""


def _reproduce(package: Package, measured: Facts) -> str:
    """The command that makes every figure again."""
    command = f"fairlead card {package.name}@{package.version} --repository DIR --verify"
    if measured["performance"] != "measured" or "evidence/evaluation.npz" in package.files:
        return command
    return f"{command} --evaluation ROWS --target {measured['evaluation']['target']}"


# --- what stands in each section ----------------------------------------------------------


def _facts(card: Facts, known: Known) -> dict[str, list[tuple[str, str]]]:
    measured: Facts = card["measured"]
    return {
        DETAILS: _details(card, known),
        USE: _use(card),
        FACTORS: _factors(measured),
        METRICS: _metrics(card),
        EVALUATION: _evaluation(measured),
        TRAINING: _training(known),
        ANALYSES: [("Recompute every figure", card["reproduce"])],
        ETHICS: _ethics(measured),
        CAVEATS: [],
    }


def _details(card: Facts, known: Known) -> list[tuple[str, str]]:
    trained: Facts = card["trained"]
    identity: Facts = card["measured"].get("identity") or {}
    opset = ", ".join(f"{name or 'ai.onnx'} {v}" for name, v in identity.get("opset", {}).items())
    operators: dict[str, int] = identity.get("operators", {})
    listed = ", ".join(f"{count} {name.lstrip(':')}" for name, count in operators.items())
    kind = " ".join(str(trained[k]) for k in ("framework", "class") if trained.get(k))
    return [
        ("Version", f"{card['version']}"),
        ("Packed", text.day(card["packed"])),
        ("Trained file", _joined(trained.get("file"), trained.get("format"))),
        ("Kind of model", kind),
        ("SHA-256 of the trained file", str(trained.get("sha256", ""))),
        ("SHA-256 of what is served", str(card["graph_sha256"])),
        ("Runtime", _runtime(known.package)),
        ("Parameters", text.number(identity["parameters"]) if identity.get("parameters") else ""),
        ("Weights", text.size(identity["weight_bytes"]) if identity.get("weight_bytes") else ""),
        ("Operator sets", opset),
        ("Operators", listed),
        ("Producer of the graph", str(identity.get("producer", ""))),
        ("Same answers as the trained file", _comparison(card["comparison"])),
    ]


def _runtime(package: Package) -> str:
    apart = "in a process of its own" if package.isolated else "in the server's process"
    return f"{package.runtime}, {apart}" + (f": {package.reason}" if package.reason else "")


def _comparison(found: Facts | None) -> str:
    if not found or not found.get("rows"):
        return ""
    rows = f"{text.number(found['rows'])} {'made-up' if found.get('sampled') else 'reference'} rows"
    labels = found.get("labels")
    equal = "" if labels is None else f"labels equal in {labels:.2%}, "
    return f"{rows}: {equal}numbers differ by at most {text.number(found.get('largest'))}"


def _use(card: Facts) -> list[tuple[str, str]]:
    return [("Takes", described(card["inputs"])), ("Gives", described(card["outputs"]))]


def described(specs: Sequence[Facts]) -> str:
    """Tensors in words: "x (FP32, n by 4)"."""
    shapes = [" by ".join("n" if d == -1 else str(d) for d in spec["shape"]) for spec in specs]
    pairs = zip(specs, shapes, strict=True)
    return ", ".join(f"{spec['name']} ({spec['datatype']}, {shape})" for spec, shape in pairs)


def _factors(measured: Facts) -> list[tuple[str, str]]:
    slices: Facts = measured.get("slices") or {"slices": ()}
    columns = list(dict.fromkeys(one["of"][0][0] for one in slices["slices"]))
    shown = ", ".join(columns[:_MOST_LISTED])
    more = f" and {len(columns) - _MOST_LISTED} more" if len(columns) > _MOST_LISTED else ""
    groups = ", ".join(one["column"] for one in measured.get("groups", ()))
    return [("Compared by", shown + more), ("Groups of people compared by", groups)]


def _metrics(card: Facts) -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    for one in card["measured"].get("metrics", ()):
        name, rows = one["name"], text.number(one["n"])
        value = f"{text.figure(name, one['value'])} (95 % interval {text.span(name, one)})"
        made.append((text.name_of(name), f"{value}, {rows} rows; {one['better']} is better"))
    if not made:
        made.append(("Performance", "UNKNOWN: no labelled rows have judged this version"))
    baseline: Facts | None = card["measured"].get("baseline")
    if baseline:
        reached = text.figure(baseline["name"], baseline["value"])
        answer = f", always {text.number(baseline['answer'])}" if _is_number(baseline) else ""
        answer = answer or (f", always {baseline['answer']}" if "answer" in baseline else "")
        made.append(("A constant answer reaches", reached + answer))
    goal: Facts | None = card["goal"]
    if goal:
        made.append(("Goal", f"at most {text.share(goal['error_goal'])} wrong among those given"))
        kept = text.share(goal["coverage"]) if goal["threshold"] is not None else "not kept"
        made.append(("Answered under the goal", kept))
    return made


def _is_number(baseline: Facts) -> bool:
    return isinstance(baseline.get("answer"), int | float)


def _evaluation(measured: Facts) -> list[tuple[str, str]]:
    told: Facts | None = measured.get("evaluation")
    if not told:
        return [("Evaluation rows", "none were given")]
    drawn = f" of {text.number(told['of'])}" if told["of"] != told["rows"] else ""
    novelty: Facts | None = measured.get("novelty")
    unlike = ""
    if novelty:
        unlike = f"{text.share(novelty['novel'])} ({text.span('accuracy', novelty)})"
        unlike += "; the guard has learnt from these very rows" if novelty["in_sample"] else ""
    return [
        ("Evaluation rows", f"{text.number(told['rows'])}{drawn}"),
        ("Label", str(told["target"])),
        ("SHA-256 of the rows", str(told["sha256"])),
        ("Called unlike the training rows", unlike),
    ]


def _training(known: Known) -> list[tuple[str, str]]:
    contract = known.contract
    if contract is None:
        return [("Reference rows", "none were given: what training rows were like is unknown")]
    return [("Reference rows", text.number(contract.rows))]


def _ethics(measured: Facts) -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    for one in measured.get("groups", ()):
        ratio = one["four_fifths"]
        if ratio:
            kept = "kept" if ratio["kept"] else "NOT kept"
            low, high = text.number(ratio["low"]), text.number(ratio["high"])
            value = f"{text.number(ratio['value'])} ({low} to {high}): {kept}"
            made.append((f"Four fifths by {one['column']}", value))
        for rate, gap in one["gaps"].items():
            words = f"{text.share(gap['value'])} ({text.span('accuracy', gap)})"
            words += f": {gap['lowest']} to {gap['highest']}"
            made.append((f"{text.name_of(rate)}, largest gap by {one['column']}", words))
    return made


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
