"""Python functions and classes: served isolated, they answer as they do when called."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.formats.parts import Case, assert_alike, pack_all, plain, tensors

ROWS = 60
SOURCE = '''
    """What a data scientist would write."""
    import numpy as np

    RATES = {"basic": 10.0, "gold": 20.0}

    def price(age, plan):
        """Two columns by name; one number per row."""
        return np.array([RATES.get(p, 0.0) for p in plan]) + np.where(np.isnan(age), 0, age) / 4

    def offer(rows):
        """All columns at once; several outputs, text among them."""
        cheap = rows["plan"] == "basic"
        return {
            "offer": np.where(cheap, "upgrade ü", "stay"),
            "sure": np.where(cheap, 0.75, 0.5).astype(np.float32),
            "months": np.where(cheap, 3, 12),
            "both": np.stack([rows["age"], rows["age"] * 2], axis=1),
        }

    class Tariff:
        """Has a state that is made once."""
        def __init__(self):
            self.factor = sum(RATES.values())

        def predict(self, age, plan):
            return (np.nan_to_num(age) * self.factor).tolist()
'''


def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {"age": random.integers(18, 90, ROWS) / 2, "plan": random.choice(["basic", "gold"], ROWS)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "model.py").write_text(dedent(SOURCE))
    return folder


@pytest.fixture(scope="module")
def module(folder) -> Any:
    spec = importlib.util.spec_from_file_location("functions_of_people", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cases(folder, module) -> dict[str, Case]:
    def case(name: str, reference: pd.DataFrame) -> Case:
        return Case(lambda home: f"{folder}/model.py:{name}", rows(), reference)

    gaps = rows()
    gaps.loc[3, "age"] = None
    made = {
        "price": case("price", gaps),
        "offer": case("offer", rows()),
        "tariff": case("Tariff", rows()),
    }
    made["price"].values = module.price(**columns(rows()))
    made["tariff"].values = module.Tariff().predict(**columns(rows()))
    return made


@pytest.fixture(scope="module")
def client(cases, serving, folder):
    return serving(pack_all(cases, folder))


def columns(table: pd.DataFrame) -> dict[str, Any]:
    return {"age": table["age"].to_numpy(), "plan": table["plan"].to_numpy().astype(object)}


def test_a_function_of_columns(client, cases, module):
    asked = rows()
    asked.loc[5, "age"] = None
    wanted = module.price(**columns(asked)).tolist()
    answer = client.post("/predict/price", json={"rows": plain(asked)}).json()
    assert [p["value"] for p in answer["predictions"]] == wanted
    assert_alike(client, "price", cases["price"])


def test_a_class_with_predict(client, cases, module):
    wanted = module.Tariff().predict(**columns(rows()))
    answer = client.post("/predict/tariff", json={"rows": plain(rows())}).json()
    assert [p["value"] for p in answer["predictions"]] == wanted
    assert_alike(client, "tariff", cases["tariff"])


def test_a_function_of_all_columns_with_several_outputs(client, cases, module):
    wanted = module.offer(columns(rows()))
    answer = client.post("/predict/offer", json={"rows": plain(rows())}).json()
    for number, row in enumerate(answer["predictions"]):
        assert row["offer"] == wanted["offer"][number]
        assert row["sure"] == wanted["sure"][number]
        assert row["months"] == wanted["months"][number]
        assert row["both"] == wanted["both"][number].tolist()
    assert_alike(client, "offer", cases["offer"])


def test_the_open_protocol_gives_the_outputs_as_tensors(client, module):
    wanted = module.offer(columns(rows()))
    about = client.get("/v2/models/offer").json()
    assert {i["name"]: i["datatype"] for i in about["inputs"]} == {"age": "FP64", "plan": "BYTES"}
    body = {"inputs": tensors(about, rows()), "outputs": [{"name": "months"}, {"name": "offer"}]}
    months, offer = client.post("/v2/models/offer/infer", json=body).json()["outputs"]
    assert (months["datatype"], months["data"]) == ("INT64", wanted["months"].tolist())
    assert (offer["datatype"], offer["data"]) == ("BYTES", wanted["offer"].tolist())


def test_a_missing_number_is_taken_only_where_the_reference_rows_had_one(client):
    row = {"age": None, "plan": "gold"}
    assert client.post("/predict/price", json=row).json()["predictions"][0]["value"] == 20
    answer = client.post("/predict/offer", json=row)
    assert answer.status_code == 400
    assert answer.json()["column"] == "age"


def test_it_is_said_to_be_isolated_and_why(client):
    about = client.get("/models/price").json()
    assert about["isolated"]
    assert about["native_because"] == "it is a Python function"
