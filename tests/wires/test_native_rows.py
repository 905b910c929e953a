"""Predictions for people: rows in, one answer per row out, over a real server."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import models

UNGUARDED = {"decision": "serve", "reasons": ["unguarded"]}
FLOATS = st.floats(-1e6, 1e6, width=32)
FLOWER = dict(zip(models.FEATURES, [1.0, 2.0, 3.0, 4.0], strict=True))


@pytest.fixture(scope="module")
def server(serving, small_models):
    return serving(small_models)


@pytest.fixture(scope="module")
def worded(serving, tmp_path_factory):
    """Models whose owners have given names and limits of their own."""
    folder = tmp_path_factory.mktemp("worded")
    words = '[labels]\nred = "rot"\ngreen = "grün \\"%s\\""\n\n[limits]\nmax_rows = 3\n'
    models.classifier(folder, words=words)
    models.total(folder, words='[labels]\n"1" = "one"\n')
    return serving(folder)


def predictions(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def problem(answer, code, status=400):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return body


def test_every_row_has_label_scores_and_decision(server):
    answer = server.post("/predict/classifier", json=[FLOWER, {**FLOWER, "length": 9}])
    body = answer.json()
    assert (body["model"], body["version"]) == ("classifier", 1)
    first, second = predictions(answer)
    logits = np.array([1, 2, 3], np.float32)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert first.keys() == {"label", "scores", "decision", "reasons"}
    assert first["label"] == "blue"
    assert list(first["scores"]) == list(models.CLASSES)
    assert list(first["scores"].values()) == pytest.approx(expected, abs=1e-6)
    assert second["label"] == "red"
    assert {k: first[k] for k in UNGUARDED} == UNGUARDED


def test_a_regression_has_a_value(server):
    assert predictions(server.post("/predict/total", json=[[1, 2, 3], [4, 5, 6.5]])) == [
        {"value": 6.0, **UNGUARDED},
        {"value": 15.5, **UNGUARDED},
    ]


@given(
    st.lists(
        st.tuples(FLOATS, FLOATS, st.integers(-99, 99), st.text('a"\\é', max_size=3)),
        min_size=1,
        max_size=20,
    )
)  # fmt: skip
def test_many_rows_are_answered_in_their_order(server, rows):
    names = ("left", "right", "count", "colour")
    sent = [dict(zip(names, row, strict=True)) for row in rows]
    found = predictions(server.post("/predict/mixed", json={"rows": sent}))
    assert [f["paint"] for f in found] == [row[3] for row in rows]
    sums = [np.float32(np.float32(a) + np.float32(b)) * np.float32(c) for a, b, c, _ in rows]
    assert [np.float32(f["value"]) for f in found] == sums


def test_an_output_of_several_numbers_is_a_list(server):
    row = [1, 2, 3, 4]
    (found,) = predictions(server.post("/predict/identity_int8", json=row))
    assert found == {"y": row, **UNGUARDED}
    (found,) = predictions(server.post("/predict/open", json=[[1, 2.5]]))
    assert found == {"y": [1.0, 2.5], "value": 3.5, **UNGUARDED}
    (found,) = predictions(server.post("/predict/identity_bytes", json=["a", "", 'c"', "d,e"]))
    assert found["y"] == ["a", "", 'c"', "d,e"]


def test_rows_that_are_no_table_go_by_input(server):
    cells = [[1, 2], [3, 4]]
    assert (
        predictions(server.post("/predict/grid", json=[cells, {"x": cells}]))
        == [{"value": 10.0, **UNGUARDED}] * 2
    )


def test_missing_values_are_null_or_an_empty_cell(server):
    found = predictions(server.post("/predict/gaps", json=[[1, None, 3]]))
    assert (found[0]["value"], found[0]["absent"]) == (4.0, 1)
    csv = server.post(
        "/predict/gaps", content="a,b,c\n1,,3\n", headers={"content-type": "text/csv"}
    )
    assert predictions(csv) == found


@pytest.mark.parametrize(
    "media", ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV", "application/csv"]
)
def test_a_csv_is_answered_row_by_row(server, media):
    body = b"c,a,b\n3,1,2\n6,4,5\n"
    answer = server.post("/predict/total", content=body, headers={"content-type": media})
    assert [p["value"] for p in predictions(answer)] == [6.0, 15.0]


@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/ld+json; charset=utf-8",
        "text/json",
    ],
)
def test_json_needs_no_content_type(server, media):
    head = {} if media is None else {"content-type": media}
    answer = server.post("/predict/total", content=b"[1,2,3]", headers=head)
    assert predictions(answer)[0]["value"] == 6.0


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "image/png",
        "application/octet-stream",
        "application/python-pickle",
        "x" * 900,
    ],
)
def test_another_content_type_is_refused(server, media):
    answer = server.post("/predict/total", content=b"[1,2,3]", headers={"content-type": media})
    assert len(problem(answer, "MEDIA_TYPE_UNSUPPORTED", 415)["detail"]) < 150


def test_outputs_may_be_chosen_in_the_address_and_in_the_body(server):
    row = FLOWER
    for answer in (
        server.post("/predict/classifier?outputs=label", json=row),
        server.post("/predict/classifier", json={"rows": [row], "outputs": ["label"]}),
    ):
        assert predictions(answer) == [{"label": "blue", **UNGUARDED}]
    both = server.post("/predict/classifier?outputs=scores,label", json=row)
    assert list(predictions(both)[0])[:2] == ["scores", "label"]


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("?outputs=nothing", [FLOWER], "UNKNOWN_NAME"),
        ("?outputs=label,label", [FLOWER], "DUPLICATE_NAME"),
        ("?output=label", [FLOWER], "PARAMETER_INVALID"),
        ("?x", [FLOWER], "PARAMETER_INVALID"),
        ("", {"rows": [FLOWER], "outputs": ["nothing"]}, "UNKNOWN_NAME"),
        ("", {"rows": [FLOWER], "outputs": "label"}, "PARAMETER_INVALID"),
        ("", {"rows": [FLOWER], "outputs": [1]}, "PARAMETER_INVALID"),
        ("", {"rows": [FLOWER], "more": 1}, "UNKNOWN_NAME"),
    ],
)
def test_outputs_that_are_not_there_are_refused(server, query, body, code):
    problem(server.post(f"/predict/classifier{query}", json=body), code)


def test_an_error_names_row_and_column(server):
    rows = [FLOWER, {**FLOWER, "width": "wide"}]
    body = problem(server.post("/predict/classifier", json=rows), "DTYPE_MISMATCH")
    assert (body["row"], body["column"]) == (1, "width")
    assert body["where"] == "row 1, column 'width'"


def test_a_row_that_the_model_cannot_answer_is_said(server):
    body = problem(server.post("/predict/logs", json=[1.0, -1.0]), "MODEL_BAD_ANSWER", 500)
    assert body["detail"] == "output 'value' holds NaN or infinity"
    problem(server.post("/predict/picky", json=[0, 7]), "MODEL_ERROR", 500)


def test_a_model_without_rows_is_asked_in_tensors(server):
    body = problem(server.post("/predict/fixed", json=[1]), "PARAMETER_INVALID")
    assert body["fix"] == "POST /v2/models/fixed/infer"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BODY_MALFORMED"),
        (b"{", "BODY_MALFORMED"),
        (b"[]", "MISSING_FIELD"),
        (b'{"rows":[]}', "MISSING_FIELD"),
        (b"5", "BODY_MALFORMED"),
        (b'{"a":1,"b":2,"c":3,"a":4}', "DUPLICATE_NAME"),
        (b'{"a":1,"b":2}', "MISSING_FIELD"),
        (b'{"a":1,"b":2,"c":3,"d":4}', "UNKNOWN_NAME"),
        (b"[1,2]", "SHAPE_INVALID"),
        (b"[1,2,NaN]", "BODY_MALFORMED"),
        (b"[1,2,1e999]", "BODY_MALFORMED"),
        (b"[1,2,1e39]", "DTYPE_RANGE"),
        (b"[1,2,null]", "NOT_FINITE"),
        (b'[1,2,"\\u0000"]', "TEXT_INVALID"),
    ],
)
def test_a_bad_body_is_refused_with_its_reason(server, body, code):
    problem(server.post("/predict/total", content=body), code)


def test_too_many_rows_are_refused(server):
    rows = [[1, 2, 3]] * 10_001
    body = problem(server.post("/predict/total", json=rows), "TOO_MANY_ROWS", 413)
    assert "10000 is the limit" in body["detail"]
    assert len(predictions(server.post("/predict/total", json=rows[1:]))) == 10_000


def test_the_owners_limit_and_names_of_labels_hold(worded):
    (found,) = predictions(worded.post("/predict/classifier", json=[9, 2, 3, 4]))
    assert found["label"] == "rot"
    assert list(found["scores"]) == ["rot", 'grün "%s"', "blue"]
    four = worded.post("/predict/classifier", json=[[9, 2, 3, 4]] * 4)
    problem(four, "TOO_MANY_ROWS", 413)
    body = "length,width,height,weight\n" + "1,2,3,4\n" * 4
    csv = worded.post("/predict/classifier", content=body, headers={"content-type": "text/csv"})
    problem(csv, "TOO_MANY_ROWS", 413)


def test_two_outputs_of_one_role_keep_their_names(serving, tmp_path):
    """An object may hold a key only once."""
    signature = models.Signature(
        (models.spec("x", "FP32", (-1, 1)),),
        (
            models.spec("low", "FP32", (-1, 1), role="value"),
            models.spec("high", "FP32", (-1, 1), role="value"),
            models.spec("decision", "FP32", (-1, 1)),
        ),
    )
    nodes = [models.node("Identity", "x", name) for name in ("low", "high", "decision")]
    models.commit(tmp_path, "range", signature, nodes)
    answer = serving(tmp_path).post("/predict/range", json=[1.5])
    pairs = json.loads(answer.text, object_pairs_hook=list)
    row = dict(pairs)["predictions"][0]
    assert [k for k, _ in row] == ["low", "high", "decision_", "decision", "reasons"]
