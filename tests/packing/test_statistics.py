"""The facts of a card: the same for the same rows, whole, and silent about private ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests import models

import fairlead
from fairlead.core.package import Package
from fairlead.guards.seen import seen_of
from fairlead.packages.read import read_verified
from fairlead.packing.evidence import check_same, digest, evidence_of
from fairlead.packing.robustness import Guards, robustness_of
from fairlead.packing.rows import table_of
from fairlead.packing.statistics import FILE, identity_of
from fairlead.runtimes.onnx import OnnxRuntime

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(600, 3))
Y = np.where(X[:, 0] + 0.5 * RANDOM.normal(size=600) > 0, "yes", "no")
COLUMNS = ("a", "b", "c")


def rows(values: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, values.T, strict=True))


def facts(package: Package) -> dict[str, Any]:
    return json.loads(read_verified(package, FILE))


def packed(folder: Path, name: str = "m", **more: Any) -> Package:
    model = LogisticRegression().fit(X[:300], Y[:300])
    given: dict[str, Any] = {
        "reference": rows(X[:300]),
        "evaluation": (rows(X[300:]), Y[300:]),
    }
    return fairlead.pack(model, name=name, repository=folder, **(given | more))


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Package:
    return packed(tmp_path_factory.mktemp("repository"))


def test_equal_rows_give_equal_bytes(package, tmp_path):
    assert read_verified(packed(tmp_path), FILE) == read_verified(package, FILE)


def test_a_classifier_has_every_section(package):
    found = facts(package)
    assert found["performance"] == "measured"
    assert found["task"] == "classification"
    assert found["evaluation"]["rows"] == 300
    assert [m["name"] for m in found["metrics"]][:1] == [found["headline"]] == ["accuracy"]
    assert {"raw", "calibrated"} <= found["reliability"].keys()
    assert found["risk_coverage"]["augrc"] < found["risk_coverage"]["at_random"]
    assert [one["promised"] for one in found["sets"]] == [0.8, 0.9, 0.95, 0.99]
    assert len(found["slices"]["slices"]) == 12
    assert found["identity"]["opset"][""] > 0
    assert sum(found["novelty"]["histogram"]) == found["novelty"]["n"] == 300
    assert not found["novelty"]["in_sample"]
    assert "groups" not in found


def test_careless_clients_are_mostly_refused(package):
    found = {one["disturbance"]: one for one in facts(package)["robustness"]}
    assert found["none"]["refused"] < 0.1
    assert found["one value a row times 1000"]["refused"] > 0.9
    assert found["one value in ten missing"]["value"] < found["none"]["value"]
    assert 0.15 < found["one value in ten missing"]["refused"] < 0.45
    kept = found["one value in ten missing"]["answered"]
    assert kept["n"] == round(300 * (1 - found["one value in ten missing"]["refused"]))
    assert kept["value"] > 0.8
    wrong = found["numbers in the wrong columns"]
    assert wrong["value"] < found["none"]["value"]


def test_rows_that_stand_in_for_reference_rows_are_said_to(tmp_path):
    assert facts(packed(tmp_path, reference=None))["novelty"]["in_sample"]


def test_without_labelled_rows_performance_is_unknown_and_said_loudly(tmp_path):
    said: list[str] = []
    made = packed(tmp_path, evaluation=None, say=lambda step, text: said.append(f"{step} {text}"))
    assert facts(made).keys() == {"format", "identity", "performance"}
    assert facts(made)["performance"] == "unknown"
    assert [line for line in said if line.startswith("card PERFORMANCE UNKNOWN")]


def test_a_regressor_has_its_own_figures(tmp_path):
    model = LinearRegression().fit(X[:300], X[:300, 0])
    made = fairlead.pack(
        model,
        name="r",
        repository=tmp_path,
        reference=rows(X[:300]),
        evaluation=(rows(X[300:]), X[300:, 0] + 0.1 * X[300:, 1]),
    )
    found = facts(made)
    assert found["headline"] == "mean_absolute_error"
    assert [one["promised"] for one in found["intervals"]] == [0.8, 0.9, 0.95, 0.99]
    assert "confusion" not in found


def test_privately_no_value_of_a_row_is_told(tmp_path):
    model = LinearRegression().fit(X[:300], X[:300, 0])
    made = fairlead.pack(
        model,
        name="r",
        repository=tmp_path,
        reference=rows(X[:300]),
        evaluation=(rows(X[300:]), X[300:, 0]),
        private=True,
    )
    found = facts(made)
    assert "answer" not in found["baseline"]
    told = {one["of"][0][1] for one in found["slices"]["slices"]}
    assert told == {"lowest quarter", "second quarter", "third quarter", "highest quarter"}


def test_the_rows_in_a_package_are_those_that_the_card_was_made_of(package):
    back = evidence_of(package)
    assert back is not None
    table, target = back
    assert target == "target"
    assert digest(table) == facts(package)["evaluation"]["sha256"]
    check_same(table, digest(table))


def test_rows_that_were_left_out_do_not_come_back(tmp_path):
    made = packed(tmp_path, evidence=False)
    assert evidence_of(made) is None
    assert facts(made)["performance"] == "measured"


def test_the_digest_is_of_names_order_types_and_values():
    base = {"a": np.array([1.0, 2.0]), "b": np.array(["x", "y"], dtype=object)}
    same = digest(table_of(base))
    assert digest(table_of({**base, "b": np.array(["x", "y"])})) == same
    for other in (
        {**base, "a": np.array([1.0, 3.0])},
        {**base, "a": np.array([1, 2])},
        {"b": base["b"], "a": base["a"]},
        {"c": base["a"], "b": base["b"]},
        {**base, "b": np.array(["y", "x"], dtype=object)},
        {**base, "b": np.array(["x\x1f", "y"], dtype=object)},
    ):
        assert digest(table_of(other)) != same


def test_a_graph_is_known_by_its_parts(tmp_path):
    made = models.classifier(tmp_path)
    found = identity_of(read_verified(made, made.graph))
    assert found["parameters"] == 15
    assert found["operators"] == {":ArgMax": 1, ":Gather": 1, ":MatMul": 1, ":Softmax": 1}
    assert found["opset"] == {"": 20, "ai.onnx.ml": 3}
    assert identity_of(None) == {}


def test_the_profile_is_measured_and_not_part_of_the_facts(package):
    found = json.loads(read_verified(package, "measured.json"))["profile"]
    for words, size in (("one", 1), ("batch", 64)):
        assert found[words]["rows"] == size
        assert 0 < found[words]["p50_ms"] <= found[words]["p99_ms"]
    assert found["rows_per_s"] > 0
    assert found["cpu_s_per_1000_rows"] > 0
    assert found["load_s"] > 0
    assert "profile" not in facts(package)


def test_a_model_that_refuses_some_rows_has_no_figure_for_them(tmp_path):
    made = models.picky(tmp_path)
    model = OnnxRuntime().load(made, lambda relative: read_verified(made, relative))
    guards = Guards(seen_of(made.signature), None, None, np.inf)
    for last, value in ((2, 0.0), (7, None)):
        rows_ = [np.array([[0], [1], [last]])]
        truth = np.array([0, 10, 20])
        (found,) = robustness_of(model, made.signature, rows_, truth, guards)
        assert found == {
            "disturbance": "none",
            "n": 3,
            "value": value,
            "refused": 0.0,
            "answered": {"n": 3, "value": value},
        }
    model.close()
