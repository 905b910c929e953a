"""CloudEvents around KServe's predictions, on a real server."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from typing import Any

import httpx
import pytest

ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
DATA = {"instances": ROWS}
EVENT = {"specversion": "1.0", "id": "7", "source": "test", "type": "org.example.request"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
ANSWERED = ("1.0", "io.kserve.inference.response", "io.kserve.inference.identity_fp32")


@pytest.fixture(scope="module")
def server(serving, small_models) -> httpx.Client:
    return serving(small_models)


def ask(server, body: Any, headers: dict[str, str]) -> httpx.Response:
    address = "/v1/models/identity_fp32:predict"
    return server.post(address, content=json.dumps(body), headers=headers)


def binary(**changes: str | None) -> dict[str, str]:
    found = {f"ce-{name}": value for name, value in (EVENT | changes).items() if value is not None}
    return found | {"content-type": "application/json"}


def test_an_event_in_headers_is_answered_in_headers(server):
    answers = [ask(server, DATA, binary()) for _ in range(2)]
    assert [a.json() for a in answers] == [{"predictions": ROWS}] * 2
    for answer in answers:
        told = answer.headers
        assert (told["ce-specversion"], told["ce-type"], told["ce-source"]) == ANSWERED
        assert datetime.fromisoformat(told["ce-time"]).tzinfo is not None
        assert told["content-type"] == "application/json"
    assert len({a.headers["ce-id"] for a in answers}) == 2


@pytest.mark.parametrize(
    "data",
    [{"data": DATA}, {"data_base64": b64encode(json.dumps(DATA).encode()).decode()}],
    ids=["json", "base64"],
)
def test_an_event_in_the_body_is_answered_in_the_body(server, data):
    answer = ask(server, EVENT | data, STRUCTURED)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/cloudevents+json"
    told = answer.json()
    assert told["data"] == {"predictions": ROWS}
    assert (told["specversion"], told["type"], told["source"]) == ANSWERED
    assert told["datacontenttype"] == "application/json"
    assert "ce-id" not in answer.headers


def test_columns_come_back_as_columns_in_an_event_too(server):
    answer = ask(server, EVENT | {"data": {"inputs": ROWS}}, STRUCTURED)
    assert answer.json()["data"] == {"outputs": ROWS}


def test_what_is_no_event_is_answered_as_none(server):
    answer = ask(server, DATA, {"ce-id": "7", "content-type": "application/json"})
    assert answer.json() == {"predictions": ROWS}
    assert not [name for name in answer.headers if name.startswith("ce-")]


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_an_event_without_what_it_must_have_is_refused(server, missing):
    assert ask(server, DATA, binary(**{missing: None})).status_code == 400
    event = {k: v for k, v in EVENT.items() if k != missing} | {"data": DATA}
    answer = ask(server, event, STRUCTURED)
    assert answer.status_code == 400
    assert missing in answer.json()["error"]


@pytest.mark.parametrize(
    "event",
    [
        [],
        EVENT,
        EVENT | {"specversion": "2.0", "data": DATA},
        EVENT | {"id": 7, "data": DATA},
        EVENT | {"data": DATA, "data_base64": ""},
        EVENT | {"data_base64": "*"},
        EVENT | {"data_base64": 1},
        EVENT | {"data_base64": ""},
        EVENT | {"data": "text"},
        EVENT | {"data": {"instances": [[1]]}},
    ],
    ids=[
        "list", "empty", "version", "id", "both", "no base64", "number", "nothing", "text", "shape"
    ],
)  # fmt: skip
def test_an_event_that_carries_no_request_is_refused(server, event):
    answer = ask(server, event, STRUCTURED)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)
