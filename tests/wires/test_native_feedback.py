"""True labels that come later, on a real server: what is taken, refused, and made of them."""

from __future__ import annotations

import re
from contextlib import closing

import httpx
import pytest
from tests import models
from tests.processes import server, until
from tests.serving.test_keys_served import Keyed

from fairlead.serving.bookkeeper import JOURNAL
from fairlead.usage.accuracy import LiveAccuracy
from fairlead.usage.feedback import FEEDBACK, is_usage_id
from fairlead.usage.journal import read as read_journal
from fairlead.usage.outcomes import OUTCOMES
from fairlead.usage.segments import segments

WORDS = '[feedback]\noutcomes = true\n[labels]\nred = "rouge"\n'
ID = "1-0-00ff00ff00ff00ff-0"
ROWS = [dict.fromkeys(models.FEATURES, 0.0) | {"length": 9.0} for _ in range(3)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models.classifier(folder, words=WORDS)
    models.total(folder, words=WORDS)
    models.logs(folder)
    return folder


@pytest.fixture(scope="module")
def running(repository, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    with server(repository, state=state, workers=2) as made:
        yield made, state


@pytest.fixture(scope="module")
def client(running):
    with caller(running[0]) as made:
        yield made


def caller(running):
    """A client of a server that is ready."""
    until(running.ready)
    return httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60)


def refused(answer, status, code, where=None):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert where is None or answer.json()["where"] == where


def follow(state):
    with closing(LiveAccuracy(state)) as live:
        while live.follow():
            pass
        return live.facts()


def test_labels_come_back_as_accuracy(client, running):
    state = running[1]
    answer = client.post("/predict/classifier", json=ROWS)
    assert [row["label"] for row in answer.json()["predictions"]] == ["rouge"] * 3
    usage = answer.headers["fairlead-usage-id"]
    assert is_usage_id(usage)
    before = follow(state)["classifier", 1]
    told = client.post(
        "/feedback/classifier", json={"usage_id": usage, "labels": ["rouge", "blue", None]}
    )
    assert (told.status_code, told.json()) == (202, {"accepted": 1})
    assert told.headers.get("fairlead-usage-id") is None
    facts = follow(state)["classifier", 1]
    assert facts["labelled"] - before["labelled"] == 2
    assert facts["correct"] - before.get("correct", 0) == 1
    assert facts["unmatched"] == before["unmatched"]


def test_both_protocols_give_an_id_and_keep_the_outcome_whatever_was_asked_for(client, running):
    state = running[1]
    before = follow(state)["classifier", 1].get("correct", 0)
    body = {
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 5, 0, 0]}],
        "outputs": [{"name": "label"}],
    }
    infer = client.post("/v2/models/classifier/infer", json=body)
    plain = client.post("/predict/classifier?outputs=label", json=ROWS[:1])
    given = [
        {"usage_id": infer.headers["fairlead-usage-id"], "labels": ["green"]},
        {"usage_id": plain.headers["fairlead-usage-id"], "labels": ["red"]},
    ]
    told = client.post("/feedback/classifier", json={"feedback": given})
    assert told.json() == {"accepted": 2}
    assert follow(state)["classifier", 1]["correct"] - before == 2


def test_numbers_are_joined_with_numbers(client, running):
    answer = client.post("/predict/total", json=[[1, 2, 3], [1, 1, 1]])
    usage = answer.headers["fairlead-usage-id"]
    told = client.post("/feedback/total", json={"usage_id": usage, "labels": [6.5, 3]})
    assert told.status_code == 202
    facts = follow(running[1])["total", 1]
    assert (facts["kind"], facts["labelled"]) == ("numbers", 2)
    assert facts["mean_absolute_error"] == pytest.approx(0.25)


def test_a_failed_call_that_was_recorded_has_an_id_and_no_outcome(client, running):
    failed = client.post("/predict/logs", json={"x": 0.0})
    assert failed.json()["code"] == "MODEL_BAD_ANSWER"
    assert is_usage_id(failed.headers["fairlead-usage-id"])
    assert not (running[1] / OUTCOMES / "logs").exists()


@pytest.mark.parametrize("body", [b"{", b'{"nobody": 1}', b"[[1, 2]]"])
def test_a_call_that_is_refused_before_the_journal_has_no_id(client, body):
    answer = client.post("/predict/classifier", content=body)
    assert answer.status_code == 400
    assert "fairlead-usage-id" not in answer.headers


def test_no_two_answers_have_an_id_in_common_and_all_are_in_the_journal(client, running):
    ids = [
        client.post("/predict/classifier", json=ROWS).headers["fairlead-usage-id"]
        for _ in range(50)
    ]
    assert len({*ids}) == 50
    recorded = {
        f"{re.sub('-[0-9]+$', '', segment.stem)}-{record.sequence:x}"
        for segment in segments(running[1] / JOURNAL)
        for _, batch in read_journal(segment)
        if batch is not None
        for record in batch.records()
    }
    assert {*ids} <= recorded


def test_a_model_without_an_outcome_log_says_how_to_have_one(client):
    answer = client.post("/feedback/logs", json={"usage_id": ID, "labels": [1.0]})
    refused(answer, 409, "FEEDBACK_OFF")
    assert "outcomes = true" in answer.json()["fix"]


