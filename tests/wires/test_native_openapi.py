"""OpenAPI and .proto files, on a real server: what they say is what happens."""

from __future__ import annotations

import re

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.wires.described import Described

from fairlead.protos.pool import sources


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


@pytest.fixture(scope="module")
def described(server) -> Described:
    return Described(server.get("/openapi.json").json())


def of(server: httpx.Client, model: str) -> Described:
    return Described(server.get(f"/models/{model}/openapi.json").json())


def test_every_address_is_described_once(described):
    assert described.document["openapi"] == "3.1.0"
    names = [op["operationId"] for item in described.paths.values() for op in item.values()]
    assert len({*names}) == len(names)
    assert {"/predict/{model}", "/v2/models/{model}/infer", "/v1/models/{model}:predict"} <= {
        *described.paths
    }
    for path, item in described.paths.items():
        for operation in item.values():
            wanted = {*re.findall(r"\{(\w+)\}", path)}
            given = operation["parameters"]
            assert {p["name"] for p in given if p.get("in") == "path"} == wanted


@pytest.mark.parametrize("model", ["", "total", "mixed", "grid", "fixed", "shout", "classifier"])
def test_a_document_is_openapi_3_1(server, model):
    address = f"/models/{model}/openapi.json" if model else "/openapi.json"
    OpenAPIV31SpecValidator(server.get(address).json()).validate()


def test_a_document_holds_no_schema_that_nothing_names(server):
    told = of(server, "total")
    text = str(told.document)
    assert [n for n in told.schemas if f"#/components/schemas/{n}'" not in text] == []


@pytest.mark.parametrize("model", ["total", "mixed", "grid", "shout", "classifier", "open"])
def test_a_model_is_described_with_a_request_that_works(server, model):
    told = of(server, model)
    for path, name in (
        (f"/predict/{model}", "rows"),
        (f"/v2/models/{model}/infer", "tensors"),
        (f"/v2/models/{model}/generate", "flat"),
        (f"/v1/models/{model}:predict", "instances"),
    ):
        [example] = told.schemas[f"{name}.{model}"]["examples"]
        assert told.requested("POST", path, example)
        answer = server.post(path, json=example)
        assert answer.status_code == 200, answer.text
        told.check("POST", path, answer)
    [row] = told.schemas[f"row.{model}"]["examples"]
    assert told.valid(f"row.{model}", row)


@pytest.mark.parametrize(
    ("model", "verbs"),
    [("total", {"predict", "regress"}), ("classifier", {"predict", "classify"}),
     ("grid", {"predict"})],
)  # fmt: skip
def test_a_model_is_described_where_it_can_answer(server, model, verbs):
    told = of(server, model)
    start = f"/v1/models/{model}:"
    assert {path.removeprefix(start) for path in told.paths if path.startswith(start)} == verbs
    for verb in {*verbs} - {"predict"}:
        [example] = told.schemas[f"examples.{model}"]["examples"]
        answer = server.post(start + verb, json=example)
        assert answer.status_code == 200
        told.check("POST", start + verb, answer)


def test_a_model_without_rows_is_described_by_its_tensors(server):
    told = of(server, "fixed")
    assert [path for path in told.paths if path.startswith("/predict")] == []
    [example] = told.schemas["tensors.fixed"]["examples"]
    told.check(
        "POST", "/v2/models/fixed/infer", server.post("/v2/models/fixed/infer", json=example)
    )


