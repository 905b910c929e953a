"""A model as the client knows it, from whatever a server tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.client.described import described
from fairlead.core.errors import AnswerUnreadable

TOLD: dict[str, Any] = {
    "name": "m",
    "version": 3,
    "guards": {},
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2], "columns": ["a", "b"]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1], "role": "label"},
        {
            "name": "p", "datatype": "FP32", "shape": [-1, 2], "role": "scores",
            "classes": ["no", "yes"],
        },
        {"name": "set", "datatype": "INT64", "shape": [-1, 1]},
    ],
    "labels": {"yes": "Yes!"},
    "limits": {"max_rows": 10},
}  # fmt: skip
FOUND = {
    "label": np.array(["yes", "no"], object),
    "p": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
    "set": np.array([[7], [8]]),
}


def test_a_row_has_the_keys_and_the_names_that_it_has_over_http():
    verdicts = [{"decision": "serve", "reasons": []}, {"withheld": True, "decision": "reject"}]
    assert described(TOLD).rows(FOUND, verdicts) == [
        {"label": "Yes!", "scores": {"no": 0.25, "Yes!": 0.75}, "set_": 7,
         "decision": "serve", "reasons": []},
        {"label": None, "scores": None, "set_": None, "decision": "reject"},
    ]  # fmt: skip


def test_verdicts_are_asked_for_where_guards_give_them_alone():
    assert described(TOLD).wanted(["p"]) == ["p", "verdict"]
    assert described(TOLD).wanted([]) == ["label", "p", "set", "verdict"]
    assert described({**TOLD, "guards": "unlearnt"}).wanted([]) == []
    outputs = [{"name": "verdict", "datatype": "FP32", "shape": [-1, 1]}]
    assert described({**TOLD, "outputs": outputs}).wanted([]) == []


def test_answers_of_other_numbers_of_rows_are_not_believed():
    with pytest.raises(AnswerUnreadable):
        described(TOLD).rows({**FOUND, "p": FOUND["p"][:1]}, [{}, {}])
    with pytest.raises(AnswerUnreadable):
        described(TOLD).rows(FOUND, [{}])


@given(
    st.sampled_from([*TOLD]),
    st.none() | st.text(max_size=3) | st.integers() | st.lists(st.integers(), min_size=1),
)
def test_a_description_that_is_none_is_said(name, value):
    if name in ("name", "version", "guards"):
        value = [value] if name == "version" else None
    told = {key: one for key, one in TOLD.items() if key != name}
    if name in ("inputs", "outputs", "limits"):
        with pytest.raises(AnswerUnreadable):
            described(told | {name: value})
    if name != "labels":
        with pytest.raises(AnswerUnreadable):
            described(told)
