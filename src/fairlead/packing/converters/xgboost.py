"""XGBoost boosters and their scikit-learn estimators to ONNX; natively where a graph is not exact.

The trees are read off XGBoost's own JSON. Standalone: it runs in the airlock, perhaps under
another interpreter, with the standard library, numpy, xgboost and onnx only.
"""

from __future__ import annotations

import json
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from . import boosters, samples, trees
from .scored import CLASSES, SEVERAL, VALUE, Columns, Scored
from .trees import either

NATIVE = "model.ubj"
_SIGMOID = ("binary:logistic", "reg:logistic")
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
_PLAIN = (
    "reg:squarederror",
    "reg:linear",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "binary:logitraw",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
)
_CLASSES = ("binary:logistic", "multi:softprob", "multi:softmax")


def read(path: Path, job: dict[str, Any]) -> Any:
    """The booster in a .json or .ubj file, as the estimator that saved it if one did."""
    xgboost = _library()
    booster = xgboost.Booster()
    booster.load_model(str(path))
    estimator = json.loads(booster.attributes().get("scikit_learn") or "{}")
    kinds = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
    kind = kinds.get(str(estimator.get("_estimator_type")))
    if kind is None:
        return booster
    model = getattr(xgboost, kind)()
    model.load_model(str(path))
    return model


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph (or the native model) and the original's answers into `out`."""
    xgboost = _library()
    whole = isinstance(model, xgboost.Booster)
    booster = model if whole else model.get_booster()
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    count = int(learner["learner_model_param"]["num_feature"])
    names = boosters.named([str(n) for n in booster.feature_names or ()], count, job)
    columns = columns_of(learner, names, samples.chosen(samples.given(job), names))
    if not whole and model.missing is not None:
        columns.missing = float(model.missing)
    rounds = 0 if whole else rounds_of(model)
    plain = answers_of(model, learner, whole=whole)
    margins = str(learner["objective"]["name"]) == "multi:softmax"

    def ask(matrix: Any) -> Any:
        data = xgboost.DMatrix(
            matrix,
            missing=columns.missing,
            feature_names=booster.feature_names,
            feature_types=learner.get("feature_types") or None,
            enable_categorical=True,
        )
        return _scores(booster, data, rounds, margins)

    def save(folder: Path) -> dict[str, Any]:
        booster.save_model(str(folder / NATIVE))
        return {
            "missing": None if np.isnan(columns.missing) else columns.missing,
            "rounds": rounds,
            "margins": margins,
            "features": booster.feature_names,
            "types": learner.get("feature_types") or None,
        }

    trained = boosters.Trained(
        framework="XGBoost",
        kind=f"xgboost.{type(model).__qualname__}",
        versions=boosters.versions("xgboost", "numpy", "scikit-learn", "pandas"),
        runtime="xgboost",
        native=NATIVE,
        columns=columns,
        plain=plain,
        scored=lambda: scored_of(learner, rounds, plain),
        ask=ask,
        save=save,
        seen=_seen(learner),
        wide=False,
    )
    return boosters.pack(trained, job, out)


def _scores(booster: Any, data: Any, rounds: int, margins: bool) -> Any:
    """Probabilities or values; margins: the booster itself would give the bare label."""
    scores: Any = booster.predict(data, output_margin=margins, iteration_range=(0, rounds))
    if not margins:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def rounds_of(model: Any) -> int:
    """How many rounds of an estimator predict: those up to the best one, 0 for all."""
    best: Any = model.get_booster().attributes().get("best_iteration")
    return int(best) + 1 if best is not None else 0


def columns_of(learner: Any, names: list[str], rows: dict[str, Any]) -> Columns:
    """The columns with the categories that the booster has kept."""
    types: list[Any] = learner.get("feature_types") or []
    kept: list[Any] = _model(learner["gradient_booster"]).get("cats", {}).get("enc", [])
    found: dict[str, list[Any]] = {}
    for name, entry in zip(names, kept, strict=False):
        values = _texts(name, entry, rows.get(name)) if "offsets" in entry else entry["values"]
        if values:
            found[name] = values
    counted = [i for i, t in enumerate(types) if t == "c" and names[i] not in found]
    return Columns(names, found, counted)


def _texts(name: str, entry: Any, rows: Any) -> list[str]:
    """The names of a column's categories.

    XGBoost 3.1 and 3.2 cut them by characters out of bytes, so that only ASCII names survive;
    others are taken from the reference rows when those give just what it has kept.
    """
    ends, raw = entry["offsets"], bytes(v & 0xFF for v in entry["values"])
    if raw.isascii():
        return [raw[a:b].decode() for a, b in pairwise(ends)]
    candidates = sorted({str(v) for v in rows.tolist()} - {""}) if rows is not None else []
    whole = "".join(candidates).encode()
    for sizes in (map(len, candidates), (len(text.encode()) for text in candidates)):
        if list(accumulate(sizes, initial=0)) == ends and whole[: len(raw)] == raw:
            return candidates
    raise ValueError(
        f"XGBoost has kept the categories of {name!r} in part only, since they are not ASCII: "
        f"give reference rows in which each of them occurs"
    )


def _model(booster: Any) -> Any:
    return booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]


