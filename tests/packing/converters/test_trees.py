"""Trees as one ONNX operator: exact thresholds, sets of categories, NaN, starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from fairlead.packing.converters import trees
from fairlead.packing.converters.trees import AT_MOST, BELOW, LEAF, Forest, Tree

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NARROW = st.floats(width=32, allow_nan=False, allow_infinity=False)


def stump(threshold: float, mode: str = AT_MOST, missing: bool = False) -> Tree:
    """Adds 1 where the branch `true` is taken, else 2."""
    return Tree(
        feature=np.array([0, 0, 0]),
        mode=np.array([mode, LEAF, LEAF]),
        threshold=np.array([threshold, 0.0, 0.0]),
        true=np.array([1, 0, 0]),
        false=np.array([2, 0, 0]),
        missing=np.array([missing, False, False]),
        leaf=np.array([1, 2]),
        target=np.array([0, 0]),
        weight=np.array([1.0, 2.0]),
    )


def sums(forest: Forest, rows: Any, *, double: bool = False) -> Any:
    """What onnxruntime makes of the forest for rows of one column."""
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    attributes = forest.attributes(double)
    node = helper.make_node(trees.OPERATOR, ["x"], ["y"], domain=trees.DOMAIN, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, forest.targets])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(trees.DOMAIN, 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    wide = np.asarray(rows, dtype=np.float64 if double else np.float32).reshape(-1, 1)
    return session.run(None, {"x": wide})[0]


@given(NUMBERS, NARROW)
def test_a_narrow_threshold_splits_the_float32_numbers_as_the_wide_one(threshold, value):
    for mode, decide in ((AT_MOST, np.less_equal), (BELOW, np.less)):
        narrow = trees.narrow(np.array([threshold]), np.array([mode]))[0]
        assert narrow.dtype == np.float32
        assert decide(np.float32(value), narrow) == decide(float(np.float32(value)), threshold)


@given(NARROW)
def test_a_threshold_that_float32_holds_stays(threshold):
    found = trees.narrow(np.array([threshold, threshold]), np.array([AT_MOST, BELOW]))
    assert (found == np.float32(threshold)).all()


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("mode", [AT_MOST, BELOW])
def test_a_value_on_the_threshold_goes_where_the_mode_says(mode, double):
    found = sums(Forest(1, [stump(0.25, mode)]), [0.25, 0.2, 0.3], double=double)
    assert found.ravel().tolist() == [1.0 if mode == AT_MOST else 2.0, 1.0, 2.0]


def test_a_float64_graph_tells_neighbours_in_float64_apart():
    rows = [0.1, np.nextafter(0.1, 1)]
    assert sums(Forest(1, [stump(0.1)]), rows, double=True).ravel().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_nan_takes_the_branch_of_missing_values(missing, double):
    forest = Forest(1, [stump(0.5, missing=missing)])
    assert sums(forest, [np.nan], double=double)[0, 0] == (1.0 if missing else 2.0)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("values", [[], [0], [3, 0, 70], list(range(1, 200, 3))])
def test_a_set_of_categories_takes_its_own_and_no_other(values, missing, double):
    tree = trees.spread(stump(0.0, missing=missing), [values], [0])
    rows = [*range(-1, 205), np.nan]
    found = sums(Forest(1, [tree]), rows, double=double).ravel().tolist()
    wanted = [1.0 if row in values else 2.0 for row in rows[:-1]]
    assert found == [*wanted, 1.0 if missing else 2.0]


@pytest.mark.parametrize("double", [False, True])
def test_trees_add_up_per_target_from_the_start(double):
    other = stump(0.0)
    other.target = np.array([1, 1])
    forest = Forest(2, [stump(0.0), stump(1.0), other], start=[10.0, -5.0])
    assert sums(forest, [-1.0, 0.5], double=double).tolist() == [[12.0, -4.0], [13.0, -3.0]]


def test_a_forest_without_trees_is_refused():
    with pytest.raises(ValueError, match="no trees"):
        Forest(1).attributes(False)
