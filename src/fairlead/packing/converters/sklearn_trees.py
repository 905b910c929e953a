"""scikit-learn's trees, forests and boosting for skl2onnx, with exact ties, thresholds and NaN.

skl2onnx's own converters round leaf shares before they are summed, so that a tie of votes falls
either way; they lose NaN branches, categories and the link of a loss. These stand in for them.

Standalone: the standard library and numpy; skl2onnx hands in its scope and container.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import trees
from .nodes import DOUBLE, FLOAT, INT64, Step

Converter = Callable[[Any, Any, Any], None]


def converters() -> dict[str, Converter]:
    """Converters by skl2onnx's names of the operators."""
    found: dict[str, Converter] = {}
    for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"):
        found[f"Sklearn{kind}Classifier"] = forest_classifier
        found[f"Sklearn{kind}Regressor"] = forest_regressor
    found["SklearnGradientBoostingClassifier"] = boosted_classifier
    found["SklearnGradientBoostingRegressor"] = boosted_regressor
    found["SklearnHistGradientBoostingClassifier"] = histogram_classifier
    found["SklearnHistGradientBoostingRegressor"] = histogram_regressor
    return found


def forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The mean of one or many trees."""
    step = Step(scope, operator, container)
    members = _members(step.model)
    grown = [_tree(m.tree_, m.tree_.value[:, :, 0]) for m in members]
    forest = trees.Forest(int(members[0].n_outputs_), grown)
    total = step.sums(step.source(narrow=True), forest, double=False)
    step.add("Div", [total, step.numbers([len(members)])], step.outputs[0])


def forest_classifier(scope: Any, operator: Any, container: Any) -> None:
    """The mean of the class shares of one or many trees, and the class of the largest."""
    step = Step(scope, operator, container)
    model = step.model
    members = _members(model)
    source = step.source(narrow=True)
    label, scores = step.outputs[:2]
    if int(model.n_outputs_) == 1:
        shares = _shares(step, source, members, 0, len(model.classes_), scores)
        step.pick(step.best(shares), step.classes(), label)
        return
    if len({len(c) for c in model.classes_}) != 1:
        raise NotImplementedError("its targets have different numbers of classes")
    labels: list[str] = []
    every: list[str] = []
    for number, classes in enumerate(model.classes_):
        shares = _shares(step, source, members, number, len(classes))
        picked = step.pick(step.best(shares), classes)
        labels.append(step.add("Unsqueeze", [picked, step.constant([1], INT64)]))
        every.append(step.add("Unsqueeze", [shares, step.constant([0], INT64)]))
    step.add("Concat", labels, label, axis=1)
    step.add("Concat", every, scores, axis=0)


def boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Gradient boosting for numbers."""
    step = Step(scope, operator, container)
    step.add("Identity", [_boosted(step)], step.outputs[0])


def boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Gradient boosting for classes."""
    step = Step(scope, operator, container)
    sharp = 2.0 if step.model.loss == "exponential" else 1.0
    scored(step, _boosted(step), zero=True, sharp=sharp)


def histogram_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Histogram gradient boosting for numbers."""
    step = Step(scope, operator, container)
    link = type(step.model._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotImplementedError(f"its link {link} is not known")
    step.add("Exp" if link == "LogLink" else "Identity", [_histogram(step)], step.outputs[0])


def histogram_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Histogram gradient boosting for classes."""
    step = Step(scope, operator, container)
    scored(step, _histogram(step), zero=False)


def scored(step: Step, raw: str, *, zero: bool, sharp: float = 1.0) -> None:
    """Label and scores of a boosted classifier from its raw sums (one column for two classes).

    zero: a raw score of 0 is the second class; sharp: what raw scores are multiplied by.
    """
    label, scores = step.outputs[:2]
    binary = len(step.model.classes_) == 2
    found = step.positive(raw, zero=zero) if binary else step.best(raw)
    step.pick(found, step.classes(), label)
    if step.asked("raw_scores"):
        step.both(raw, scores) if binary else step.add("Identity", [raw], scores)
    elif binary:
        two = step.both(raw)
        if sharp != 1.0:
            two = step.add("Mul", [two, step.numbers([sharp])])
        step.add("Sigmoid", [two], scores)
    else:
        step.add("Softmax", [raw], scores, axis=1)


def _members(model: Any) -> list[Any]:
    found = getattr(model, "estimators_", None)
    return [model] if found is None else list(found)


def _tree(inner: Any, weight: Any) -> trees.Tree:
    """A scikit-learn tree; weight: [nodes, targets], added at the leaves."""
    left = inner.children_left
    ends = left == -1
    leaves = np.flatnonzero(ends)
    targets = int(weight.shape[1])
    missing: Any = getattr(inner, "missing_go_to_left", np.zeros(len(left), dtype=np.uint8))
    return trees.Tree(
        feature=np.where(ends, 0, inner.feature),
        mode=np.where(ends, trees.LEAF, trees.AT_MOST),
        threshold=np.where(ends, 0.0, inner.threshold),
        true=np.where(ends, 0, left),
        false=np.where(ends, 0, inner.children_right),
        missing=np.where(ends, 0, missing),
        leaf=np.repeat(leaves, targets),
        target=np.tile(np.arange(targets), len(leaves)),
        weight=weight[leaves].reshape(-1),
    )


def _shares(
    step: Step, source: str, members: list[Any], target: int, classes: int, output: str = ""
) -> str:
    """The mean over all trees of the share that each class has in the leaf.

    The shares are summed first and divided once, so that a tie of votes stays a tie.
    """
    grown: list[trees.Tree] = []
    for member in members:
        counts = member.tree_.value[:, target, :classes]
        grown.append(_tree(member.tree_, counts / counts.sum(axis=1, keepdims=True)))
    total = step.sums(source, trees.Forest(classes, grown), double=False)
    return step.add("Div", [total, step.numbers([len(members)])], output)


def _boosted(step: Step) -> str:
    """The raw sums of gradient boosting."""
    model = step.model
    rounds: Any = np.asarray(model.estimators_)
    forest = trees.Forest(int(rounds.shape[1]), start=_start(model))
    for members in rounds:
        for target, member in enumerate(members):
            tree = _tree(member.tree_, model.learning_rate * member.tree_.value[:, :, 0])
            tree.target = np.full_like(tree.target, target)
            forest.trees.append(tree)
    return step.sums(step.source(narrow=True), forest, double=False)


def _start(model: Any) -> list[float]:
    """What gradient boosting starts from, when that is the same for every row."""
    if not isinstance(model.init_, str) and not type(model.init_).__name__.startswith("Dummy"):
        raise NotImplementedError("it starts from another estimator")
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return np.ravel(model._raw_predict_init(row)).tolist()


def _histogram(step: Step) -> str:
    """The raw sums of histogram gradient boosting."""
    model = step.model
    start: list[float] = np.ravel(model._baseline_prediction).tolist()
    source, order = _counted(step)
    forest = trees.Forest(len(start), start=start)
    for predictors in model._predictors:
        for target, predictor in enumerate(predictors):
            forest.trees.append(_histogram_tree(predictor, target, order))
    return step.sums(source, forest, double=step.double)


def _histogram_tree(predictor: Any, target: int, order: list[int]) -> trees.Tree:
    """order: which column of the graph each feature of the predictor is."""
    inner = predictor.nodes
    ends = inner["is_leaf"].astype(bool)
    leaves = np.flatnonzero(ends)
    found = trees.Tree(
        feature=np.where(ends, 0, np.asarray(order)[inner["feature_idx"]]),
        mode=np.where(ends, trees.LEAF, trees.AT_MOST),
        threshold=np.where(ends, 0.0, inner["num_threshold"]),
        true=np.where(ends, 0, inner["left"]),
        false=np.where(ends, 0, inner["right"]),
        missing=np.where(ends, 0, inner["missing_go_to_left"]),
        leaf=leaves,
        target=np.full(len(leaves), target),
        weight=inner["value"][leaves],
    )
    asking: list[int] = np.flatnonzero(inner["is_categorical"].astype(bool) & ~ends).tolist()
    sets = [bits(predictor.raw_left_cat_bitsets[inner["bitset_idx"][n]]) for n in asking]
    return trees.spread(found, sets, asking) if asking else found


def bits(words: Any) -> list[int]:
    """The positions of the bits that are set in 32-bit words."""
    return [
        32 * number + bit
        for number, word in enumerate(np.asarray(words).tolist())
        for bit in range(32)
        if word >> bit & 1
    ]


def _counted(step: Step) -> tuple[str, list[int]]:
    """The input with categories as the model counts them, and its columns in the model's order.

    The model counts its categories from 0; one that it has never seen is a missing value to it.
    """
    model = step.model
    source = step.source(narrow=False)
    count = int(model.n_features_in_)
    asked = getattr(model, "is_categorical_", None)
    if asked is None:
        return source, list(range(count))
    encoder = model._preprocessor.named_transformers_["encoder"]
    columns: list[int] = np.flatnonzero(asked).tolist()
    parts: list[str] = []
    for column in range(count):
        part = step.add("Gather", [source, step.constant([column], INT64)], axis=1)
        if column in columns:
            known: Any = np.asarray(encoder.categories_[columns.index(column)], dtype=np.float64)
            known = known[~np.isnan(known)]
            part = step.add("Cast", [part], to=FLOAT) if step.double else part
            part = step.looked_up(part, known.tolist(), np.arange(len(known)), np.nan)
            part = step.add("Cast", [part], to=DOUBLE) if step.double else part
        parts.append(part)
    order = columns + [c for c in range(count) if c not in columns]
    return step.add("Concat", parts, axis=1), order
