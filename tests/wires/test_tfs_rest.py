"""TensorFlow Serving's REST API and KServe's v1 protocol, on a real server."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx
import pytest
from tests.models import commit, node, spec

from fairlead.core.signature import Signature

ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
MIXED = {"numbers": [1, 2], "count": 3, "colour": "red"}


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


@pytest.fixture(scope="module")
def open_server(serving, tmp_path_factory) -> httpx.Client:
    """A model that takes and gives whatever a float can be, and one with two values a row."""
    folder = tmp_path_factory.mktemp("plain")
    x, y = (spec(name, "FP32", (-1, 1), missing=True) for name in "xy")
    commit(folder, "plain", Signature((x,), (y,)), [node("Identity", "x", "y")])
    a, b = spec("a", "FP32", (-1, 2), columns=("k", "l")), spec("b", "FP32", (-1, 2), role="value")
    commit(folder, "pair", Signature((a,), (b,)), [node("Identity", "a", "b")])
    value = spec("value", "FP32", (-1, 1), role="value", missing=True)
    commit(folder, "regressor", Signature((x,), (value,)), [node("Identity", "x", "value")])
    return serving(folder)


def ask(server, address: str, body: Any = None) -> tuple[int, Any]:
    path = f"/v1/models/{address}"
    answer = server.get(path) if body is None else server.post(path, json=body)
    return answer.status_code, answer.json()


def test_rows_are_answered_by_rows_and_columns_by_columns(server):
    rows, model = ROWS, "identity_fp32"
    assert ask(server, f"{model}:predict", {"instances": rows}) == (200, {"predictions": rows})
    assert ask(server, f"{model}:predict", {"inputs": rows}) == (200, {"outputs": rows})
    named = [{"x": row} for row in rows]
    assert ask(server, f"{model}:predict", {"instances": named}) == (200, {"predictions": rows})
    assert ask(server, f"{model}:predict", {"inputs": {"x": rows}}) == (200, {"outputs": rows})
    for version in ("versions/1", "labels/stable"):
        body = {"instances": rows, "signature_name": "serving_default"}
        assert ask(server, f"{model}/{version}:predict", body)[1] == {"predictions": rows}


def test_floats_keep_their_point_and_whole_numbers_have_none(server):
    answer = server.post("/v1/models/identity_fp32:predict", json={"instances": [[1, 2, 3, 4]]})
    assert b"[1.0,2.0,3.0,4.0]" in answer.content
    answer = server.post("/v1/models/identity_int8:predict", json={"instances": [[1, 2, 3, 4]]})
    assert b"[1,2,3,4]" in answer.content


def test_inputs_mean_what_kserve_says_for_models_that_are_named_so(serving, small_models, tmp_path):
    settings = tmp_path / "fairlead.toml"
    settings.write_text('[models]\nkserve_inputs = ["identity_fp32"]\n')
    client = serving(small_models, config=settings)
    columns = {"inputs": ROWS}
    assert ask(client, "identity_fp32:predict", columns) == (200, {"predictions": ROWS})
    assert ask(client, "identity_fp32:predict", {"inputs": {"x": ROWS}})[0] == 400
    assert ask(client, "identity_fp64:predict", columns) == (200, {"outputs": ROWS})


def test_several_inputs_come_and_go_by_name(server):
    one = {"value": [9.0], "paint": ["red"]}
    assert ask(server, "mixed:predict", {"instances": [MIXED, MIXED]})[1] == {
        "predictions": [one, one]
    }
    columns = {"numbers": [[1, 2]], "count": [[3]], "colour": ["red"]}
    assert ask(server, "mixed:predict", {"inputs": columns})[1] == {
        "outputs": {"value": [[9.0]], "paint": [["red"]]}
    }


def test_rows_may_name_columns(server):
    rows = [{"a": 1, "b": 2, "c": 3}]
    assert ask(server, "total:predict", {"instances": rows})[1] == {"predictions": [[6.0]]}


def test_a_model_without_rows_takes_columns(server):
    x = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    y = [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert ask(server, "fixed:predict", {"inputs": x}) == (200, {"outputs": y})
    assert ask(server, "fixed:predict", {"instances": [x]})[0] == 400


def test_text_may_come_as_base64(server):
    given = {"b64": b64encode("grün".encode()).decode()}
    for instance in (given, [given], {"text": given}):
        assert ask(server, "shout:predict", {"instances": [instance]})[1] == {
            "predictions": [["grün!"]]
        }


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"instances": ROWS, "inputs": ROWS},
        {"instances": []},
        {"instances": {}},
        {"instances": [[1, 2, 3]]},
        {"instances": [[1, 2, 3, 4], [1, 2, 3]]},
        {"instances": [[1, 2, 3, "x"]]},
        {"instances": [[1, 2, 3, None]]},
        {"instances": [{"x": ROWS[0]}, {"y": ROWS[0]}]},
        {"instances": [{"x": ROWS[0]}, ROWS[0]]},
        {"inputs": {"y": ROWS}},
        {"inputs": []},
        {"inputs": 5},
        {"instances": ROWS, "signature_name": "other"},
    ],
    ids=lambda value: None,
)
def test_what_is_wrong_is_a_400_with_words(server, body):
    status, told = ask(server, "identity_fp32:predict", body)
    assert status == 400
    assert told["error"]


@pytest.mark.parametrize("text", [{"b64": "*"}, {"b64": "/w=="}, {"b64": 1}, {"x": "y"}, 3])
def test_a_text_that_is_none_is_refused(server, text):
    assert ask(server, "shout:predict", {"instances": [[text]]})[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/total:predict", 400),
        ("POST", "/v1/models/total", 400),
        ("GET", "/v1/models/total/nothing", 400),
        ("POST", "/v1/models/total:nothing", 400),
        ("GET", "/v1", 400),
        ("GET", "/v1/models/nobody", 404),
        ("POST", "/v1/models/nobody:predict", 404),
        ("GET", "/v1/models/total/versions/9", 404),
        ("POST", "/v1/models/total/labels/canary:predict", 400),
    ],
)
def test_addresses_that_are_not_there(server, method, path, status):
    answer = server.request(method, path, json={"instances": [[1, 2, 3]]})
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


def test_addresses_do_not_mind_capitals(server):
    answer = server.post("/v1/Models/identity_fp32:PREDICT", json={"instances": ROWS})
    assert answer.status_code == 200


def test_status_satisfies_both_protocols(server):
    status, told = ask(server, "total")
    assert status == 200
    assert (told["name"], told["ready"]) == ("total", True)
    [version] = told["model_version_status"]
    assert version["version"] == "1"
    assert version["state"] == "AVAILABLE"
    assert version["status"] == {"error_code": "OK", "error_message": ""}
    assert "total" in server.get("/v1/models").json()["models"]


def test_metadata_is_a_signature(server):
    told = ask(server, "identity_fp32/metadata")[1]
    assert told["model_spec"] == {"name": "identity_fp32", "signature_name": "", "version": "1"}
    found = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert found["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert [d["size"] for d in found["inputs"]["x"]["tensor_shape"]["dim"]] == ["-1", "4"]


def test_examples_are_classified_and_regressed(server):
    example = {"length": 9.0, "width": [0.0], "height": 0.0, "weight": 0.0}
    body = {"context": {"weight": 0.0}, "examples": [example]}
    status, told = ask(server, "classifier:classify", body)
    assert status == 200
    assert [label for label, _ in told["results"][0]] == ["red", "green", "blue"]
    body = {"context": {"a": 1}, "examples": [{"b": 2, "c": 3}, {"b": 20, "c": 30}]}
    assert ask(server, "total:regress", body) == (200, {"results": [6.0, 51.0]})


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("total:classify", {"examples": [{"a": 1, "b": 2, "c": 3}]}),
        ("classifier:regress", {"examples": [{"length": 1}]}),
        ("total:regress", {"examples": []}),
        ("total:regress", {"examples": [[1, 2, 3]]}),
        ("total:regress", {"examples": [{"a": [1, 2], "b": 1, "c": 1}]}),
        ("total:regress", {"examples": [{"a": 1}], "context": 5}),
        ("grid:regress", {"examples": [{"x": 1}]}),
    ],
    ids=lambda value: None,
)
def test_examples_that_do_not_fit_are_refused(server, address, body):
    status, told = ask(server, address, body)
    assert status == 400
    assert told["error"]


def test_there_is_no_explainer(server):
    assert ask(server, "total:explain", {"instances": [[1, 2, 3]]})[0] == 501


def test_predictions_of_many_callers_are_joined_and_told_apart(server):
    for number in range(50):
        rows = [[number, 0, 0, 0]] * (1 + number % 3)
        found = ask(server, "identity_fp32:predict", {"instances": rows})[1]["predictions"]
        assert found == [[float(number), 0.0, 0.0, 0.0]] * len(rows)


def test_the_one_signature_may_go_by_its_methods_name(server):
    """As the pages of TensorFlow Serving ask their half_plus_three."""
    body = {"signature_name": "tensorflow/serving/regress", "examples": [{"a": 1, "b": 2, "c": 3}]}
    assert ask(server, "total:regress", body) == (200, {"results": [6.0]})
    assert ask(server, "total:regress", body | {"signature_name": "regress"})[0] == 400


@pytest.mark.parametrize(
    ("word", "told"),
    [("NaN", b"NaN"), ("Infinity", b"Infinity"), ("-Infinity", b"-Infinity")],
)
def test_words_for_what_is_no_number_come_and_go(open_server, word, told):
    body = b'{"signature_name": "serving_default", "instances": [[1.0], [%b]]}' % word.encode()
    answer = open_server.post("/v1/models/plain:predict", content=body)
    assert (answer.status_code, answer.content) == (200, b'{"predictions":[[1.0],[%b]]}' % told)
    body = body.replace(b"instances", b"inputs")
    answer = open_server.post("/v1/models/plain:predict", content=body)
    assert answer.content == b'{"outputs":[[1.0],[%b]]}' % told


@pytest.mark.parametrize("text", ['["NaN"]', "[NaNN]", "[+NaN]", "[-NaN]", "[infinity]", "[NaN"])
def test_only_the_three_words_stand_for_numbers(open_server, text):
    body = f'{{"instances": [{text}]}}'
    assert open_server.post("/v1/models/plain:predict", content=body).status_code == 400


def test_a_feature_may_be_text_as_base64(server):
    example = {"left": 1.0, "right": [2.0], "count": 3}
    for colour in ("red", ["red"], {"b64": "cmVk"}, [{"b64": "cmVk"}]):
        body = {"examples": [example | {"colour": colour}]}
        assert ask(server, "mixed:regress", body) == (200, {"results": [9.0]})
    for colour in ({"b64": "/w=="}, {"b64": "*"}, {"b64": 1}, {"x": "y"}):
        status, told = ask(server, "mixed:regress", {"examples": [example | {"colour": colour}]})
        assert status == 400
        assert "colour" in told["error"]


def test_several_values_a_row_are_no_regression(open_server):
    status, told = ask(open_server, "pair:regress", {"examples": [{"k": 1.0, "l": 2.0}]})
    assert status == 400
    assert "Expected regression signature" in told["error"]


def test_what_is_regressed_may_be_no_number(open_server):
    body = b'{"examples": [{"x": NaN}, {"x": -Infinity}, {"x": 1.5}]}'
    answer = open_server.post("/v1/models/regressor:regress", content=body)
    assert answer.content == b'{"results":[NaN,-Infinity,1.5]}'
