"""`/invocations` of a model that answers many times: its answers come as they are made."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.functions import packed

SOURCE = '''
    import numpy as np

    def tokens(count):
        """As many answers as the row says; a hundred are too many."""
        for number in range(int(count[0])):
            if number == 100:
                raise RuntimeError("out of words")
            yield {"token": np.array([f"t{number}"]), "number": np.array([number])}
'''


@pytest.fixture(scope="module")
def client(serving, tmp_path_factory) -> httpx.Client:
    return serving(packed(tmp_path_factory.mktemp("stream"), SOURCE, "tokens"))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_each_answer_is_a_line_in_a_chunk_of_its_own(client, count):
    wanted = [{"predictions": [{"token": f"t{n}", "number": n}]} for n in range(count)]
    with client.stream("POST", "/invocations", json={"instances": [count]}) as answer:
        assert answer.status_code == 200
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.headers["content-type"] == "application/jsonlines"
        assert [json.loads(line) for line in answer.iter_lines()] == wanted


def test_whoever_accepts_events_gets_events(client):
    headers = {"accept": "text/event-stream"}
    answer = client.post("/invocations", json=[{"count": 2}], headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert [json.loads(line)["predictions"][0]["number"] for line in lines] == [0, 1]


def test_tensors_are_answered_by_tensors(client):
    tensor = {"name": "count", "shape": [1], "datatype": "INT64", "data": [2]}
    answer = client.post("/invocations", json={"inputs": [tensor]})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["outputs"][0]["data"] for line in lines] == [["t0"], ["t1"]]


def test_what_fails_first_has_its_status_and_what_fails_later_is_the_last_line(client):
    assert client.post("/invocations", json={"instances": ["x"]}).status_code == 400
    answer = client.post("/invocations", json={"instances": [101]})
    assert answer.status_code == 200
    last = json.loads(answer.text.splitlines()[-1])
    assert "error_code" in last
    assert "out of words" in last["message"]
