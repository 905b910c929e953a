"""The Python client against a real server, and against one that fails in every way."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests import models
from tests.processes import server as started
from tests.serving.test_keys_served import Keyed

import fairlead
from fairlead.client.answer import Predictions
from fairlead.client.retry import Budget, Retries
from fairlead.client.rows import rows_of
from fairlead.core.errors import (
    AnswerUnreadable,
    BadUsage,
    DeadlineExceeded,
    MissingExtra,
    ModelNotFound,
    Overloaded,
    RowsInvalid,
    ServerUnreachable,
    ShapeInvalid,
    Unauthenticated,
    UnknownName,
)

ROWS = [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 4.0, "b": 5.0, "c": 6.0}]
QUICK = Retries(attempts=3, share=1.0)


@pytest.fixture(scope="module")
def url(serving, small_models) -> str:
    return str(serving(small_models).base_url).rstrip("/")


@pytest.fixture(scope="module")
def client(url):
    with fairlead.Client(url) as made:
        yield made


GIVEN = {
    "dicts": ROWS,
    "lists": [[1, 2, 3], [4, 5, 6]],
    "columns": {"a": [1, 4], "b": [2, 5], "c": [3, 6]},
    "arrays": {"a": np.array([1, 4]), "b": np.array([2, 5]), "c": np.array([3, 6])},
    "array": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
    "frame": pd.DataFrame(ROWS),
    "table": pa.Table.from_pylist(ROWS),
    "batch": pa.RecordBatch.from_pylist(ROWS),
    "reader": pa.Table.from_pylist(ROWS).to_reader(),
    "structs": pa.array(ROWS),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_rows_come_as_people_have_them(client, kind):
    found = client.predict("total", GIVEN[kind])
    assert found.values == [6.0, 15.0]
    assert (found.model, found.version, len(found)) == ("total", 1, 2)
    assert len(found.usage_ids) == 1


def test_one_row_may_stand_alone(client):
    assert client.predict("total", ROWS[0]).values == [6.0]


def test_what_is_missing_travels_as_null():
    assert rows_of(pd.DataFrame({"a": [1.0, float("nan")], "b": ["x", None]})) == [
        {"a": 1.0, "b": "x"},
        {"a": None, "b": None},
    ]
    assert rows_of([{"a": np.float32("nan"), "b": [np.int64(3)]}]) == [{"a": None, "b": [3]}]
    table = pa.table({"a": [float("nan"), None], "b": ["x", None]})
    assert rows_of(table) == [{"a": None, "b": "x"}, {"a": None, "b": None}]


@pytest.mark.parametrize("given", [5, "text", np.float64(1.0), {"a": [1], "b": [1, 2]}, None])
def test_what_is_no_rows_is_refused_here(given):
    with pytest.raises(RowsInvalid):
        rows_of(given)


def test_more_rows_than_a_request_takes_go_in_several(client):
    rows = [{"a": n, "b": 0, "c": 0} for n in range(2_500)]
    found = client.predict("total", rows)
    assert found.values == [float(n) for n in range(2_500)]
    assert len(found.usage_ids) == 3


def test_a_row_is_counted_over_all_requests(client):
    rows: list[Any] = [[n, 0, 0] for n in range(2_500)]
    rows[2_003] = [1, 2]
    with pytest.raises(ShapeInvalid) as short:
        client.predict("total", rows)
    assert short.value.row == 2_003
    assert short.value.what.startswith("row 2003 has 2 values")
    assert short.value.where == "row 2003"
    assert str(short.value) == short.value.what


def test_answers_are_read_as_tables(client):
    rows = [dict.fromkeys(models.FEATURES, 0.0) | {"length": 9.0}] * 2
    found = client.predict("classifier", rows)
    assert found.labels == ["red", "red"]
    assert found.decisions == ["serve", "serve"]
    assert found.to_numpy().shape == (2, 3)
    assert {"label", "scores.red", "decision"} <= {*found.to_pandas().columns}
    assert found.to_arrow().num_rows == 2
    assert client.predict("total", ROWS).to_numpy().tolist() == [6.0, 15.0]
    assert [row["value"] for row in client.predict("total", ROWS)] == [6.0, 15.0]
    named = client.predict("classifier", rows, outputs=["label"], version=1)
    assert "scores" not in named[0]


@pytest.mark.parametrize(
    ("library", "method", "extra"),
    [("pandas", "to_pandas", "pandas"), ("pyarrow", "to_arrow", "parquet")],
)
def test_a_table_without_its_library_names_the_extra(monkeypatch, library, method, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra) as absent:
        getattr(Predictions("m", 1, [{"value": 1.0}]), method)()
    assert f"fairlead[{extra}]" in str(absent.value.fix)


def test_answers_go_to_arrow_as_they_go_to_pandas(client):
    found = client.predict("total", ROWS)
    assert found.to_arrow().to_pylist() == found.to_pandas().to_dict("records")


def test_models_are_listed_and_described(client):
    assert "total" in client.models()
    about = client.model("total")
    assert about["columns"] == ["a", "b", "c"]
    assert client.ready()


def test_the_servers_errors_are_raised_as_they_are(client):
    with pytest.raises(ModelNotFound) as unknown:
        client.predict("nobody", ROWS)
    assert unknown.value.status == 404
    with pytest.raises(UnknownName) as column:
        client.predict("total", [{"a": 1, "b": 2, "d": 3}])
    assert (column.value.row, column.value.column) == (0, "d")
    assert column.value.fix


def test_a_key_is_shown(small_models, tmp_path):
    with started(small_models, state=tmp_path, workers=1) as running:
        keyed = Keyed(running, tmp_path)
        key = keyed.key("k", "predict:total")
        address = f"http://127.0.0.1:{running.port}"
        with fairlead.Client(address, key=key) as client:
            assert client.models() == ["total"]
            assert client.predict("total", ROWS).values == [6.0, 15.0]
        with fairlead.Client(address) as client, pytest.raises(Unauthenticated):
            client.models()


@pytest.mark.parametrize("url", ["", "127.0.0.1", "ftp://a", "http://", "http://a b"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(BadUsage):
        fairlead.Client(url)


def test_the_asynchronous_client_has_the_same_answers(url):
    async def asked() -> Any:
        async with fairlead.AsyncClient(url) as client:
            assert await client.ready()
            assert "total" in await client.models()
            assert (await client.model("total"))["columns"] == ["a", "b", "c"]
            with pytest.raises(ModelNotFound):
                await client.predict("nobody", ROWS)
            many = [{"a": n, "b": 0, "c": 0} for n in range(2_500)]
            assert (await client.predict("total", many)).values == [float(n) for n in range(2_500)]
            found = await asyncio.gather(*[client.predict("total", ROWS) for _ in range(20)])
            return [one.values for one in found]

    assert asyncio.run(asked()) == [[6.0, 15.0]] * 20


def test_both_clients_have_the_same_methods():
    def public(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")}

    assert public(fairlead.Client) == public(fairlead.AsyncClient)


# --- a server that fails ------------------------------------------------------------------------


@contextmanager
def failing(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers in turn, the last for ever; and what it was asked."""
    asked: list[Any] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(dict(self.headers))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


