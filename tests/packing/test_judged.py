"""Answers are held against the truth however either of them writes a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec
from fairlead.packing.evaluate import Answers
from fairlead.packing.judged import Classified, Regressed, judged

X = TensorSpec("x", DTYPES["FP32"], (-1, 1))
LABEL = TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=("0", "1"))
SCORES = TensorSpec("scores", DTYPES["FP32"], (-1, 2), role="scores", classes=("0", "1"))
VALUE = TensorSpec("value", DTYPES["FP32"], (-1, 1), role="value")
TABLE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])


def of(truth: Any, **outputs: Any) -> Any:
    specs = {"label": LABEL, "scores": SCORES, "value": VALUE}
    given = {name: np.asarray(values) for name, values in outputs.items()}
    signature = Signature((X,), tuple(specs[name] for name in given))
    return judged(signature, Answers(np.asarray(truth), given))


@pytest.mark.parametrize("truth", [[0, 1, 1], [0.0, 1.0, 1.0], ["0", "1", "1"]])
def test_a_label_is_the_same_however_it_is_written(truth):
    found = of(truth, label=["0", "1", "0"], scores=TABLE)
    assert isinstance(found, Classified)
    assert found.classes == ("0", "1")
    assert found.per_row.tolist() == [1.0, 1.0, 0.0]
    assert found.scores is not None


def test_scores_alone_answer_with_the_likeliest_class():
    found = of(["1", "1", "0"], scores=TABLE)
    assert found.given.tolist() == [0, 1, 0]


def test_a_label_that_the_model_does_not_know_is_a_class_too_and_scores_say_nothing_of_it():
    found = of(["0", "2", "1"], label=["0", "1", "0"], scores=TABLE)
    assert found.classes == ("0", "1", "2")
    assert found.truth.tolist() == [0, 2, 1]
    assert found.scores is None


@pytest.mark.parametrize("scores", [TABLE * 3, TABLE - 1, np.full((3, 2), np.nan)])
def test_scores_that_are_no_probabilities_are_left_out(scores):
    assert of(["0", "1", "1"], label=["0", "1", "0"], scores=scores).scores is None


def test_scores_of_any_scale_answer_with_the_highest_and_no_number_with_nothing():
    found = of(["0", "1", "1"], scores=TABLE * 30 - 7)
    assert found.given.tolist() == [0, 1, 0]
    assert found.scores is None
    assert of(["0", "1", "1"], scores=np.full((3, 2), np.nan)) is None


def test_a_regressors_numbers_are_flat():
    found = of([1.0, 2.0], value=[[1.5], [2.0]])
    assert isinstance(found, Regressed)
    assert found.per_row.tolist() == [0.5, 0.0]


def test_numbers_that_are_none_cannot_be_judged():
    assert of([1.0, 2.0], value=[[np.nan], [2.0]]) is None
    assert of(["a", "b"], value=[[1.0], [2.0]]) is None


def test_several_values_for_a_row_cannot_be_judged():
    assert of([1.0, 2.0], value=[[1.0, 2.0], [3.0, 4.0]]) is None
