"""OpenAPI and .proto files, on a real server: what they say is what happens."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from fairlead.protos.pool import sources


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


@pytest.fixture(scope="module")
def described(server) -> dict[str, Any]:
    return server.get("/openapi.json").json()


def test_every_address_is_described_once(described):
    assert described["openapi"] == "3.1.0"
    names = [op["operationId"] for item in described["paths"].values() for op in item.values()]
    assert len({*names}) == len(names)
    assert {"/predict/{model}", "/v2/models/{model}/infer", "/v1/models/{model}:predict"} <= {
        *described["paths"]
    }
    for path, item in described["paths"].items():
        for operation in item.values():
            wanted = {*re.findall(r"\{(\w+)\}", path)}
            told = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert told == wanted


def test_a_model_is_described_with_a_request_that_works(server):
    told = server.get("/models/total/openapi.json").json()
    assert "/predict/total" in told["paths"]
    schema = told["components"]["schemas"]["rows.total"]
    [example] = schema["examples"]
    Draft202012Validator(schema).validate(example)
    assert server.post("/predict/total", json=example).status_code == 200
    assert not Draft202012Validator(schema).is_valid({"rows": [{"a": 1}]})


@pytest.mark.parametrize(
    "body",
    [{"columns": {"a": [1, 2], "b": [2, 3], "c": [3, 4]}, "outputs": ["value"]}, {"a": 1}],
    ids=["columns", "a column too few"],
)
def test_a_body_is_valid_as_described_where_it_is_taken(server, body):
    whole = server.get("/models/total/openapi.json").json()["components"]["schemas"]["rows.total"]
    taken = server.post("/predict/total", json=body).status_code == 200
    assert Draft202012Validator(whole).is_valid(body) is taken is ("columns" in body)


@pytest.mark.parametrize(("model", "has"), [("total", True), ("mixed", True), ("grid", False)])
def test_columns_are_declared_where_a_model_has_them(server, described, model, has):
    kinds = described["components"]["schemas"][f"rows.{model}"]["anyOf"]
    assert (["columns"] in [kind.get("required") for kind in kinds]) is has
    refusal = server.post(f"/predict/{model}", json={"columns": {}}).json()
    assert ("no columns" in refusal["detail"]) is not has


def test_headers_of_limits_are_declared(described):
    answers = described["paths"]["/predict/{model}"]["post"]["responses"]
    assert {"RateLimit", "RateLimit-Policy"} <= {*answers["200"]["headers"]}
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= {*answers["429"]["headers"]}
    assert "Retry-After" in answers["503"]["headers"]


BAD = [
    ("POST", "/predict/{model}", "/predict/total", b"{"),
    ("POST", "/predict/{model}", "/predict/nobody", b"{}"),
    ("POST", "/predict/{model}", "/predict/total", b'{"rows": []}'),
    ("POST", "/v2/models/{model}/infer", "/v2/models/total/infer", b"[]"),
    ("POST", "/v2/models/{model}/infer", "/v2/models/nobody/infer", b"{}"),
    ("POST", "/v1/models/{model}:predict", "/v1/models/total:predict", b"{}"),
    ("POST", "/v1/models/{model}:explain", "/v1/models/total:explain", b"{}"),
    ("POST", "/v1/models/{model}:predict", "/v1/models/nobody:predict", b"{}"),
    ("POST", "/invocations", "/invocations", b"{}"),
    ("POST", "/feedback/{model}", "/feedback/total", b"{}"),
    ("GET", "/models/{model}", "/models/nobody", b""),
    ("GET", "/protos/{name}", "/protos/none.proto", b""),
    ("GET", "/usage", "/usage?by=nothing", b""),
]


@pytest.mark.parametrize(("method", "path", "address", "body"), BAD)
def test_an_error_is_as_it_is_declared(server, described, method, path, address, body):
    answer = server.request(method, address, content=body)
    assert answer.status_code >= 400
    declared = described["paths"][path][method.lower()]["responses"][str(answer.status_code)]
    media = answer.headers["content-type"]
    schema = declared["content"][media]["schema"]
    whole = {**schema, "components": described["components"]}
    Draft202012Validator(whole).validate(answer.json())


def test_proto_files_are_there_to_take(server):
    assert server.get("/protos").json() == {"protos": sources()}
    assert "service GRPCInferenceService" in server.get("/protos/inference.proto").text
    for name in ("pool.py", "none.proto", "..%2fpool.py"):
        assert server.get(f"/protos/{name}").status_code == 404