def test_labels_for_a_model_that_is_not_there_are_not_found(client):
    answer = client.post("/feedback/nobody", json={"usage_id": ID, "labels": [1.0]})
    refused(answer, 404, "MODEL_NOT_FOUND")
    refused(client.get("/feedback/classifier"), 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        ([], 400, "BODY_MALFORMED", None),
        ({}, 400, "MISSING_FIELD", "usage_id"),
        ({"usage_id": ID}, 400, "MISSING_FIELD", "labels"),
        ({"usage_id": ID, "labels": []}, 400, "BODY_MALFORMED", "labels"),
        ({"usage_id": ID, "labels": "red"}, 400, "BODY_MALFORMED", "labels"),
        ({"usage_id": "x", "labels": ["red"]}, 400, "PARAMETER_INVALID", "usage_id"),
        ({"usage_id": 1, "labels": ["red"]}, 400, "PARAMETER_INVALID", "usage_id"),
        ({"usage_id": ID, "labels": ["red", "pink"]}, 400, "UNKNOWN_NAME", "labels[1]"),
        ({"usage_id": ID, "labels": [1]}, 400, "UNKNOWN_NAME", "labels[0]"),
        ({"usage_id": ID, "labels": [["red"]]}, 400, "DTYPE_MISMATCH", "labels[0]"),
        ({"usage_id": ID, "labels": [None], "model": "m"}, 400, "UNKNOWN_NAME", None),
        ({"feedback": []}, 400, "BODY_MALFORMED", "feedback"),
        ({"feedback": [3]}, 400, "BODY_MALFORMED", "feedback[0]"),
        ({"feedback": [], "more": 1}, 400, "UNKNOWN_NAME", None),
        (
            {"feedback": [{"usage_id": ID, "labels": ["red"]}, {"usage_id": ID, "labels": ["?"]}]},
            400,
            "UNKNOWN_NAME",
            "feedback[1].labels[0]",
        ),
        ({"feedback": [{}] * 10_001}, 413, "TOO_MANY_ROWS", "feedback"),
        (
            {"feedback": [{"usage_id": ID, "labels": [None] * 10_000}] * 11},
            413,
            "TOO_MANY_ROWS",
            "feedback[10].labels",
        ),
        ({"usage_id": ID, "labels": [None] * 10_001}, 413, "TOO_MANY_ROWS", "labels"),
    ],
)
def test_a_body_that_is_not_right_is_refused_whole(client, running, body, status, code, where):
    size = sum(s.stat().st_size for s in segments(running[1] / FEEDBACK))
    refused(client.post("/feedback/classifier", json=body), status, code, where)
    assert sum(s.stat().st_size for s in segments(running[1] / FEEDBACK)) == size


@pytest.mark.parametrize("label", ["6", True, {}])
def test_a_number_is_wanted_of_a_regression(client, label):
    body = {"usage_id": ID, "labels": [label]}
    refused(client.post("/feedback/total", json=body), 400, "DTYPE_MISMATCH", "labels[0]")


def test_only_json_is_taken(client):
    answer = client.post("/feedback/total", content=b"a", headers={"content-type": "text/csv"})
    refused(answer, 415, "MEDIA_TYPE_UNSUPPORTED")
    answer = client.post("/feedback/total", content=b'{"usage_id": 1, "usage_id": 2}')
    refused(answer, 400, "DUPLICATE_NAME")


def test_labels_are_joined_after_the_server_has_ended_and_ids_go_on_after_a_restart(
    repository, tmp_path
):
    ids = []
    for _ in range(2):
        with server(repository, state=tmp_path) as made, caller(made) as client:
            answer = client.post("/predict/classifier", json=ROWS[:1])
            ids.append(answer.headers["fairlead-usage-id"])
            body = {"feedback": [{"usage_id": usage, "labels": ["red"]} for usage in ids]}
            assert client.post("/feedback/classifier", json=body).status_code == 202
    assert len({*ids}) == 2
    facts = follow(tmp_path)["classifier", 1]
    assert (facts["labelled"], facts["repeated"], facts["unmatched"]) == (2, 1, 0)


def test_labels_of_another_tenants_calls_change_nothing(repository, tmp_path):
    with server(repository, state=tmp_path) as made:
        keyed = Keyed(made, tmp_path)
        scopes = ("predict:*", "feedback:*")
        keys = {}
        for tenant in ("acme", "beta"):
            keyed.do("tenants.create", name=tenant)
            keys[tenant] = keyed.key(tenant, *scopes, tenant=tenant)
        keys["operator"] = keyed.key("operator", *scopes, "admin:models")
        calls = [made.asked("/predict/classifier", keys["acme"], ROWS[0])[2] for _ in range(2)]
        first, second = (told["fairlead-usage-id"] for told in calls)
        for who, usage, label in (
            ("beta", first, "green"),
            ("beta", second, "green"),
            ("acme", first, "red"),
            ("operator", second, "red"),
        ):
            body = {"usage_id": usage, "labels": [label]}
            assert made.asked("/feedback/classifier", keys[who], body)[0] == 202
    facts = follow(tmp_path)["classifier", 1]
    assert (facts["labelled"], facts["correct"], facts["unmatched"]) == (2, 2, 2)
