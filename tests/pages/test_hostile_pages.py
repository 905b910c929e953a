"""Attacks on the pages of a real server: what a browser can be made to send, and raw requests."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from tests import models
from tests.pages.browsing import Reader, Seen
from tests.pages.keys import new_key
from tests.processes import Running, server

from fairlead.core.signature import Signature

FORM = {"content-type": "application/x-www-form-urlencoded"}
HOSTILE = ("<img src=x onerror=alert(1)>", "'; touch /tmp/x; '", '"+alert(1)+"', "</textarea>")
"""Names of columns that want to be something else."""
EVIL = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Running]:
    """A server for which nobody needs a key."""
    place = tmp_path_factory.mktemp("open-pages")
    models.total(place / "models")
    models.grid(place / "models")
    columns = (*HOSTILE, *(f"c{n}" for n in range(5000 - len(HOSTILE))))
    taken = models.spec("x", "FP32", (-1, 5000), columns=columns)
    signature = Signature((taken,), (models.spec("y", "FP32", (-1, 5000)),))
    models.commit(place / "models", "wide", signature, [models.node("Identity", "x", "y")])
    with server(place / "models", state=place / "state") as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory) -> Iterator[tuple[Running, dict[str, str]]]:
    """A server with a key."""
    place = tmp_path_factory.mktemp("kept-pages")
    models.total(place / "models")
    key = new_key(place / "state", "ann", "predict:*")
    with server(place / "models", state=place / "state") as running:
        yield running, key


def asked(
    port: int, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """The answer to one request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as line:
        line.request(method, path, body, headers)
        answer = line.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.read()


@pytest.mark.parametrize(
    "text", ["x\r\nset-cookie: evil=1\r\n\r\n<script>", "x; domain=evil", "ключ"]
)
def test_what_is_shown_where_nobody_needs_a_key_becomes_no_header(opened, text):
    body = urlencode({"key": text}).encode()
    status, headers, _ = asked(opened.port, "POST", "/sign-in", body, **FORM)
    assert status == 303
    assert "set-cookie" not in headers


@pytest.mark.parametrize("header", ["origin", "referer"])
def test_an_address_that_is_none_is_no_fault_of_ours(closed, header):
    running, key = closed
    body = urlencode({"key": key["key"]}).encode()
    status, *_ = asked(running.port, "POST", "/sign-in", body, **FORM, **{header: "http://["})
    assert status == (401 if header == "origin" else 303)


@pytest.mark.parametrize(
    "place", ["//evil.example", "/.//evil.example", "/\\evil.example", "/%0d%0ax: y", "/sign-in"]
)
def test_signing_in_leads_to_a_page_of_ours_or_to_the_first(closed, place):
    running, key = closed
    body = urlencode({"key": key["key"]}).encode()
    came = {"referer": f"http://127.0.0.1:{running.port}{place}"}
    _, headers, _ = asked(running.port, "POST", "/sign-in", body, **FORM, **came)
    assert headers["location"] == "./"


def test_no_page_of_another_site_ends_a_model_where_nobody_needs_a_key(opened):
    path = "/v2/repository/models/total/unload"
    status, _, body = asked(opened.port, "POST", path, b"", **EVIL)
    assert status == 403, body
    assert opened.asked("/predict/total", "", [1, 2, 3])[0] == 200


def test_a_name_that_points_here_is_no_way_in_where_nobody_needs_a_key(opened):
    for path in ("/models", "/models/total", "/models/total/playground", "/portal"):
        for accept in ("text/html", "application/json"):
            status, *_ = asked(opened.port, "GET", path, host="evil.example", accept=accept)
            assert status == 403, path


@pytest.mark.parametrize("page", ["/models/wide", "/models/wide/playground"])
def test_a_page_of_a_model_of_many_columns_is_no_larger_than_people_read(opened, page):
    status, _, body = asked(opened.port, "GET", page, accept="text/html")
    assert status == 200
    assert len(body) < 100_000
    assert b"<img src=x" not in body


def test_a_model_of_many_columns_is_tried_with_a_file_and_by_no_form(opened):
    reader = Reader(opened.port)
    page = reader.look("/models/wide/playground")
    assert "A row has 5,000 values." in Seen(page).text
    assert [about["name"] for about in Seen(page).all("input")] == ["seal", "csv"]
    assert reader.send("/models/wide/playground", {}).status == 400


@pytest.mark.parametrize("depth", [100, 900, 960, 990, 1000, 100_000])
def test_a_value_that_is_nested_deeply_is_wrong_and_no_fault_of_ours(opened, depth):
    page = Reader(opened.port).send("/models/grid/playground", {"row.x": "[" * depth + "]" * depth})
    assert page.status == 400, page.text


@pytest.mark.parametrize("text", ["1e999", "[" + "9" * 5000 + "]", "NaN", '{"a": 1}', '"\\ud800"'])
def test_a_value_that_no_row_holds_is_wrong_and_no_fault_of_ours(opened, text):
    page = Reader(opened.port).send("/models/grid/playground", {"row.x": text})
    assert page.status == 400, page.text
