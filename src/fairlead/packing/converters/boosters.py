"""What the converters of gradient boosters share: inputs, the graph around the trees, the facts.

A booster counts its categories; people send their names. So text and numbers are looked up
first, and one that the booster has never seen is a missing value to it, as it is in training.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from . import graphs, samples
from .scored import SEVERAL, VALUE, Columns, Scored, graph

Entry = dict[str, Any]
"""A signature entry."""


@dataclass
class Trained:
    """A booster, as far as all of them are alike.

    runtime, native: the runtime that loads its native form, and that file.
    plain:  how answers are made, without the trees; scored: with them (raises
            NotImplementedError when a graph cannot).
    ask:    the framework's own scores for a matrix.
    save:   writes the native model into a folder; what else its runtime must know.
    seen:   thresholds by position of the column, around which rows are sampled.
    wide:   the framework compares in float64, so a float64 graph can be closer to it.
    """

    framework: str
    kind: str
    versions: dict[str, str]
    runtime: str
    native: str
    columns: Columns
    plain: Scored
    scored: Callable[[], Scored]
    ask: Callable[[Any], Any]
    save: Callable[[Path], dict[str, Any]]
    seen: Mapping[int, list[float]]
    wide: bool


def named(given: list[str] | None, count: int, job: Mapping[str, Any]) -> list[str]:
    """The names of the columns: the booster's own, the owner's, the rows', or x0, x1, ..."""
    asked = [str(n) for n in job.get("input_names") or ()]
    if given:
        return given
    listed = [str(n) for n in job.get("columns") or ()]
    for names in (asked, listed):
        if len(names) == count and names != [str(i) for i in range(count)] and count > 1:
            return names
    if listed and len(listed) != count:
        raise ValueError(f"the rows have {len(listed)} columns, the model takes {count} features")
    return [f"x{i}" for i in range(count)]


def prepare(
    columns: Columns, job: Mapping[str, Any], seen: Mapping[int, list[float]]
) -> tuple[list[Entry], samples.Rows]:
    """The signature's inputs, and rows for them: those of the job, else sampled.

    seen: thresholds by position of the column, around which rows are sampled.
    """
    reference = samples.chosen(samples.given(dict(job)), columns.names)
    for name in (columns.names[place] for place in columns.counted):
        if name in reference and reference[name].dtype.kind == "O":
            raise ValueError(
                f"the booster has not kept the names of the categories of {name!r} (XGBoost does "
                f"so from 3.1 on): give them as it counts them"
            )
    kinds = {name: _kind(columns, name, reference.get(name)) for name in columns.names}
    if reference:
        rows = {n: samples.as_kind(n, v, kinds[n]) for n, v in reference.items()}
    else:
        rows = _sampled(columns, kinds, seen)
    if set(kinds.values()) == {"FP32"} and not columns.categories:
        asked = job.get("input_names") or ()
        one: dict[str, Any] = {
            "name": str(asked[0]) if len(asked) == 1 else "X",
            "datatype": "FP32",
            "shape": [-1, len(columns.names)],
            "columns": columns.names,
            "missing": True,
        }
        return [one], rows
    inputs: list[dict[str, Any]] = []
    for name in columns.names:
        entry: dict[str, Any] = {"name": name, "datatype": kinds[name], "shape": [-1, 1]}
        inputs.append(entry | ({"missing": True} if kinds[name] == "FP32" else {}))
    return inputs, rows


def _kind(columns: Columns, name: str, values: Any) -> str:
    known = columns.categories.get(name)
    if name in columns.own:
        return "INT64" if values is not None and values.dtype.kind in "iu" else "BYTES"
    if known and any(isinstance(v, str) for v in known):
        return "BYTES"
    if values is not None and values.dtype.kind == "b":
        return "BOOL"
    return "FP32"


def _sampled(
    columns: Columns, kinds: Mapping[str, str], seen: Mapping[int, list[float]]
) -> dict[str, Any]:
    random = np.random.default_rng(0)
    rows: dict[str, Any] = {}
    for number, name in enumerate(columns.names):
        thresholds = [t for t in seen.get(number, ()) if np.isfinite(t)]
        known = columns.categories.get(name)
        if known:
            values: Any = np.empty(len(known), dtype=object)
            values[:] = known
            drawn: Any = random.choice(values, samples.SAMPLED)
            rows[name] = drawn if kinds[name] == "BYTES" else drawn.astype(np.float64)
        elif kinds[name] == "BYTES":
            rows[name] = random.choice(np.array(["a", "b", "c"], dtype=object), samples.SAMPLED)
        elif number in columns.counted:
            rows[name] = random.integers(0, max([1, *map(int, thresholds)]) + 1, samples.SAMPLED)
        else:
            middle, width = (np.mean(thresholds), np.std(thresholds)) if thresholds else (0, 1)
            drawn = random.normal(middle, 2 * width + 1e-6, samples.SAMPLED)
            rows[name] = drawn.astype(np.float32).astype(np.float64)
    return rows


