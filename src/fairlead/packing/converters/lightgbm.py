"""LightGBM boosters and their scikit-learn estimators to ONNX; natively where that is not exact.

The trees are read off LightGBM's own text format. Standalone: it runs in the airlock, perhaps
under another interpreter, with the standard library, numpy, lightgbm and onnx only.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from . import boosters, trees
from .scored import CLASSES, VALUE, Columns, Scored
from .sklearn_trees import bits
from .trees import either

NATIVE = "model.txt"
_PLAIN = (
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "quantile",
    "mape",
    "lambdarank",
    "rank_xendcg",
)
_LINKS = {
    "binary": "sigmoid",
    "multiclassova": "sigmoid",
    "cross_entropy": "sigmoid",
    "multiclass": "softmax",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "cross_entropy_lambda": "softplus",
}
_CATEGORY, _DEFAULT_LEFT = 1, 2
_NONE, _ZERO, _NAN = 0, 1, 2
"""What a node takes for missing: nothing (NaN is 0), zero and NaN, or NaN."""

Part = dict[str, str]
"""The lines of one tree, or of the head: values as text by name."""


def read(path: Path, job: dict[str, Any]) -> Any:
    """The booster in a text file."""
    return _library().Booster(model_file=str(path))


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph (or the native model) and the original's answers into `out`."""
    lightgbm = _library()
    whole = isinstance(model, lightgbm.Booster)
    booster = model if whole else model.booster_
    text: str = booster.model_to_string()
    head, grown = parts(text)
    columns = columns_of(text, head, grown, names_of(model, booster, job))
    plain = answers_of(model, head, whole=whole)

    def save(folder: Path) -> dict[str, Any]:
        (folder / NATIVE).write_text(text, encoding="utf-8")
        return {}

    trained = boosters.Trained(
        framework="LightGBM",
        kind=f"lightgbm.{type(model).__qualname__}",
        versions=boosters.versions("lightgbm", "numpy", "scikit-learn", "pandas"),
        runtime="lightgbm",
        native=NATIVE,
        columns=columns,
        plain=plain,
        scored=lambda: scored_of(head, grown, plain),
        ask=booster.predict,
        save=save,
        seen=_seen(grown),
        wide=True,
    )
    return boosters.pack(trained, job, out)


def parts(text: str) -> tuple[Part, list[Part]]:
    """The head of the text format, and its trees."""
    body = text.partition("\nend of trees")[0]
    first, *rest = body.split("\nTree=")
    return _lines(first), [_lines(part) for part in rest]


def _lines(part: str) -> Part:
    found: Part = {}
    for line in part.splitlines():
        name, _, value = line.partition("=")
        found[name.strip()] = value.strip()
    return found


def names_of(model: Any, booster: Any, job: dict[str, Any]) -> list[str]:
    """The names of the columns, as the owner wrote them where that is known."""
    names: list[str] = booster.feature_name()
    own: list[Any] = np.asarray(getattr(model, "feature_names_in_", ())).tolist()
    if len(own) == len(names):
        names = [str(n) for n in own]
    unnamed = names == [f"Column_{i}" for i in range(len(names))]
    return boosters.named(None if unnamed else names, len(names), job)


def columns_of(text: str, head: Part, grown: list[Part], names: list[str]) -> Columns:
    """The columns with their categories, as LightGBM has kept them."""
    kept: list[list[Any]] | None = json.loads(_after(text, "\npandas_categorical:") or "null")
    listed = _after(text, "\n[categorical_feature: ").rstrip("]")
    places = [int(p) for p in listed.split(",") if p.strip().isdigit()]
    if not places:
        infos = head["feature_infos"].split()
        places = [i for i, info in enumerate(infos) if not info.startswith(("[", "none"))]
    found: dict[str, list[Any]] = {}
    if kept:
        if len(kept) != len(places):
            raise ValueError("which columns its categories belong to is not known")
        found = {names[place]: values for place, values in zip(places, kept, strict=True)}
    counted = [place for place in places if names[place] not in found]
    return Columns(names, found, counted, zero=_zero(grown))


def _after(text: str, mark: str) -> str:
    start = text.find(mark)
    return "" if start < 0 else text[start + len(mark) :].partition("\n")[0].strip()


def _zero(grown: list[Part]) -> list[int]:
    """The columns in which zero is missing too."""
    found: set[int] = set()
    for part in grown:
        kinds = _numbers(part, "decision_type", np.int64)
        features = _numbers(part, "split_feature", np.int64)
        asked = ((kinds >> 2 & 3) == _ZERO) & (kinds & _CATEGORY == 0)
        found |= set(features[asked].tolist())
    return sorted(found)


