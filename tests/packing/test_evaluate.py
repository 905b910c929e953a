"""Scores on labelled rows are those of scikit-learn, and rows that cannot be scored are said."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from tests import models

from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import RowsInvalid
from fairlead.core.signature import Signature, TensorSpec
from fairlead.packing.evaluate import answer, evaluate, evidence, score
from fairlead.packing.faithful import load_graph
from fairlead.packing.rows import Table


def signature(role: str, datatype: str = "FP64", shape: tuple[int, ...] = (-1,)) -> Signature:
    x = TensorSpec("x", DTYPES["FP32"], (-1, 1))
    return Signature((x,), (TensorSpec("y", DTYPES[datatype], shape, role=role),))


def scored(role: str, answers: Any, truth: Any) -> dict[str, float]:
    return score(signature(role), {"y": np.asarray(answers)}, np.asarray(truth))


NUMBERS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=30)


@given(NUMBERS)
def test_the_errors_of_a_regressor_are_scikit_learns(pairs):
    given_, true = map(np.array, zip(*pairs, strict=True))
    found = scored("value", given_, true)
    assert math.isclose(
        found["mean_absolute_error"], metrics.mean_absolute_error(true, given_), abs_tol=1e-9
    )
    if np.ptp(true) > 1e-3:
        assert math.isclose(found["r2"], metrics.r2_score(true, given_), rel_tol=1e-6, abs_tol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_accuracy_of_a_classifier_is_scikit_learns(pairs):
    given_, true = map(np.array, zip(*pairs, strict=True))
    assert scored("label", given_, true)["accuracy"] == metrics.accuracy_score(true, given_)


@pytest.mark.parametrize(
    ("answers", "truth"),
    [
        ([1, 0], [1.0, 0.0]),
        (["1", "0"], [1, 0]),
        (["1", "0"], [1.0, 0.0]),
        (np.array(["a", "b"], dtype=object), ["a", "b"]),
        ([b"a", "\u00e9".encode()], ["a", "\u00e9"]),
        ([True, False], [True, False]),
        ([True, False], ["True", "False"]),
        ([1.5, 2.0], [1.5, 2.0]),
        (np.array([1, "b"], dtype=object), np.array([1.0, "b"], dtype=object)),
    ],
)
def test_equal_labels_are_equal_whatever_type_they_come_in(answers, truth):
    assert scored("label", answers, truth) == {"accuracy": 1.0}
    assert scored("label", answers[::-1], truth)["accuracy"] == 0.0


def test_what_cannot_be_scored_has_no_figures():
    assert scored("", [1.0], [1.0]) == {}
    assert scored("scores", [[0.1, 0.9]], [1]) == {}
    assert scored("value", [[1.0, 2.0]], [1.0]) == {}
    assert scored("value", [1.0], ["text"]) == {}
    assert scored("label", [1, 2], [[1, 2], [3, 4]]) == {}


def test_figures_that_are_no_numbers_are_left_out_of_the_json():
    found = scored("value", [math.inf, 1.0], [1.0, 2.0])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert scored("value", [1.0, 1.0], [2.0, 2.0]) == {"mean_absolute_error": 1.0, "r2": 0.0}


@pytest.fixture(scope="module")
def total(tmp_path_factory) -> Any:
    package = models.total(tmp_path_factory.mktemp("repository"))
    return package.signature, load_graph(
        "total", package.signature, package.graph_path.read_bytes()
    )


def rows(label: Any) -> Table:
    ones = np.ones(3)
    return Table({"a": ones, "b": ones * 2, "y": np.asarray(label), "c": ones * 3})


def test_a_model_is_asked_about_the_rows_without_their_label(total):
    shape, model = total
    found = evaluate(shape, answer(model, shape, rows([6.0, 6.0, 9.0]), "y"))
    assert found == {"rows": 3, "mean_absolute_error": 1.0, "r2": pytest.approx(-0.5)}


@pytest.mark.parametrize("label", [[1.0, math.nan, 2.0], np.array(["a", "", "b"], dtype=object)])
def test_a_row_without_a_label_is_named(total, label):
    shape, model = total
    with pytest.raises(RowsInvalid, match="no label in 1 of 3 evaluation rows") as invalid:
        answer(model, shape, rows(label), "y")
    assert invalid.value.where == "row 2, column y"


def test_the_rows_kept_as_evidence_are_those_that_were_scored():
    text = np.array(["x", "", "\u00e9"], dtype=object)
    table = Table({"file": np.arange(3.0), "town": text, "y": np.array([1, 2, 3])})
    files = evidence(table, "y")
    told = json.loads(bytes(files["evidence/evaluation.json"]))  # type: ignore[arg-type]
    assert told == {"target": "y", "columns": ["file", "town", "y"]}
    raw = files["evidence/evaluation.npz"]
    assert raw == evidence(table, "y")["evidence/evaluation.npz"]
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:  # type: ignore[arg-type]
        assert list(arrays) == ["file", "town", "y"]
        assert arrays["town"].tolist() == text.tolist()
        assert arrays["file"].tolist() == [0.0, 1.0, 2.0]
