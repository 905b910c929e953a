"""What people see of an answer: the outcome first, then how sure it is, then why."""

from __future__ import annotations

import pytest

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import TensorSpec
from fairlead.pages.answers import MOST_HEADS, MOST_ROWS, table, told

CLASSES = ("benign", "malignant")
LABEL = TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=CLASSES)
SCORES = TensorSpec("probabilities", DTYPES["FP32"], (-1, 2), role="scores", classes=CLASSES)
VALUE = TensorSpec("prediction", DTYPES["FP32"], (-1, 1), role="value")
OTHER = TensorSpec("embedding", DTYPES["FP32"], (-1, 3))


def test_an_answer_has_its_label_and_the_classes_by_score():
    row = {"label": "malignant", "scores": {"benign": 0.25, "malignant": 0.75}, "decision": "serve"}
    found = told(row, (LABEL, SCORES))
    assert found["label"] == "malignant"
    assert [(bar["name"], bar["share"]) for bar in found["bars"]] == [
        ("malignant", "75.0%"),
        ("benign", "25.0%"),
    ]


def test_without_a_label_the_class_with_the_highest_score_is_named():
    assert told({"scores": {"benign": 0.7, "malignant": 0.3}}, (SCORES,))["label"] == "benign"


def test_a_value_comes_with_its_interval():
    found = told({"value": 1234.5678, "interval": [1000.0, 1500.25]}, (VALUE,))
    assert (found["value"], found["interval"]) == ("1,234.57", ["1,000", "1,500.25"])


@pytest.mark.parametrize(
    ("decision", "headline"),
    [("serve", ""), ("warn", "Answered, with a warning"), ("abstain", "The model does not answer"),
     ("reject", "Refused by the guards")],
)  # fmt: skip
def test_a_row_that_is_not_simply_served_says_so_and_why(decision, headline):
    row = {"label": None, "scores": None, "decision": decision, "reasons": ["age = 300 is new"]}
    found = told(row, (LABEL, SCORES))
    assert found["headline"] == headline
    assert found["reasons"] == ["age = 300 is new"]
    assert found["bars"] == []


def test_an_output_without_a_role_is_shown_whole_until_it_is_long():
    assert told({"embedding": [1, 2, 3]}, (OTHER,))["more"] == [("embedding", "[1, 2, 3]")]
    ((_, text),) = told({"embedding": [0.123456] * 5000}, (OTHER,))["more"]
    assert len(text) < 2100


def test_a_score_that_is_no_number_has_no_bar():
    assert told({"scores": {"benign": None, "malignant": 0.5}}, (SCORES,))["bars"][0]["name"] == (
        "malignant"
    )


def test_a_class_name_is_no_markup_in_a_bar():
    found = told({"scores": {"<script>": 1.0}}, (SCORES,))
    assert "<script>" not in found["bars"][0]["svg"]


def test_many_rows_are_a_table_of_the_first_ones():
    rows = [{"label": "a", "scores": {"a": 0.75, "b": 0.25}, "reasons": []}] * (MOST_ROWS + 5)
    heads, cells = table(rows)
    assert heads == ["label", "a", "b"]
    assert len(cells) == MOST_ROWS
    assert cells[0] == ["a", "0.75", "0.25"]


def test_of_rows_with_many_values_the_first_are_shown():
    scores = {f"c{n}": 0.0 for n in range(5000)}
    heads, cells = table([{"label": "a", "scores": scores}] * MOST_ROWS)
    assert heads == ["label", *(f"c{n}" for n in range(MOST_HEADS - 1))]
    assert {len(row) for row in cells} == {MOST_HEADS}


def test_a_row_that_is_withheld_adds_no_column_of_its_own():
    rows = [
        {"label": "a", "scores": {"a": 0.75, "b": 0.25}, "reasons": []},
        {"label": None, "scores": None, "reasons": ["unsure"]},
    ]
    heads, cells = table(rows)
    assert heads == ["label", "a", "b", "reasons"]
    assert cells[1] == ["", "", "", "unsure"]
