"""The card of what is served: in the form that is asked for, with what is seen of it now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests import models
from tests.processes import server as running
from tests.serving.test_keys_served import Keyed

import fairlead
from fairlead.wires.native_card import wanted


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    random = np.random.default_rng(1)
    x = random.normal(size=(300, 2)) * [1.0, 1000.0]
    y = np.where(x[:, 0] > 0, "yes", "no")
    rows = {"a": x[:, 0], "b": x[:, 1]}
    folder = tmp_path_factory.mktemp("models")
    fairlead.pack(
        LogisticRegression().fit(x, y),
        name="m",
        repository=folder,
        reference=rows,
        evaluation=(rows, y),
    )
    models.total(folder)
    return folder


@pytest.fixture(scope="module")
def server(serving, repository):
    return serving(repository)


def test_the_card_is_json_unless_another_form_is_asked_for(server):
    answer = server.get("/models/m/card")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    card = answer.json()
    assert (card["model"], card["version"], card["performance"]) == ("m", 1, "measured")
    assert len(card["sections"]) == 9


def test_a_browser_is_given_a_page_that_may_load_nothing(server):
    answer = server.get("/models/m/card", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "accept" in answer.headers["vary"]
    assert "Model card" in answer.text


def test_markdown_is_given_where_it_is_asked_for(server):
    answer = server.get("/models/m/card", headers={"accept": "text/markdown"})
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("---\n")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, text/markdown;q=0.9", "text/markdown"),
        ("text/html;q=x", "application/json"),
        ("image/png", "application/json"),
        ("text/html;q=0", "application/json"),
        ("TEXT/HTML , */*;q=0.1", "text/html"),
    ],
)
def test_the_form_is_the_one_that_is_liked_best(accept, form):
    assert wanted(accept) == form


def test_a_version_has_its_own_address_and_what_is_not_there_is_said(server):
    assert server.get("/models/m/versions/1/card").json()["version"] == 1
    for path in ("/models/m/versions/9/card", "/models/absent/card", "/models/m/versions/x/card"):
        assert server.get(path).status_code == 404
    assert server.post("/models/m/card").status_code == 405
    assert server.get("/models/m/versions/1/cards").status_code == 404


def test_the_live_part_counts_what_was_asked(server):
    before = server.get("/models/m/card").json()["live"]
    assert before["since"]
    assert before["drift"]["verdict"] == "none moved"
    for _ in range(3):
        assert server.post("/predict/m", json=[[0.1, 20.0], [0.2, 30.0]]).status_code == 200
    after = server.get("/models/m/card").json()["live"]
    assert after["requests"] - before["requests"] == 3
    assert after["rows"] - before["rows"] == 6
    assert sum(after["decisions"].values()) == after["rows"]
    assert 0 < after["latency"]["p50_ms"] <= after["latency"]["p99_ms"]


def test_a_package_without_facts_has_a_card_that_says_so(server):
    card = server.get("/models/total/card").json()
    assert card["performance"] == "unknown"
    assert card["live"]["drift"]["verdict"] == "not watched"


def test_the_card_is_described_in_openapi(server):
    told = server.get("/openapi.json").json()["paths"]
    for path in ("/models/{model}/card", "/models/{model}/versions/{version}/card"):
        content = told[path]["get"]["responses"]["200"]["content"]
        assert {*content} == {"application/json", "text/html", "text/markdown"}


def test_what_numbers_training_rows_held_is_for_those_who_administer(repository, tmp_path):
    with running(repository, state=tmp_path, workers=1) as made:
        keyed = Keyed(made, tmp_path)
        caller, owner = (
            keyed.key(name, "predict:m", *more)
            for name, more in (("caller", ()), ("owner", ("admin:models",)))
        )
        (status, whole), (_, less) = (made.asked("/models/m/card", k)[:2] for k in (owner, caller))
        stranger = made.asked("/models/m/card", keyed.key("other", "predict:total"))[0]
        nobody = made.asked("/models/m/card")[0]
    assert (status, stranger, nobody) == (200, 404, 401)
    assert _columns(whole)["b"]["maximum"] > 1000
    assert _columns(less)["b"]["maximum"] is None
    told = [one["of"][0] for one in less["measured"]["slices"]["slices"]]
    assert told[:4] == [["a", f"part {i}"] for i in range(1, 5)]
    assert "up to" not in json.dumps(less)


def test_a_card_that_says_too_little_serves_only_who_administers(tmp_path):
    words = '[words]\npurpose = "x"\n[card]\nrequired = 0.5\n'
    models.total(tmp_path / "models", words=words)
    models.classifier(tmp_path / "models")
    with running(tmp_path / "models", state=tmp_path, workers=1) as made:
        keyed = Keyed(made, tmp_path)
        caller = keyed.key("caller", "predict:*")
        owner = keyed.key("owner", "predict:*", "admin:models")
        other = keyed.key("other", "predict:classifier")
        row = {"a": 1, "b": 2, "c": 3}
        for path in ("/predict/total", "/predict/total/versions/1"):
            status, body, *_ = made.asked(path, caller, row)
            assert (status, body["id"]) == (403, "FRL-1219")
            assert "users, out_of_scope" in body["detail"] + str(body.get("fix"))
            assert made.asked(path, owner, row)[0] == 200
        tensors = made.asked("/models/total", owner)[1]["example"]
        assert made.asked("/v1/models/total:predict", caller, {"instances": [[1, 2, 3]]})[0] == 403
        assert tensors
        assert made.asked("/predict/total", other, row)[0] == 404
        assert made.asked("/models/total/card", caller)[0] == 200
        good = dict.fromkeys(models.FEATURES, 1.0)
        assert made.asked("/predict/classifier", caller, good)[0] == 200


def _columns(card: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in card["columns"]}
