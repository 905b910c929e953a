"""A column that the owner marks private: no value of it in any answer, error, example or page."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fairlead
from fairlead.core.errors import DtypeMismatch, PackageInvalid, UnknownName
from fairlead.packages.read import read_verified
from fairlead.packing.amend import amend
from fairlead.serving.disclosing import discreet, discreet_alarms

SENT = {"salary": 31337.25, "clinic": "Sentville"}
TOML = '[guards]\ndisclosure = "full"\nnovelty = "{novelty}"\n'


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Version 1 as packed; version 2 with two private columns; version 3 that only warns."""
    random = np.random.default_rng(0)
    salary = (np.round(random.normal(70_000, 4_000, 600)) + 0.25).astype(np.float32).astype(float)
    clinic = random.choice(["Northclinic", "Southclinic"], 600, p=[0.3, 0.7])
    rows = pd.DataFrame({"age": random.normal(40, 5, 600), "salary": salary, "clinic": clinic})
    table = make_column_transformer(
        (StandardScaler(), ["age", "salary"]), (OneHotEncoder(handle_unknown="ignore"), ["clinic"])
    )
    model = make_pipeline(table, LogisticRegression()).fit(rows, rows["age"] > 40)
    folder = tmp_path_factory.mktemp("models")
    package = fairlead.pack(model, name="m", repository=folder, reference=rows)
    text = read_verified(package, "contract.toml").decode()
    for name in ("salary", "clinic"):
        text = text.replace(f'[columns."{name}"]', f'[columns."{name}"]\nprivate = true')
    text = text.replace('"salary"]\n', '"salary"]\nminimum = 20000.5\nmaximum = 90909.5\n')
    (folder / "contract.toml").write_text(text)
    for novelty in ("reject", "warn"):
        (folder / "model.toml").write_text(TOML.format(novelty=novelty))
        amend(folder, "m@1", folder / "model.toml", folder / "contract.toml")
    return folder, rows


def secrets(rows) -> list[str]:
    """What was sent or seen of the private columns, as people or programs write it."""
    found = ["Northclinic", "Sentville", "31337", "20000.5", "90909.5"]
    # The example holds the median, to six digits.
    seen = {f"{v:g}" for v in rows["salary"]} | {str(v) for v in rows["salary"]}
    return [*found, *sorted(seen - {f"{rows['salary'].median():g}"})]


def clean(text: str, rows) -> None:
    words = set(re.findall(r"[\w.]+", text))
    assert [s for s in secrets(rows) if s in words or (s.isalpha() and s in text)] == []


def bodies() -> list[dict]:
    """Rows that are wrong in each way that an answer speaks of."""
    good = {"age": 41.0, "salary": 70000.25, "clinic": "Southclinic"}
    return [
        good | {"salary": 31337.25},
        good | {"salary": 31337.25e6},
        good | {"salary": -31337.25},
        good | {"salary": "31337"},
        good | {"salary": "Sentville"},
        good | {"salary": None},
        good | {"salary": ["31337"]},
        good | {"clinic": "Sentville"},
        good | {"clinic": 31337},
        good | {"clinic": ""},
        good | {"age": 4100.0},
        good | {"age": 4100.0, **SENT},
    ]


def tensors(row) -> dict:
    kinds = {"age": "FP32", "salary": "FP32", "clinic": "BYTES"}
    inputs = [
        {"name": n, "shape": [1, 1], "datatype": kinds[n], "data": [v]} for n, v in row.items()
    ]
    return {"inputs": inputs}


@pytest.mark.parametrize("version", [2, 3])
def test_no_value_of_a_private_column_is_in_any_answer_or_error(repository, serving, version):
    folder, rows = repository
    client = serving(folder / "m" / str(version))
    said = [client.get(path).text for path in
            ("/models", "/models/m", "/v2", "/v2/models/m", "/metrics", "/readyz")]  # fmt: skip
    codes = set()
    for row in bodies():
        for path, body in (("/predict/m", row), ("/v2/models/m/infer", tensors(row))):
            answer = client.post(path, json=body)
            assert answer.status_code < 500
            codes.add(answer.status_code)
            said.append(answer.text)
        table = "age,salary,clinic\n" + ",".join("" if v is None else str(v) for v in row.values())
        said.append(client.post("/predict/m", content=table,
                                headers={"content-type": "text/csv"}).text)  # fmt: skip
    assert {200, 400} <= codes
    for text in said:
        clean(text, rows)
    # The columns are named, and the other column's limits are told.
    together = "\n".join(said)
    assert "salary is not what the contract allows" in together
    assert "age = 4100 is above the training maximum" in together
    assert "column 'salary'" in together


def test_without_the_mark_the_same_answers_tell_values(repository, serving):
    folder, rows = repository
    client = serving(folder / "m" / "1")
    answers = [client.post("/predict/m", json=row).text for row in bodies()]
    with pytest.raises(AssertionError):
        clean("\n".join(answers), rows)


def test_examples_hold_the_median_and_the_most_frequent_category(repository):
    folder, rows = repository
    before, after = (
        json.loads((folder / "m" / str(v) / "examples.json").read_text()) for v in (1, 2)
    )
    assert len({row["salary"] for row in before["rows"]}) > 1
    for row in after["rows"]:
        assert row["salary"] == pytest.approx(rows["salary"].median(), rel=1e-5)
        assert row["clinic"] == "Southclinic"
    assert [row["age"] for row in after["rows"]] == [row["age"] for row in before["rows"]]
    data = {tensor["name"]: tensor["data"] for tensor in after["inputs"]}
    assert data["salary"] == [after["rows"][0]["salary"]]
    assert data["clinic"] == ["Southclinic"]


def test_seen_that_was_edited_is_refused(repository, tmp_path):
    folder, _ = repository
    text = (folder / "contract.toml").read_text()
    for wrong in ('seen = { quantiles = "many" }', 'seen = { quantiles = [["a"]] }'):
        lines = re.sub(r"seen = \{ missing.*quantiles.*", wrong, text)
        (tmp_path / "contract.toml").write_text(lines)
        with pytest.raises(PackageInvalid, match="`seen` of a private column"):
            amend(folder, "m@1", None, tmp_path / "contract.toml")


def test_an_alarm_of_drift_names_a_private_column_and_nothing_of_it():
    words = ["salary: 40.0% of the last 256 rows are below 70000", "age: 3.0% are missing"]
    alarms = [{"column": line.partition(":")[0], "words": line} for line in words]
    assert discreet_alarms("full", {"salary"}, alarms) == ["salary: has moved", words[1]]
    assert discreet_alarms("full", (), alarms) == words
    for level in ("columns", "banded", "label", "set"):
        found = discreet_alarms(level, (), alarms)
        assert found == ["salary: has moved", "age: has moved"]


def test_an_error_loses_its_value_only_where_that_may_be_a_private_columns():
    wrong = DtypeMismatch("'31337' is not a number", where="row 2", row=2, column="salary")
    told = discreet({"salary"}, wrong)
    assert (type(told), told.row, told.column, told.where) == (DtypeMismatch, 2, "salary", "row 2")
    assert "31337" not in told.line()
    # Where no column is known, it may be that one.
    tensor = DtypeMismatch("'31337' is not a number", where="input x, element 4", row=1)
    assert "31337" not in discreet({"salary"}, tensor).line()
    for kept, private in (
        (wrong, set[str]()),
        (wrong, {"age"}),
        (DtypeMismatch("input 'x' is FP32, not FP64", where="x"), {"salary"}),
        (UnknownName("row 1 has a column 'b'", row=1, column="b"), {"salary"}),
    ):
        assert discreet(private, kept) is kept