GOOD = (200, {}, json.dumps({"version": 1, "predictions": [{"value": 6.0}]}).encode())
BUSY = (503, {"retry-after": "0"}, json.dumps({"id": "FRL-1502", "detail": "busy"}).encode())
LIMIT = (429, {"retry-after": "0"}, b"{}")


def run(kind: str, url: str, **more: Any) -> Any:
    """A prediction by one client or the other."""
    if kind == "sync":
        with fairlead.Client(url, **more) as client:
            return client.predict("m", ROWS[:1]).values

    async def asked() -> Any:
        async with fairlead.AsyncClient(url, **more) as client:
            return (await client.predict("m", ROWS[:1])).values

    return asyncio.run(asked())


@pytest.fixture(params=["sync", "async"])
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("refused", [BUSY, LIMIT], ids=["busy", "limit"])
def test_what_was_not_taken_is_tried_again(kind, refused):
    with failing(refused, refused, GOOD) as (url, asked):
        assert run(kind, url, retries=QUICK) == [6.0]
        assert len(asked) == 3


def test_tries_end(kind):
    with failing(BUSY) as (url, asked), pytest.raises(Overloaded):
        run(kind, url, retries=QUICK)
    assert len(asked) == 3


@pytest.mark.parametrize("status", [400, 500, 502, 504])
def test_what_may_have_been_done_is_not_tried_again(kind, status):
    with failing((status, {}, b"{}")) as (url, asked), pytest.raises(fairlead.FairleadError):
        run(kind, url, retries=QUICK)
    assert len(asked) == 1


def test_an_answer_that_breaks_off_is_not_asked_for_again(kind):
    with failing((0, {}, b"")) as (url, asked), pytest.raises(ServerUnreachable):
        run(kind, url, retries=QUICK)
    assert len(asked) == 1


def test_a_server_that_is_not_there_is_tried_again_and_said(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerUnreachable) as gone:
        run(kind, f"http://127.0.0.1:{port}", retries=QUICK)
    assert str(port) in gone.value.what


def test_a_wait_beyond_the_deadline_is_not_waited(kind):
    later = (503, {"retry-after": "3600"}, BUSY[2])
    with failing(later) as (url, asked), pytest.raises(Overloaded):
        run(kind, url, timeout=5)
    assert len(asked) == 1


def test_the_server_is_told_the_deadline(kind):
    with failing(GOOD) as (url, asked):
        run(kind, url, timeout=5)
    told = {name.lower(): value for name, value in asked[0].items()}
    assert 3_000 < int(told["x-request-timeout"]) <= 5_000


def test_time_that_is_over_is_said(kind):
    with failing(GOOD) as (url, asked), pytest.raises(DeadlineExceeded):
        run(kind, url, timeout=1e-9)
    assert asked == []


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"predictions": 5, "version": 1}'])
def test_an_answer_of_something_else_is_said(kind, body):
    with failing((200, {}, body)) as (url, _), pytest.raises(AnswerUnreadable):
        run(kind, url)


def test_tries_are_a_share_of_all_requests():
    budget = Budget(Retries(share=0.5, free=2.0))
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    budget.request()
    assert not budget.spend()
    budget.request()
    assert budget.spend()


def test_waits_grow_are_of_chance_and_keep_the_servers_word():
    waits = [Retries().wait_s(attempt, None) for attempt in range(1, 60)]
    assert all(0 <= wait <= min(10.0, 0.1 * 2**n) for n, wait in enumerate(waits))
    assert len({*waits}) == len(waits)
    assert 3.0 <= Retries().wait_s(1, 3.0) <= 3.1
