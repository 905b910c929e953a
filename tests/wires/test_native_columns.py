"""`/predict` with rows column by column, on a real server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

TOTAL = {"a": [1, 4.5], "b": [2, 5], "c": [3, 6]}
MIXED = {
    "left": [1, 2],
    "right": [3, 4],
    "count": [2, 3.0],
    "colour": ["red", "blue"],
}


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


def ask(server, model: str, columns: Any, **more: Any) -> tuple[int, Any]:
    answer = server.post(f"/predict/{model}", json={"columns": columns, **more})
    return answer.status_code, answer.json()


def test_columns_are_answered_as_their_rows_would_be(server):
    status, told = ask(server, "total", TOTAL)
    assert status == 200
    rows = [dict(zip(TOTAL, row, strict=True)) for row in zip(*TOTAL.values(), strict=True)]
    assert told == server.post("/predict/total", json={"rows": rows}).json()
    assert [one["value"] for one in told["predictions"]] == [6.0, 15.5]


def test_columns_of_several_inputs_and_types_are_told_apart(server):
    status, told = ask(server, "mixed", MIXED)
    assert status == 200, told
    assert [(one["value"], one["paint"]) for one in told["predictions"]] == [
        (8.0, "red"),
        (18.0, "blue"),
    ]


def test_what_is_missing_is_null_where_the_model_takes_that(server):
    told = ask(server, "gaps", {"a": [1, None], "b": [2, 5], "c": [None, None]})[1]
    assert [one["absent"] for one in told["predictions"]] == [1.0, 2.0]


def test_outputs_may_be_chosen(server):
    told = ask(server, "mixed", MIXED, outputs=["value"])[1]
    assert "paint" not in told["predictions"][0]


@pytest.mark.parametrize(
    ("columns", "row", "column"),
    [
        (TOTAL | {"d": [1, 2]}, None, "d"),
        ({"a": [1], "b": [2]}, None, "c"),
        (TOTAL | {"a": [1]}, None, "b"),
        (TOTAL | {"a": 5}, None, "a"),
        (TOTAL | {"a": []}, None, "a"),
        (TOTAL | {"c": [3, "x"]}, 1, "c"),
        (TOTAL | {"c": [3, None]}, 1, "c"),
        (TOTAL | {"c": [3, True]}, 1, "c"),
        (TOTAL | {"c": [3, 1e39]}, 1, "c"),
        (TOTAL | {"c": [3, [1]]}, 1, "c"),
    ],
    ids=lambda value: None,
)
def test_what_is_wrong_names_its_row_and_column(server, columns, row, column):
    status, told = ask(server, "total", columns)
    assert status == 400
    assert (told.get("row"), told.get("column")) == (row, column)


def test_what_does_not_belong_there_is_refused(server):
    assert ask(server, "total", [1, 2])[0] == 400
    assert ask(server, "total", TOTAL, more=1)[0] == 400
    assert ask(server, "grid", {"x": [1]})[0] == 400
    many = {name: [1] * 10_001 for name in "abc"}
    assert ask(server, "total", many)[0] == 413
