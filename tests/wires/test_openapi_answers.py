"""Every answer of a real server is as its OpenAPI document declares it: status, type and body."""

from __future__ import annotations

import json
from itertools import product

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tests.wires.described import Described

import fairlead
from fairlead.packages.read import read_verified
from fairlead.packing.amend import amend


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


@pytest.fixture(scope="module")
def described(server) -> Described:
    return Described(server.get("/openapi.json").json())


ROW = {"length": 5.0, "width": 1.0, "height": 2.0, "weight": 0.5}
TENSOR = {"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [5, 1, 2, 0.5] * 2}
NAMED = {"model": "classifier", "version": "1", "label": "stable"}
BODIES = {
    "/predict/{model}": {"rows": [ROW]},
    "/v2/models/{model}/infer": {"id": "7", "inputs": [TENSOR]},
    "/v2/models/{model}/infer_stream": {"inputs": [TENSOR]},
    "/v2/models/{model}/generate": {"x": [5, 1, 2, 0.5]},
    "/v2/models/{model}/generate_stream": {"x": [5, 1, 2, 0.5]},
    "/v1/models/{model}:predict": {"instances": [ROW]},
    "/v1/models/{model}:classify": {"examples": [ROW]},
}
ANSWERED = {"/v1/models/{model}:regress": 400, "/feedback/{model}": 409, "/invocations": 400}
"""Of this model on a server with several models; 200 where nothing else stands."""
ANSWERED |= {"/score": 400, "/v1/models/{model}:explain": 501}


def named(path: str) -> str:
    """An address with names in place, of a model that is there."""
    name = "inference.proto" if path.startswith("/protos") else "region"
    return path.format(**NAMED, name=name)


def test_every_operation_answers_as_it_is_declared(server, described):
    for path, item in described.paths.items():
        for method in item:
            plain = path.replace("/versions/{version}", "").replace("/labels/{label}", "")
            body = BODIES.get(plain, {})
            if plain.startswith("/v2/repository/models"):
                continue  # a test of its own, since others need the model
            answer = server.request(method, named(path), json=body if method == "post" else None)
            wanted = 501 if plain.endswith("/register") else ANSWERED.get(plain, 200)
            assert answer.status_code == wanted, f"{path}: {answer.text}"
            described.check(method, path, answer)


def test_models_are_loaded_and_ended_as_is_declared(serving, tmp_path):
    from tests import models

    models.total(tmp_path)
    client = serving(tmp_path)
    told = Described(client.get("/openapi.json").json())
    for verb in ("unload", "load"):
        path = f"/v2/repository/models/{{model}}/{verb}"
        answer = client.post(named(path).replace("classifier", "total"))
        assert answer.status_code == 200
        told.check("POST", path, answer)


BAD = [
    ("POST", "/predict/{model}", "/predict/total", b"{"),
    ("POST", "/predict/{model}", "/predict/nobody", b"{}"),
    ("POST", "/predict/{model}", "/predict/total", b'{"rows": []}'),
    ("POST", "/predict/{model}", "/predict/total", b'{"rows": [{"a": "x", "b": 1, "c": 1}]}'),
    ("POST", "/v2/models/{model}/infer", "/v2/models/total/infer", b"[]"),
    ("POST", "/v2/models/{model}/infer", "/v2/models/nobody/infer", b"{}"),
    ("POST", "/v2/models/{model}/infer_stream", "/v2/models/total/infer_stream", b"[]"),
    ("POST", "/v1/models/{model}:predict", "/v1/models/total:predict", b"{}"),
    ("POST", "/v1/models/{model}:explain", "/v1/models/total:explain", b"{}"),
    ("POST", "/v1/models/{model}:predict", "/v1/models/nobody:predict", b"{}"),
    ("GET", "/v1/models/{model}", "/v1/models/nobody", b""),
    ("POST", "/v2/logging", "/v2/logging", b'{"log_info": 7}'),
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
    described.check(method, path, answer)


@pytest.mark.parametrize("model", ["total", "gaps", "mixed", "classifier", "grid", "open", "logs"])
def test_what_is_asked_without_a_name_is_declared(serving, tmp_path, model):
    from tests import models

    getattr(models, "open_width" if model == "open" else model)(tmp_path)
    client = serving(tmp_path)
    told = Described(client.get("/openapi.json").json())
    [row] = told.schemas[f"row.{model}"]["examples"]
    accepts = ("application/json", "text/csv", "application/jsonlines")
    for accept, key in product(accepts, ("instances", "rows", "dataframe_records")):
        body = {key: [row]}
        answer = client.post("/invocations", json=body, headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        assert told.requested("POST", "/invocations", body)
        told.check("POST", "/invocations", answer)


def test_a_model_that_fails_is_declared(server, described):
    for path, body in (
        ("/predict/{model}", {"x": -1}),
        ("/v1/models/{model}:predict", {"instances": [-1]}),
    ):
        answer = server.post(path.format(model="logs"), json=body)
        assert answer.status_code == 500
        described.check("POST", path, answer)


def test_bytes_and_classes_are_declared(server, described):
    path = "/v2/models/{model}/infer"
    for parameters in ({"binary_data": True}, {"classification": 2}):
        wanted = [{"name": "scores", "parameters": parameters}]
        body = {"inputs": [TENSOR], "outputs": wanted}
        assert described.requested("POST", path, body)
        answer = server.post("/v2/models/classifier/infer", json=body)
        assert answer.status_code == 200
        described.check("POST", path, answer)


def test_events_are_declared(server, described):
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    body = json.dumps({**event, "data": {"instances": [ROW]}})
    answer = server.post(
        "/v1/models/classifier:predict",
        content=body,
        headers={"content-type": "application/cloudevents+json"},
    )
    assert answer.status_code == 200
    described.check("POST", "/v1/models/{model}:predict", answer)


# --- guards -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(serving, tmp_path_factory) -> httpx.Client:
    """A classifier with a contract that its owner has edited, and a regression."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": np.round(random.normal(40, 5, 900)),
            "income": random.normal(60, 10, 900),
            "plan": random.choice(["basic", "plus"], 900),
            "secret": random.normal(0, 1, 900),
        }
    )
    encoded = make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough")
    good = np.where(rows["age"] + random.normal(0, 2, 900) > 40, "stays", "leaves")
    model = make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(rows, good)
    folder = tmp_path_factory.mktemp("guarded")
    evaluation = (rows.iloc[450:], good[450:])
    package = fairlead.pack(
        model, name="churn", repository=folder, reference=rows, evaluation=evaluation
    )
    text = read_verified(package, "contract.toml").decode()
    for name, edit in (
        ("age", 'unit = "years"\nminimum = 18\nmaximum = 100'),
        ("secret", "private = true\nminimum = -31337"),
    ):
        text = text.replace(f'[columns."{name}"]', f'[columns."{name}"]\n{edit}')
    contract = folder / "contract.toml"
    contract.write_text(text)
    words = folder / "model.toml"
    words.write_text('[labels]\nstays = "will stay"\n[units]\nincome = "kEUR a year"\n')
    amend(folder, "churn@1", words, contract)
    contract.unlink()
    words.unlink()
    x = rows[["age", "income"]]
    fairlead.pack(
        LinearRegression().fit(x, x["age"] * 2 + random.normal(0, 1, 900)),
        name="score",
        repository=folder,
        reference=x,
        evaluation=(x, x["age"] * 2.0),
    )
    return serving(folder)


def of(client: httpx.Client, model: str) -> Described:
    return Described(client.get(f"/models/{model}/openapi.json").json())


GOOD = {"age": 41, "income": 55.5, "plan": "basic", "secret": 0.1}


def test_facts_of_the_contract_are_in_the_document(guarded):
    told = of(guarded, "churn")
    cells = told.schemas["row.churn"]["properties"]
    assert cells["age"]["minimum"] == 18
    assert cells["age"]["maximum"] == 100
    assert cells["age"]["description"] == "Unit: years."
    assert cells["income"]["description"] == "Unit: kEUR a year."
    assert sorted(cells["plan"]["enum"]) == ["basic", "plus"]
    assert "31337" not in json.dumps(told.document)
    assert "Private" in cells["secret"]["description"]


@pytest.mark.parametrize(
    "change",
    [{}, {"age": 17}, {"age": 101}, {"plan": "gold"}, {"plan": ""}, {"age": None}, {"income": -1}],
    ids=str,
)
def test_a_row_is_valid_as_described_where_the_contract_takes_it(guarded, change):
    told = of(guarded, "churn")
    body = {"rows": [{**GOOD, **change}]}
    answer = guarded.post("/predict/churn", json=body)
    assert told.requested("POST", "/predict/churn", body) is (answer.status_code == 200)
    told.check("POST", "/predict/churn", answer)


@pytest.mark.parametrize(
    ("income", "decision"), [(55.5, ("serve", "abstain")), (5e7, ("reject",))], ids=str
)
def test_what_guards_say_is_declared(guarded, income, decision):
    told = of(guarded, "churn")
    answer = guarded.post("/predict/churn", json={**GOOD, "income": income})
    [row] = answer.json()["predictions"]
    assert row["decision"] in decision
    assert "p_novel" in row
    told.check("POST", "/predict/churn", answer)
    assert not told.valid("predictions.churn", {**answer.json(), "predictions": [{}]})
    renamed = told.schemas["predictions.churn"]["properties"]["predictions"]["items"]
    assert "will stay" in json.dumps(renamed["properties"]["set"])


def test_an_interval_is_declared(guarded):
    told = of(guarded, "score")
    answer = guarded.post("/predict/score", json={"age": 41, "income": 50})
    assert len(answer.json()["predictions"][0]["interval"]) == 2
    told.check("POST", "/predict/score", answer)


def test_other_protocols_refuse_a_rejected_row_as_declared(guarded):
    told = of(guarded, "churn")
    bad = {**GOOD, "income": 5e7}
    for path, body in (
        ("/v1/models/churn:predict", {"instances": [bad]}),
        ("/v2/models/churn/generate", {name: [value] for name, value in bad.items()}),
    ):
        answer = guarded.post(path, json=body)
        assert answer.status_code in (400, 422)
        told.check("POST", path, answer)
