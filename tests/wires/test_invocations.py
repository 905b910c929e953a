"""`/invocations` and its kin, on a real server of one model, and what platforms choose."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from tests import models
from tests.processes import server as started

ROWS = [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 4.0, "b": 5.0, "c": 6.0}]
ANSWER = [{"value": 6.0}, {"value": 15.0}]


@pytest.fixture(scope="module")
def server(serving, tmp_path_factory) -> httpx.Client:
    folder = tmp_path_factory.mktemp("one")
    models.total(folder)
    return serving(folder)


def ask(server, body: Any, media: str = "application/json", accept: str = "") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": media} | ({"accept": accept} if accept else {})
    return server.post("/invocations", content=content, headers=headers)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


BODIES = {
    "instances": {"instances": ROWS},
    "lists": {"instances": [[1, 2, 3], [4, 5, 6]]},
    "records": {"dataframe_records": ROWS},
    "split": {"dataframe_split": {"columns": ["c", "a", "b"], "data": [[3, 1, 2], [6, 4, 5]]}},
    "columns": {"inputs": {"a": [1, 4], "b": [2, 5], "c": [3, 6]}},
    "tensor": {"inputs": {"x": [[1, 2, 3], [4, 5, 6]]}},
    "bare tensor": {"inputs": [[1, 2, 3], [4, 5, 6]]},
    "rows": {"rows": ROWS},
    "list": ROWS,
    "with params": {"instances": ROWS, "params": {"x": 1}},
}


@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_json_is_answered(server, name):
    answer = ask(server, BODIES[name])
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": ANSWER}


def test_lines_of_csv_are_answered_with_or_without_names(server):
    for body in (b"1,2,3\n4,5,6\n", b"a,b,c\n1,2,3\n4,5,6\n", b'"c","b","a"\r\n3,2,1\r\n6,5,4'):
        answer = ask(server, body, "text/csv; charset=utf-8", "text/csv")
        assert answer.headers["content-type"] == "text/csv"
        assert [float(line) for line in answer.text.split()] == [6.0, 15.0]
    assert ask(server, b"1,2,3\n", "text/csv").json() == {"predictions": ANSWER[:1]}


def test_a_line_of_json_is_answered_by_a_line(server):
    body = b"\n".join(json.dumps(row).encode() for row in ROWS)
    answer = ask(server, body, "application/jsonlines")
    assert [json.loads(line) for line in answer.text.splitlines()] == ANSWER


def test_arrays_come_and_go(server):
    for kind in ("f4", "f8", "i8"):
        body = npy(np.array([[1, 2, 3], [4, 5, 6]], kind))
        answer = ask(server, body, "application/x-npy", "application/x-npy")
        assert np.load(io.BytesIO(answer.content)).ravel().tolist() == [6.0, 15.0]
    assert ask(server, npy(np.asfortranarray(np.ones((2, 3)))), "application/x-npy").json() == {
        "predictions": [{"value": 3.0}] * 2
    }


def test_tensors_of_the_open_inference_protocol_are_answered_as_such(server):
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
    told = ask(server, {"inputs": [tensor]}).json()
    assert told["outputs"][0]["data"] == [6.0]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        ({}, "application/json", 400),
        ({"instances": ROWS, "inputs": {}}, "application/json", 400),
        ({"instances": []}, "application/json", 400),
        ({"instances": 5}, "application/json", 400),
        ({"instances": [{"a": 1}]}, "application/json", 400),
        ({"dataframe_split": {"columns": ["a"]}}, "application/json", 400),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "application/json", 400),
        ({"inputs": {"a": [1], "b": [1, 2], "c": [1]}}, "application/json", 400),
        ({"instances": ROWS, "params": 5}, "application/json", 400),
        (b"{", "application/json", 400),
        (b"5", "application/json", 400),
        (b"1,2\n", "text/csv", 400),
        (b"", "text/csv", 400),
        (b"x", "application/x-npy", 400),
        (npy(np.array([[1, 2]])), "application/x-npy", 400),
        (npy(np.array([["a", "b", "c"]])), "application/x-npy", 400),
        (npy(np.ones((1, 3)))[:-1], "application/x-npy", 400),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr':'|O'}  ", "application/x-npy", 400),
        (b"x", "image/png", 415),
        (b"{}", "application/json; charset=latin-1", 415),
    ],
    ids=lambda value: None,
)
def test_what_is_wrong_has_mlflows_shape(server, body, media, status):
    answer = ask(server, body, media)
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert answer.json()["message"]


def test_a_pickle_within_an_array_is_never_loaded(server):
    body = io.BytesIO()
    np.save(body, np.array([object()]), allow_pickle=True)
    assert ask(server, body.getvalue(), "application/x-npy").status_code == 400


def test_probes_are_answered_and_wrong_methods_are_not(server):
    for address in ("/ping", "/health"):
        answer = server.get(address)
        assert (answer.status_code, answer.text) == (200, "\n")
        assert server.post(address).status_code == 405
    assert server.get("/version").text
    assert server.get("/execution-parameters").json()["BatchStrategy"] == "MULTI_RECORD"
    assert server.get("/invocations").status_code == 405
    assert server.post("/score", json={"instances": ROWS}).json() == {"predictions": ANSWER}


def test_among_several_models_one_is_named_by_a_setting(small_models, tmp_path):
    with started(small_models, state=tmp_path / "a", workers=1) as running:
        assert running.asked("/invocations", body={"instances": ROWS})[0] == 400
    named = {"FAIRLEAD_MODELS__DEFAULT": "total"}
    with started(small_models, state=tmp_path / "b", workers=1, environ=named) as running:
        assert running.asked("/invocations", body={"instances": ROWS})[:2] == (
            200,
            {"predictions": ANSWER},
        )


def test_vertex_ai_chooses_port_and_addresses(tmp_path):
    models.picky(tmp_path / "models")
    route = "/v1/endpoints/7/deployedModels/8"
    environ = {"AIP_HEALTH_ROUTE": route, "AIP_PREDICT_ROUTE": route + ":predict"}
    with started(tmp_path / "models", state=tmp_path, workers=1, environ=environ) as running:
        assert running.get(route)[0] == 200
        status, told, _ = running.asked(route + ":predict", body={"instances": [2.0, 0]})
        assert (status, told) == (200, {"predictions": [{"value": 20}, {"value": 0}]})
        assert running.asked(route + ":predict", body={"instances": [1.5]})[0] == 400
        assert running.asked("/v1/models/picky:predict", body={"instances": [2]})[0] == 200