A, B = {"a": 1, "b": 2, "c": 3}, {"left": 1.5, "right": 2, "count": 2, "colour": "red"}
BODIES = [
    ("total", A),
    ("total", [A, A]),
    ("total", [1, 2, 3]),
    ("total", [[1, 2, 3], [1, 2, 3]]),
    ("total", {"rows": [A], "outputs": ["value"]}),
    ("total", {"columns": {"a": [1, 2], "b": [2, 3], "c": [3, 4]}, "outputs": ["value"]}),
    ("total", {"a": 1}),
    ("total", {**A, "d": 1}),
    ("total", [1, 2]),
    ("total", {"rows": []}),
    ("total", {"rows": [A], "more": 1}),
    ("total", {**A, "a": None}),
    ("total", {**A, "a": "1"}),
    ("total", [A] * 10_001),
    ("gaps", {**A, "a": None}),
    ("mixed", B),
    ("mixed", {**B, "count": 2.5}),
    ("mixed", {**B, "count": 1 << 63}),
    ("mixed", {**B, "colour": None}),
    ("mixed", [1.5, 2, 2, "red"]),
    ("shout", "no"),
    ("shout", ["yes", "yes"]),
    ("identity_uint8", {"x[0]": 0, "x[1]": 255, "x[2]": 1, "x[3]": 1}),
    ("identity_uint8", {"x[0]": 0, "x[1]": 256, "x[2]": 1, "x[3]": 1}),
    ("identity_int8", [-128, 127, 0, 0]),
    ("identity_int8", [-129, 127, 0, 0]),
    ("grid", {"x": [[1, 2], [3, 4]]}),
    ("grid", [[[1, 2], [3, 4]]]),
    ("grid", {"x": [[1, 2], [3]]}),
]


@pytest.mark.parametrize(("model", "body"), BODIES, ids=lambda value: str(value)[:40])
def test_a_body_is_valid_as_described_where_it_is_taken(server, model, body):
    told = of(server, model)
    answer = server.post(f"/predict/{model}", json=body)
    assert answer.status_code in (200, 400, 413)
    assert told.requested("POST", f"/predict/{model}", body) is (answer.status_code == 200)
    told.check("POST", f"/predict/{model}", answer)


@pytest.mark.parametrize(("model", "has"), [("total", True), ("mixed", True), ("grid", False)])
def test_columns_are_declared_where_a_model_has_them(server, described, model, has):
    kinds = described.schemas[f"rows.{model}"]["anyOf"]
    assert (["columns"] in [kind.get("required") for kind in kinds]) is has
    refusal = server.post(f"/predict/{model}", json={"columns": {}}).json()
    assert ("no columns" in refusal["detail"]) is not has


def test_headers_are_declared(described, server):
    def headers(status: int) -> set[str]:
        return {*described.declared("POST", "/predict/{model}", status)["headers"]}

    assert {"RateLimit", "RateLimit-Policy", "Fairlead-Usage-Id"} <= headers(200)
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= headers(429)
    assert "Retry-After" in headers(503)
    assert "WWW-Authenticate" in headers(401)
    assert "fairlead-usage-id" in server.post("/predict/total", json=A).headers


@pytest.mark.parametrize(("path", "needs"), [("/predict/{model}", True), ("/livez", False)])
def test_what_needs_no_key_is_declared_so(described, path, needs):
    [operation] = described.paths[path].values()
    assert ("security" not in operation) is needs
    assert ("401" in operation["responses"]) is needs


def test_another_version_may_take_other_rows(serving, tmp_path):
    from tests import models

    models.total(tmp_path, version=1)
    models.classifier(tmp_path, "total", version=2)
    client = serving(tmp_path)
    told = of(client, "total")
    versioned = "/predict/total/versions/{version}"
    assert told.requested("POST", versioned, A)
    assert not told.requested("POST", "/predict/total", A)
    told.check("POST", versioned, client.post("/predict/total/versions/1", json=A))


def test_the_only_model_is_described_where_none_is_named(serving, tmp_path, described):
    from tests import models

    models.total(tmp_path)
    told = Described(serving(tmp_path).get("/openapi.json").json())
    at = told.paths["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    assert "invocation.total" in str(at)
    at = described.paths["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    assert "invocation.total" not in str(at)


def test_proto_files_are_there_to_take(server):
    assert server.get("/protos").json() == {"protos": sources()}
    assert "service GRPCInferenceService" in server.get("/protos/inference.proto").text
    for name in ("pool.py", "none.proto", "..%2fpool.py"):
        assert server.get(f"/protos/{name}").status_code == 404
