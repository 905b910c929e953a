"""CatBoost models to ONNX; natively where they count categories themselves.

The trees are read off CatBoost's own JSON. Standalone: it runs in the airlock, perhaps under
another interpreter, with the standard library, numpy, catboost and onnx only.
"""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from . import boosters, trees
from .scored import CLASSES, SEVERAL, VALUE, Columns, Scored

NATIVE = "model.cbm"
_CLASSIFIES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")
_SEVERAL = ("MultiLogloss", "MultiCrossEntropy")
_EXP = ("Poisson", "Tweedie", "LogLinQuantile")
_PLAIN = (
    "RMSE",
    "MAE",
    "Quantile",
    "Huber",
    "Expectile",
    "MAPE",
    "Lq",
    "MultiRMSE",
    "YetiRank",
    "YetiRankPairwise",
    "PairLogit",
    "PairLogitPairwise",
    "QueryRMSE",
    "QuerySoftMax",
    "QueryCrossEntropy",
    "StochasticRank",
)


def read(path: Path, job: dict[str, Any]) -> Any:
    """The model in a .cbm file."""
    catboost = _library()
    bare = catboost.CatBoost()
    bare.load_model(str(path))
    classifies = loss_of(bare) in (*_CLASSIFIES, *_SEVERAL)
    # As the estimator that trains such a model, so that it predicts what that one would.
    model = catboost.CatBoostClassifier() if classifies else catboost.CatBoostRegressor()
    model.load_model(str(path))
    return model


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph (or the native model) and the original's answers into `out`."""
    told = described(model)
    columns = columns_of(model, job)
    plain = answers_of(model, loss_of(model))

    asked = {} if plain.answers == VALUE else {"prediction_type": "Probability"}

    def ask(matrix: Any) -> Any:
        return model.predict(matrix, **asked)

    def save(folder: Path) -> dict[str, Any]:
        model.save_model(str(folder / NATIVE))
        return {"asked": asked, "class": type(model).__name__}

    trained = boosters.Trained(
        framework="CatBoost",
        kind=f"catboost.{type(model).__qualname__}",
        versions=boosters.versions("catboost", "numpy", "pandas"),
        runtime="catboost",
        native=NATIVE,
        columns=columns,
        plain=plain,
        scored=lambda: scored_of(told, loss_of(model), plain),
        ask=ask,
        save=save,
        seen=_seen(told),
        wide=False,
    )
    return boosters.pack(trained, job, out)


def described(model: Any) -> Any:
    """The model as CatBoost's JSON tells it; it can only write that into a file."""
    with tempfile.TemporaryDirectory(prefix="fairlead-catboost-") as folder:
        path = Path(folder) / "model.json"
        try:
            model.save_model(str(path), format="json")
        except Exception as error:
            # Some kinds of features have no JSON; such a model can still be kept native.
            return {"unknown": str(error)}
        return json.loads(path.read_bytes())


def columns_of(model: Any, job: dict[str, Any]) -> Columns:
    """The columns, and which of them hold categories."""
    names: list[str] = [str(name) for name in model.feature_names_]
    unnamed = names == [str(i) for i in range(len(names))]
    names = boosters.named(None if unnamed else names, len(names), job)
    texts: list[int] = list(model.get_text_feature_indices())
    if model.get_embedding_feature_indices():
        raise ValueError("a model with embedding features cannot be served by rows")
    own: list[int] = [*model.get_cat_feature_indices(), *texts]
    return Columns(names, own=[names[place] for place in sorted(own)])


def loss_of(model: Any) -> str:
    """The name of the loss that it was trained for."""
    return str(model.get_all_params().get("loss_function", "")).partition(":")[0]


def answers_of(model: Any, loss: str) -> Scored:
    """What the model answers, without its trees."""
    if loss in _SEVERAL:
        return Scored(None, "sigmoid", SEVERAL)
    if loss not in _CLASSIFIES:
        return Scored(None, "exp" if loss in _EXP else "", VALUE)
    link = "softmax" if loss == "MultiClass" else "sigmoid"
    return Scored(None, link, CLASSES, np.asarray(model.classes_))