def answers_of(model: Any, learner: Any, *, whole: bool) -> Scored:
    """What the model answers, without its trees."""
    objective = str(learner["objective"]["name"])
    classes = int(learner["learner_model_param"]["num_class"])
    targets = int(learner["learner_model_param"].get("num_target", 1))
    link = _link(objective)
    classifies = objective in _CLASSES if whole else hasattr(model, "predict_proba")
    if not classifies:
        return Scored(None, link, VALUE)
    if objective not in _CLASSES:
        raise ValueError(f"a classifier with the objective {objective} has no probabilities")
    if targets > 1:
        return Scored(None, link, SEVERAL)
    labels: Any = np.arange(max(2, classes)) if whole else np.asarray(model.classes_)
    return Scored(None, link, CLASSES, labels)


def _link(objective: str) -> str:
    if objective in _SIGMOID:
        return "sigmoid"
    if objective.startswith("multi:"):
        return "softmax"
    return "exp" if objective in _EXP else ""


def scored_of(learner: Any, rounds: int, plain: Scored) -> Scored:
    """How answers are made, with the trees. Raises NotImplementedError for what is not known."""
    objective = str(learner["objective"]["name"])
    if not plain.link and objective not in _PLAIN:
        raise NotImplementedError(f"its objective {objective} is not known")
    told = learner["learner_model_param"]
    targets = max(1, int(told["num_class"]), int(told.get("num_target", 1)))
    start = _start(str(told["base_score"]), objective, targets)
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        count = int(told["num_feature"])
        weights: Any = np.array(booster["model"]["weights"], dtype=np.float64)
        table = weights.reshape(count + 1, targets)
        # A linear booster adds the first base score to all of its targets.
        begin: list[float] = (table[-1] + start[0]).tolist()
        return Scored(
            None, plain.link, plain.answers, plain.classes, weights=table[:-1], start=begin
        )
    model = _model(booster)
    scales = booster.get("weight_drop") or [1.0] * len(model["trees"])
    kept = len(model["trees"]) if not rounds else _cut(model, rounds, targets)
    forest = trees.Forest(targets, start=start)
    for tree, target, scale in zip(model["trees"][:kept], model["tree_info"], scales, strict=False):
        forest.trees.append(tree_of(tree, int(target), float(scale)))
    return Scored(forest, plain.link, plain.answers, plain.classes)


def _cut(model: Any, rounds: int, targets: int) -> int:
    """How many trees the first rounds have."""
    ends = model.get("iteration_indptr")
    if ends:
        return int(ends[min(rounds, len(ends) - 1)])
    return rounds * targets * int(model["gbtree_model_param"]["num_parallel_tree"])


def _start(text: str, objective: str, targets: int) -> list[float]:
    """The margins that trees are added to: the base score before the link."""
    given: Any = np.atleast_1d(np.array(json.loads(text), dtype=np.float64))
    base = np.broadcast_to(given, (targets,)) if len(given) == 1 else given
    if objective in _SIGMOID:
        base = -np.log(1 / base - 1)
    elif objective in _EXP:
        base = np.log(base)
    return base.astype(np.float32).astype(np.float64).tolist()


def tree_of(tree: Any, target: int, scale: float) -> trees.Tree:
    """One of XGBoost's trees: a value below the condition goes left, a category of a set right."""
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise NotImplementedError("its leaves hold a value for each target")
    left: Any = np.array(tree["left_children"])
    right: Any = np.array(tree["right_children"])
    condition: Any = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    ends = left == -1
    by_set = np.array(tree.get("split_type") or np.zeros(len(left)), dtype=bool) & ~ends
    default = np.array(tree["default_left"], dtype=bool)
    leaves = np.flatnonzero(ends)
    found = trees.Tree(
        feature=np.where(ends, 0, np.array(tree["split_indices"])),
        mode=np.where(ends, trees.LEAF, trees.BELOW),
        threshold=np.where(ends | by_set, 0.0, condition),
        true=np.where(ends, 0, either(by_set, right, left)),
        false=np.where(ends, 0, either(by_set, left, right)),
        missing=np.where(ends, False, either(by_set, ~default, default)),
        leaf=leaves,
        target=np.full(len(leaves), target),
        weight=condition[leaves] * scale,
    )
    if not by_set.any():
        return found
    places = dict(zip(tree["categories_nodes"], range(len(tree["categories_nodes"])), strict=True))
    sets: list[list[int]] = []
    nodes: list[int] = np.flatnonzero(by_set).tolist()
    for node in nodes:
        place = places[node]
        begin = tree["categories_segments"][place]
        sets.append(tree["categories"][begin : begin + tree["categories_sizes"][place]])
    return trees.spread(found, sets, nodes)


def _seen(learner: Any) -> dict[int, list[float]]:
    """Thresholds by column, around which rows are sampled."""
    model = _model(learner["gradient_booster"])
    found: dict[int, list[float]] = {}
    for tree in model.get("trees", ())[:100]:
        rows = zip(
            tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
        )
        for left, feature, condition in rows:
            if left != -1:
                found.setdefault(int(feature), []).append(float(condition))
    return found


def _library() -> Any:
    try:
        return import_module("xgboost")
    except ImportError as error:
        raise ImportError("xgboost is needed here: pip install xgboost") from error