def answers_of(model: Any, head: Part, *, whole: bool) -> Scored:
    """What the model answers, without its trees."""
    name, told = _objective(head)
    link = _LINKS.get(name, "")
    sharp = float(told.get("sigmoid", 1.0))
    classifies = name in ("binary", "multiclass", "multiclassova")
    if not whole:
        classifies = hasattr(model, "predict_proba")
    if not classifies:
        return Scored(None, link, VALUE, sharp=sharp)
    if link not in ("sigmoid", "softmax"):
        raise ValueError(f"a classifier with the objective {name or 'of its own'} has no labels")
    labels: Any = np.arange(max(2, int(head["num_class"])))
    return Scored(None, link, CLASSES, labels if whole else np.asarray(model.classes_), sharp)


def _objective(head: Part) -> tuple[str, dict[str, str]]:
    name, *rest = head.get("objective", "").split() or [""]
    told: dict[str, str] = {}
    for part in rest:
        key, _, value = part.partition(":")
        told[key] = value
    return name, told


def scored_of(head: Part, grown: list[Part], plain: Scored) -> Scored:
    """How answers are made, with the trees. Raises NotImplementedError for what is not known."""
    name, told = _objective(head)
    if "sqrt" in told or (not plain.link and name not in _PLAIN):
        raise NotImplementedError(
            f"its objective {head.get('objective') or 'of its own'} is not known"
        )
    targets = int(head["num_tree_per_iteration"])
    share = targets / len(grown) if "average_output" in head else 1.0
    forest = trees.Forest(targets)
    zero = set(_zero(grown))
    for number, part in enumerate(grown):
        forest.trees.append(tree_of(part, number % targets, share, zero))
    return Scored(forest, plain.link, plain.answers, plain.classes, plain.sharp)


def tree_of(part: Part, target: int, share: float, zero: set[int]) -> trees.Tree:
    """One of LightGBM's trees: a value up to the threshold, or of the set, goes left.

    Inner nodes come first and leaves behind them; a child below zero is a leaf.
    """
    if part.get("is_linear") == "1":
        raise NotImplementedError("its leaves hold linear models")
    leaves = int(part["num_leaves"])
    inner = leaves - 1
    left, right = (_numbers(part, name, np.int64) for name in ("left_child", "right_child"))
    threshold = _numbers(part, "threshold", np.float64)
    kinds = _numbers(part, "decision_type", np.int64)
    features = _numbers(part, "split_feature", np.int64)
    by_set = kinds & _CATEGORY != 0
    missing = kinds >> 2 & 3
    mixed = [f for f in features[(missing != _ZERO) & ~by_set].tolist() if f in zero]
    if mixed:
        raise NotImplementedError("zero is missing in some of its trees only")
    default = kinds & _DEFAULT_LEFT != 0
    # What takes NaN for 0 compares it; a category that is NaN is in no set.
    goes = either(by_set, False, either(missing == _NONE, threshold >= 0.0, default))
    ends = np.zeros(leaves)
    found = trees.Tree(
        feature=np.concatenate([features, ends]),
        mode=np.array([trees.AT_MOST] * inner + [trees.LEAF] * leaves),
        threshold=np.concatenate([either(by_set, 0.0, threshold), ends]),
        true=np.concatenate([either(left < 0, inner + ~left, left), ends]),
        false=np.concatenate([either(right < 0, inner + ~right, right), ends]),
        missing=np.concatenate([goes, ends]),
        leaf=np.arange(inner, inner + leaves),
        target=np.full(leaves, target),
        weight=_numbers(part, "leaf_value", np.float64) * share,
    )
    nodes: list[int] = np.flatnonzero(by_set).tolist()
    if not nodes:
        return found
    ranges: list[int] = _numbers(part, "cat_boundaries", np.int64).tolist()
    words: list[int] = [int(w) for w in part["cat_threshold"].split()]
    sets = [bits(words[ranges[p] : ranges[p + 1]]) for p in threshold[nodes].astype(int).tolist()]
    return trees.spread(found, sets, nodes)


def _numbers(part: Part, name: str, kind: Any) -> Any:
    return np.array(part.get(name, "").split(), dtype=kind)


def _seen(grown: list[Part]) -> dict[int, list[float]]:
    """Thresholds by column, around which rows are sampled."""
    found: dict[int, list[float]] = {}
    for part in grown[:100]:
        features: list[int] = _numbers(part, "split_feature", np.int64).tolist()
        thresholds: list[float] = _numbers(part, "threshold", np.float64).tolist()
        for feature, threshold in zip(features, thresholds, strict=True):
            found.setdefault(feature, []).append(threshold)
    return found


def _library() -> Any:
    try:
        return import_module("lightgbm")
    except ImportError as error:
        raise ImportError("lightgbm is needed here: pip install lightgbm") from error