def scored_of(told: Any, loss: str, plain: Scored) -> Scored:
    """How answers are made, with the trees. Raises NotImplementedError for what is not known."""
    if "unknown" in told:
        raise NotImplementedError(str(told["unknown"])[:200])
    if not plain.link and loss not in _PLAIN:
        raise NotImplementedError(f"its loss {loss or 'of its own'} is not known")
    kinds = sorted(set(told["features_info"]) - {"float_features"})
    if kinds:
        raise NotImplementedError(f"it has {', '.join(kinds).replace('_', ' ')}")
    scale, start = told["scale_and_bias"]
    columns: dict[int, tuple[int, bool]] = {}
    for feature in told["features_info"]["float_features"]:
        right = feature["nan_value_treatment"] == "AsTrue"
        columns[int(feature["feature_index"])] = int(feature["flat_feature_index"]), right
    forest = trees.Forest(len(start), start=[float(s) for s in start])
    for tree in told.get("oblivious_trees", ()):
        forest.trees.append(even_tree(tree, columns, len(start), float(scale)))
    for tree in told.get("trees", ()):
        forest.trees.append(grown_tree(tree, columns, len(start), float(scale)))
    return Scored(forest, plain.link, plain.answers, plain.classes)


def even_tree(tree: Any, columns: Any, targets: int, scale: float) -> trees.Tree:
    """A tree with the same question on each level; the first one is bit 0 of the leaf's number."""
    splits: list[Any] = tree["splits"] or []
    depth = len(splits)
    inner = (1 << depth) - 1
    nodes = np.arange(inner)
    # The root asks the last question, so that the leaves lie in the order of their numbers.
    levels: Any = depth - 1 - np.floor(np.log2(nodes + 1)).astype(int)
    asked = [columns[s["float_feature_index"]] for s in splits]
    features: Any = np.array([place for place, _ in asked], dtype=np.int64)
    rights: Any = np.array([right for _, right in asked], dtype=bool)
    borders: Any = np.array([s["border"] for s in splits], dtype=np.float64)
    leaves = np.arange(inner, inner + (1 << depth))
    ends = np.zeros(1 << depth, dtype=np.int64)
    return trees.Tree(
        feature=np.concatenate([features[levels], ends]),
        mode=np.array([trees.AT_MOST] * inner + [trees.LEAF] * (1 << depth)),
        threshold=np.concatenate([borders[levels], ends]),
        true=np.concatenate([2 * nodes + 1, ends]),
        false=np.concatenate([2 * nodes + 2, ends]),
        missing=np.concatenate([~rights[levels], ends.astype(bool)]),
        leaf=np.repeat(leaves, targets),
        target=np.tile(np.arange(targets), 1 << depth),
        weight=np.array(tree["leaf_values"], dtype=np.float64) * scale,
    )


def grown_tree(tree: Any, columns: Any, targets: int, scale: float) -> trees.Tree:
    """A tree with questions of its own at each node."""
    rows: dict[str, list[Any]] = {name: [] for name in trees.Tree.__dataclass_fields__}
    waiting: list[tuple[Any, int, str]] = [(tree, -1, "")]
    while waiting:
        part, parent, side = waiting.pop()
        here = len(rows["feature"])
        if parent >= 0:
            rows[side][parent] = here
        split = part.get("split")
        place, right = columns[split["float_feature_index"]] if split else (0, True)
        rows["feature"].append(place)
        rows["mode"].append(trees.AT_MOST if split else trees.LEAF)
        rows["threshold"].append(float(split["border"]) if split else 0.0)
        rows["missing"].append(bool(split) and not right)
        rows["true"].append(0)
        rows["false"].append(0)
        if split:
            waiting += [(part["right"], here, "false"), (part["left"], here, "true")]
            continue
        values: list[float] = np.atleast_1d(part["value"]).tolist()
        rows["leaf"] += [here] * targets
        rows["target"] += range(targets)
        rows["weight"] += [value * scale for value in values]
    return trees.Tree(**{name: np.array(values) for name, values in rows.items()})


def _seen(told: Any) -> dict[int, list[float]]:
    """Thresholds by column, around which rows are sampled."""
    features = told.get("features_info", {}).get("float_features", ())
    return {int(f["flat_feature_index"]): f["borders"] for f in features if f["borders"]}


def _library() -> Any:
    try:
        return import_module("catboost")
    except ImportError as error:
        raise ImportError("catboost is needed here: pip install catboost") from error
