"""Generate and streams of answers: functions of people behind one server, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
from textwrap import dedent

import httpx
import pytest
from tests.edge.http2_raw import GET, RawHttp2, path
from tests.functions import ENDLESS, packed
from tests.processes import until

from fairlead.edge import http2_frames as h2

SOURCE = '''
    import time
    from pathlib import Path
    import numpy as np

    def tokens(count, *, parameters):
        """As many answers as the row says."""
        for number in range(int(count[0])):
            if number == parameters.get("fails_at", -1):
                raise RuntimeError("out of words")
            yield {"token": np.array([f"t{number}"]), "number": np.array([number])}

    TOTALS = {}

    def total(count, *, sequence):
        """The sum of what a sequence was sent."""
        before = 0 if sequence.start else TOTALS[sequence.id]
        now = before + float(count.sum())
        TOTALS[sequence.id] = now
        return np.full(len(count), now)

    def scaled(count, *, parameters):
        return count * float(parameters.get("by", 1))
'''


@pytest.fixture(scope="module")
def client(serving, tmp_path_factory):
    names = ("tokens", "endless", "total", "scaled")
    source = dedent(SOURCE) + ENDLESS
    return serving(packed(tmp_path_factory.mktemp("streams"), source, *names))


@pytest.fixture(scope="module")
def http2(client):
    with httpx.Client(base_url=client.base_url, http1=False, http2=True, timeout=60) as made:
        yield made


def events(answer: httpx.Response) -> list[dict]:
    blocks = answer.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_stream_has_as_many_events_as_the_model_gives_answers(client, count):
    answer = client.post("/v2/models/tokens/generate_stream", json={"count": count})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert [event["number"] for event in events(answer)] == [*range(count)]


def test_one_answer_is_a_flat_object_with_the_callers_id(client):
    body = {"id": "a", "count": 1}
    answer = client.post("/v2/models/tokens/generate", json=body)
    told = {"id": "a", "model_name": "tokens", "model_version": "1", "token": "t0", "number": 0}
    assert answer.json() == told


@pytest.mark.parametrize("count", [0, 2])
def test_generate_refuses_what_is_not_one_answer(client, count):
    answer = client.post("/v2/models/tokens/generate", json={"count": count})
    assert answer.status_code == 501
    assert "answer" in answer.json()["error"]


def test_a_model_of_many_answers_is_not_asked_for_one_tensor(client):
    tensor = {"name": "count", "datatype": "INT64", "shape": [1], "data": [1]}
    answer = client.post("/v2/models/tokens/infer", json={"inputs": [tensor]})
    assert answer.status_code == 501
    config = client.get("/v2/models/tokens/config").json()
    assert config["model_transaction_policy"] == {"decoupled": True}


def test_what_fails_before_the_first_answer_has_its_own_status(client):
    answer = client.post("/v2/models/tokens/generate_stream", json={"cuont": 1})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    body = {"count": 2, "fails_at": 0}
    answer = client.post("/v2/models/tokens/generate_stream", json=body)
    assert answer.status_code == 500
    assert "out of words" in answer.json()["error"]


def test_what_fails_later_is_the_last_event(client):
    body = {"count": 5, "parameters": {"fails_at": 2}}
    answer = client.post("/v2/models/tokens/generate_stream", json=body)
    assert answer.status_code == 200
    *before, last = events(answer)
    assert [event["number"] for event in before] == [0, 1]
    assert "out of words" in last["error"]


def test_an_input_that_is_given_twice_is_refused(client):
    body = {"count": 1, "parameters": {"count": 2}}
    assert client.post("/v2/models/tokens/generate", json=body).status_code == 400


def test_infer_stream_gives_whole_answers_of_the_protocol(client):
    tensor = {"name": "count", "datatype": "INT64", "shape": [1], "data": [2]}
    answer = client.post("/v2/models/tokens/infer_stream", json={"id": "b", "inputs": [tensor]})
    told = [{o["name"]: o["data"] for o in event["outputs"]} for event in events(answer)]
    assert told == [{"token": ["t0"], "number": [0]}, {"token": ["t1"], "number": [1]}]


def test_a_request_behind_a_stream_on_one_connection_is_answered_after_it(client):
    first = b'{"count": 3}'
    address = (
        b"POST /v2/models/tokens/generate_stream HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    )
    live = b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.base_url.port), 10) as line:
        line.sendall((address % len(first) + first) * 2 + live)
        said = b"".join(iter(lambda: line.recv(65536), b""))
    assert said.count(b"data: {") == 6
    assert said.endswith(b'{"live": true}')


def test_a_caller_who_does_not_read_is_not_worked_for_and_holds_up_nobody(client):
    body = b'{"count": 60000}'
    with socket.create_connection(("127.0.0.1", client.base_url.port), 10) as line:
        line.sendall(
            b"POST /v2/models/endless/generate_stream HTTP/1.1\r\nhost: a\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert line.recv(1000)
        assert opened(client) >= 1


def opened(client) -> int:
    """How many streams of the endless model are open, the asking one left out."""
    with client.stream("POST", "/v2/models/endless/generate_stream", json={"count": 1}) as answer:
        first = next(answer.iter_text())
    return json.loads(first.split("\n\n")[0].removeprefix("data: "))["open"] - 1


def test_streams_that_were_left_leave_nothing_in_the_model(client):
    def leave() -> None:
        for _ in range(25):
            opened(client)

    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: opened(client) <= 1)  # the one that has just been left may not be closed yet


def test_a_deadline_ends_a_stream_as_its_last_event(client):
    body = {"count": 1, "timeout": 300_000}
    answer = client.post("/v2/models/endless/generate_stream", json=body, timeout=20)
    assert "deadline" in events(answer)[-1]["error"]


# --- over HTTP/2 and HTTP/1.0 ----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"count": 0},
        {"count": 5},
        {"cuont": 1},
        {"count": 2, "fails_at": 0},
        {"count": 5, "fails_at": 2},
    ],
)
def test_events_over_http2_are_those_over_http1(client, http2, body):
    mine = {"x-request-id": "seven"}
    address = "/v2/models/tokens/generate_stream"
    one, two = (c.post(address, json=body, headers=mine) for c in (client, http2))
    assert (one.http_version, two.http_version) == ("HTTP/1.1", "HTTP/2")
    assert (one.status_code, one.text) == (two.status_code, two.text)
    for name in ("content-type", "x-request-id"):
        assert one.headers[name] == two.headers[name]
    assert ("fairlead-usage-id" in one.headers) == ("fairlead-usage-id" in two.headers)


def test_a_stream_over_http2_says_where_it_stands_in_the_journal(http2):
    address = "/v2/models/tokens/generate_stream"
    ids = {http2.post(address, json={"count": 2}).headers["fairlead-usage-id"] for _ in range(3)}
    assert len(ids) == 3


def test_many_events_wait_for_who_takes_them_over_http2(http2):
    body = {"count": 60_000}
    with http2.stream("POST", "/v2/models/endless/generate_stream", json=body) as answer:
        taken = 0
        for piece in answer.iter_bytes():
            taken += len(piece)
            if taken > 3 << 20:
                break
    assert http2.get("/v2/health/live").json() == {"live": True}


def test_streams_over_http2_that_were_given_up_leave_nothing_in_the_model(client):
    lines = [(n, "POST" if n == ":method" else v) for n, v in GET]
    with RawHttp2(client.base_url.port) as raw:
        # What was sent of streams that were given up counts against the connection's window.
        raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(1 << 30)))
        for _ in range(50):
            number = raw.ask(path("/v2/models/endless/generate_stream", lines), b'{"count": 1}')
            while (one := raw.frame())[0] != h2.DATA or one[2] != number:
                pass
            raw.send(h2.frame(h2.RST_STREAM, 0, number, h2.number(8)))
    until(lambda: opened(client) <= 1)


@pytest.mark.parametrize("kept", [b"", b"connection: keep-alive\r\n"])
def test_an_old_caller_has_its_events_without_chunks_until_the_end(client, kept):
    body = b'{"count": 3}'
    with socket.create_connection(("127.0.0.1", client.base_url.port), 10) as line:
        line.sendall(
            b"POST /v2/models/tokens/generate_stream HTTP/1.0\r\n%bcontent-length: %d\r\n\r\n%b"
            % (kept, len(body), body)
        )
        said = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, rest = said.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head
    assert rest.startswith(b"data: {")
    assert rest.endswith(b"}\n\n")
    assert rest.count(b"data: {") == 3


def infer(client, model: str, number: float, **parameters) -> httpx.Response:
    tensor = {"name": "count", "datatype": "INT64", "shape": [1], "data": [number]}
    body = {"inputs": [tensor], "parameters": parameters}
    return client.post(f"/v2/models/{model}/infer", json=body)


def test_a_function_gets_the_parameters_of_the_request(client):
    assert infer(client, "scaled", 3, by=2.5).json()["outputs"][0]["data"] == [7.5]
    assert infer(client, "scaled", 3).json()["outputs"][0]["data"] == [3.0]


@pytest.mark.parametrize("name", [7, "seven"], ids=["number", "text"])
def test_calls_of_a_sequence_belong_together(client, name):
    def one(number: int, **more: bool) -> float:
        answer = infer(client, "total", number, sequence_id=name, **more)
        return answer.json()["outputs"][0]["data"][0]

    assert one(1, sequence_start=True) == 1
    assert one(2) == 3
    assert one(3, sequence_end=True) == 6
    refused = infer(client, "total", 1, sequence_id=name)
    assert refused.status_code == 400
    assert refused.json()["id"] == "FRL-1040"


def test_a_call_without_a_sequence_stands_alone(client):
    assert infer(client, "total", 4).json()["outputs"][0]["data"] == [4.0]


def test_a_sequence_is_refused_where_the_model_takes_none(client):
    assert infer(client, "scaled", 1, sequence_id=1).status_code == 400