def matrix(rows: Mapping[str, Any], columns: Columns) -> Any:
    """The rows as the booster sees them: float64, or objects where it counts categories itself."""
    parts: list[Any] = []
    for name in columns.names:
        values = rows[name]
        known = columns.categories.get(name)
        if name in columns.own:
            parts.append(values.astype(object))
            continue
        if known is None:
            parts.append(values.astype(np.float64))
            continue
        places = {value: float(place) for place, value in enumerate(known)}
        parts.append(np.array([places.get(v, np.nan) for v in values.tolist()], dtype=np.float64))
    if columns.own:
        return np.column_stack([part.astype(object) for part in parts])
    return np.column_stack(parts)


def outputs(scored: Scored, taken: list[str]) -> list[dict[str, Any]]:
    """The signature's outputs, without datatypes of numbers and shapes."""

    def free(name: str) -> str:
        while name in taken:
            name = f"predicted_{name}"
        return name

    if scored.answers == VALUE:
        return [{"name": free("prediction"), "role": "value"}]
    if scored.answers == SEVERAL:
        return [{"name": free("labels")}, {"name": free("probabilities")}]
    classes = [str(c) for c in np.asarray(scored.classes).tolist()]
    return [
        {"name": free("label"), "role": "label", "classes": classes},
        {"name": free("probabilities"), "role": "scores", "classes": classes},
    ]


def answered(scored: Scored, scores: Any, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers by output name, of the scores that the framework itself gives."""
    if scored.answers == VALUE:
        return {entries[0]["name"]: scores}
    if scored.answers == SEVERAL:
        return {entries[0]["name"]: (scores > 0.5).astype(np.int64), entries[1]["name"]: scores}
    if scores.ndim == 1:
        scores = np.column_stack([1 - scores, scores])
    labels: Any = np.asarray(scored.classes)[np.argmax(scores, axis=1)]
    text = labels.astype(str) if labels.dtype.kind == "O" else labels
    return {entries[0]["name"]: text, entries[1]["name"]: scores}


def pack(trained: Trained, job: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph, or the native model where that is not exact, and gives the facts."""
    columns, plain = trained.columns, trained.plain
    inputs, rows = prepare(columns, job, trained.seen)
    entries = outputs(plain, columns.names)
    original = answered(plain, trained.ask(matrix(rows, columns)), entries)
    samples.save(out / "original.npz", original)
    samples.save(out / "rows.npz", samples.for_file(rows))
    facts: dict[str, Any] = {
        "framework": trained.framework,
        "class": trained.kind,
        "versions": trained.versions,
        "sampled": not job.get("rows"),
        "reason": str(job.get("native") or ""),
        "about": {},
    }
    double = trained.wide and bool(job.get("double"))
    if not facts["reason"]:
        try:
            raw, found = graph(inputs, columns, trained.scored(), entries, double=double)
            (out / graphs.GRAPH).write_bytes(raw)
            signature = {"format": 1, "inputs": _wide(inputs) if double else inputs}
            facts |= {"runtime": "onnx", "graph": graphs.GRAPH}
            return facts | {"signature": signature | {"outputs": found}}
        except (NotImplementedError, ImportError) as error:
            facts["reason"] = f"it cannot be converted to ONNX: {error}"
    return facts | _native(trained, inputs, entries, original, out)


def _native(
    trained: Trained,
    inputs: list[Entry],
    entries: list[Entry],
    original: Mapping[str, Any],
    out: Path,
) -> dict[str, Any]:
    """Saves the native model; the facts that are about it."""
    found: list[Entry] = []
    for entry in entries:
        array = original[entry["name"]]
        kind = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}.get(array.dtype.kind, "BYTES")
        found.append({**entry, "datatype": kind, "shape": [-1, *array.shape[1:]]})
    plain = trained.plain
    about = {
        "names": trained.columns.names,
        "categories": trained.columns.categories,
        "own": trained.columns.own,
        "answers": plain.answers,
        "classes": None if plain.classes is None else np.asarray(plain.classes).tolist(),
        **trained.save(out),
    }
    signature = {"format": 1, "inputs": _wide(inputs), "outputs": found}
    told = {"runtime": trained.runtime, "graph": trained.native}
    return {**told, "about": about, "signature": signature}


def _wide(inputs: list[Entry]) -> list[Entry]:
    """The inputs with float64 numbers."""
    return [e | {"datatype": "FP64"} if e["datatype"] == "FP32" else e for e in inputs]


def versions(*names: str) -> dict[str, str]:
    """The exact versions of the libraries that are here."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
