"""Decision trees of any framework as one ONNX TreeEnsembleRegressor, exact at every threshold.

A float32 graph compares float32 inputs, so a float64 threshold is moved to the float32 number
that splits the float32 numbers in the same place; rounding it to the nearest would send the rows
that lie on it the other way.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OPERATOR = "TreeEnsembleRegressor"
DOMAIN = "ai.onnx.ml"
LEAF, AT_MOST, BELOW, EQUAL = "LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_EQ"


@dataclass
class Tree:
    """One tree as arrays with an entry per node; the root is node 0.

    mode:       LEAF, or how a value is compared with `threshold` to take branch `true`.
    missing:    whether NaN takes branch `true`.
    leaf, target, weight: what is added to which target at a leaf, an entry for each.
    """

    feature: Any
    mode: Any
    threshold: Any
    true: Any
    false: Any
    missing: Any
    leaf: Any
    target: Any
    weight: Any


@dataclass
class Forest:
    """Trees whose leaf weights are summed per target, from a start that each target may have."""

    targets: int
    trees: list[Tree] = field(default_factory=list[Tree])
    start: list[float] = field(default_factory=list[float])

    def attributes(self, double: bool) -> dict[str, Any]:
        """The attributes of the operator; `double` for float64 inputs and thresholds."""
        if not self.trees:
            raise ValueError("the model has no trees")
        counts = [len(tree.feature) for tree in self.trees]
        weights = [len(tree.leaf) for tree in self.trees]
        numbers = np.arange(len(self.trees))
        modes = self._joined("mode")
        thresholds = self._joined("threshold").astype(np.float64)
        found: dict[str, Any] = {
            "n_targets": self.targets,
            "nodes_treeids": np.repeat(numbers, counts).tolist(),
            "nodes_nodeids": np.concatenate([np.arange(c) for c in counts]).tolist(),
            "nodes_featureids": self._joined("feature").astype(int).tolist(),
            "nodes_modes": [str(m) for m in modes.tolist()],
            "nodes_truenodeids": self._joined("true").astype(int).tolist(),
            "nodes_falsenodeids": self._joined("false").astype(int).tolist(),
            "nodes_missing_value_tracks_true": self._joined("missing").astype(int).tolist(),
            "target_treeids": np.repeat(numbers, weights).tolist(),
            "target_nodeids": self._joined("leaf").astype(int).tolist(),
            "target_ids": self._joined("target").astype(int).tolist(),
        }
        added = self._joined("weight").astype(np.float64)
        start = np.array(self.start, dtype=np.float64)
        if double:
            found["nodes_values_as_tensor"] = _tensor(thresholds)
            found["target_weights_as_tensor"] = _tensor(added)
            return found | ({"base_values_as_tensor": _tensor(start)} if self.start else {})
        found["nodes_values"] = narrow(thresholds, modes).tolist()
        found["target_weights"] = added.astype(np.float32).tolist()
        return found | ({"base_values": start.astype(np.float32).tolist()} if self.start else {})

    def _joined(self, name: str) -> Any:
        return np.concatenate([np.asarray(getattr(tree, name)) for tree in self.trees])


def narrow(thresholds: Any, modes: Any) -> Any:
    """float64 thresholds as float32 ones that decide the same for every float32 number.

    x <= t is x <= (the largest float32 up to t); x < t is x < (the smallest float32 from t).
    """
    with np.errstate(over="ignore"):
        nearest: Any = thresholds.astype(np.float32)
        lower: Any = np.nextafter(nearest, np.float32(-np.inf))
        upper: Any = np.nextafter(nearest, np.float32(np.inf))
    wide = nearest.astype(np.float64)
    found = either((modes == AT_MOST) & (wide > thresholds), lower, nearest)
    return either((modes == BELOW) & (wide < thresholds), upper, found)


def either(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`, entry by entry."""
    choose: Any = np.where
    return choose(condition, yes, no)


def spread(tree: Tree, sets: Sequence[Sequence[int]], nodes: Sequence[int]) -> Tree:
    """The tree with some nodes replaced by "is the value one of these?".

    nodes: the nodes; sets: the values of each, for which branch `true` is taken. An empty set
    always takes branch `false`, except for NaN, which still goes where `missing` says.
    """
    kept = {n: np.asarray(getattr(tree, n)).tolist() for n in vars(tree)}
    for node, values in zip(nodes, sets, strict=True):
        # A chain of equalities: each asks for one value and passes the row on.
        yes, no = kept["true"][node], kept["false"][node]
        goes_yes = bool(kept["missing"][node])
        # NaN equals nothing, so each link of the chain may decide for it.
        chain = list(values) or [np.nan]
        at = node
        for number, value in enumerate(chain):
            last = number == len(chain) - 1
            kept["mode"][at], kept["threshold"][at] = EQUAL, float(value)
            kept["true"][at], kept["missing"][at] = yes, goes_yes
            kept["false"][at] = no if last else len(kept["feature"])
            if not last:
                for name in ("feature", "mode", "threshold", "true", "false", "missing"):
                    kept[name].append(kept[name][at])
                at = len(kept["feature"]) - 1
    return Tree(**{name: np.array(values) for name, values in kept.items()})


def _tensor(values: Any) -> Any:
    import onnx.numpy_helper as helper

    return helper.from_array(values, "")
