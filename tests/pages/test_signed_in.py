"""People sign in at a real server: who they are then, what they see, use and pay."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from tests import models
from tests.pages.browsing import Reader, Seen
from tests.pages.keys import new_key
from tests.processes import Running, server, until

from fairlead.cli.main import main as command


@pytest.fixture(scope="module")
def closed(tmp_path_factory) -> Iterator[tuple[Running, dict[str, str]]]:
    """A server with keys: one of a caller, one of guests; and the secrets by name."""
    place = tmp_path_factory.mktemp("closed")
    models.total(place / "models")
    models.classifier(place / "models")
    state = place / "state"
    keys = {
        "ann": new_key(state, "ann", "predict:total", "usage:read", limit="requests=1000/hour"),
        "blind": new_key(state, "blind", "predict:*"),
        "guest": new_key(state, "guest", "predict:classifier", limit="requests=5/hour"),
    }
    guest = {"FAIRLEAD_PAGES__GUEST": keys["guest"]["id"]}
    gold = place / "gold.toml"
    gold.write_text('[plan]\nname = "gold"\ncurrency = "EUR"\n[price]\nrow = "0.002"\n')
    assert command(["plans", "put", str(gold), "--state", str(state)]) == 0
    keys["payer"] = new_key(state, "payer", "predict:total", more=["--tenant", "acme"])
    assert command(["tenants", "plan", "acme", "gold", "--state", str(state)]) == 0
    with server(place / "models", state=state, environ=guest) as running:
        yield running, {name: made["key"] for name, made in keys.items()}


def signed_in(running: Running, key: str) -> Reader:
    reader = Reader(running.port)
    page = reader.send("/sign-in", {"key": key}, come_from="/models")
    assert page.status == 200
    return reader


def test_whoever_has_signed_in_sees_what_their_key_may_know_of(closed):
    running, keys = closed
    reader = signed_in(running, keys["ann"])
    page = Seen(reader.look("/"))
    assert "total" in page.text
    assert "classifier" not in page.text
    assert "ann" in page.text
    assert reader.look("/models/classifier").status == 404


def test_a_session_is_no_key_for_programs(closed):
    running, keys = closed
    reader = signed_in(running, keys["ann"])
    reader.headers = {"accept": "*/*"}
    assert reader.look("/models").status == 401
    assert reader.look("/limits").status == 401


def test_the_cookie_is_read_by_no_script_and_holds_no_key(closed):
    running, keys = closed
    status, _, headers = _raw(running, keys["ann"])
    assert status == 303
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Lax" in headers["set-cookie"]
    assert keys["ann"] not in headers["set-cookie"]


def _raw(running: Running, key: str) -> tuple[int, bytes, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)) as line:
        line.request(
            "POST",
            "/sign-in",
            urlencode({"key": key}),
            {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"},
        )
        answer = line.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}


@pytest.mark.parametrize("key", ["", "nonsense", "frl_live_" + "0" * 36, "<script>"])
def test_a_wrong_key_gets_the_form_again(closed, key):
    running, _ = closed
    page = Reader(running.port).send("/sign-in", {"key": key})
    assert page.status == 401
    assert "Sign in" in Seen(page).text
    assert "<script>" not in page.text


def test_after_signing_in_the_reader_is_back_where_they_were(closed):
    running, keys = closed
    reader = Reader(running.port)
    page = reader.send("/sign-in", {"key": keys["ann"]}, come_from="/models/total/playground")
    assert page.path == "/models/total/playground"
    elsewhere = Reader(running.port)
    given = {"key": keys["ann"]}
    page = elsewhere.send("/sign-in", given, referer="http://evil.example/models/total")
    assert page.path == "/"


def test_the_price_of_a_call_stands_beside_its_answer(closed):
    running, keys = closed
    reader = signed_in(running, keys["payer"])
    path = "/models/total/playground"
    page = reader.send(path, Seen(reader.look(path)).fields)
    assert page.status == 200
    assert "0.002 EUR" in Seen(page).text


def test_whoever_signs_out_is_nobody_again(closed):
    running, keys = closed
    reader = signed_in(running, keys["ann"])
    seal = Seen(reader.look("/")).fields["seal"]
    reader.send("/sign-out", {"seal": seal})
    assert "ann" not in Seen(reader.look("/")).text


def test_a_form_without_the_seal_of_its_session_is_refused(closed):
    running, keys = closed
    reader = signed_in(running, keys["ann"])
    fields = {"row.a": "1", "row.b": "2", "row.c": "3"}
    assert reader.send("/models/total/playground", fields).status == 403
    seal = Seen(reader.look("/models/total/playground")).fields["seal"]
    assert reader.send("/models/total/playground", {**fields, "seal": seal}).status == 200
    other = signed_in(running, keys["blind"])
    assert other.send("/models/total/playground", {**fields, "seal": seal}).status == 403


def test_guests_see_and_use_what_their_key_allows_until_its_limit(closed):
    running, _ = closed
    reader = Reader(running.port)
    assert "classifier" in Seen(reader.look("/")).text
    assert reader.look("/models/total").status == 404
    path = "/models/classifier/playground"
    fields = {k: v for k, v in Seen(reader.look(path)).fields.items() if k.startswith("row.")}
    answers = [reader.send(path, fields).status for _ in range(8)]
    assert answers[0] == 200
    assert answers[-1] == 429


def test_the_portal_shows_what_was_used_and_what_is_left(closed):
    running, keys = closed
    reader = signed_in(running, keys["ann"])
    path = "/models/total/playground"
    fields = Seen(reader.look(path)).fields
    assert reader.send(path, fields).status == 200

    def counted() -> bool:
        return "requests in 30 days 0" not in Seen(reader.look("/portal")).text

    until(counted, 15)
    page = Seen(reader.look("/portal"))
    assert "of 1,000 left" in page.text
    assert "total" in page.text


def test_a_key_that_may_not_see_usage_is_told_so_and_sees_the_rest(closed):
    running, keys = closed
    page = Seen(signed_in(running, keys["blind"]).look("/portal"))
    assert "may not see what was used" in page.text
    assert "Rotate the key" in page.text


def test_a_rotated_key_is_shown_once_and_its_owner_stays_signed_in(closed, tmp_path_factory):
    running, _ = closed
    state = next(path for path in tmp_path_factory.getbasetemp().glob("closed*/state"))
    made = new_key(state, "turning", "predict:total")
    until(lambda: _raw(running, made["key"])[0] == 303, 10)
    reader = signed_in(running, made["key"])
    seal = Seen(reader.look("/portal")).fields["seal"]
    assert reader.send("/portal/rotate", {}).status == 403
    page = reader.send("/portal/rotate", {"seal": seal})
    assert page.status == 200
    found = [word for word in Seen(page).text.split() if word.startswith("frl_live_")]
    assert len(found) == 1
    assert found[0] != made["key"]
    until(lambda: "turning" in Seen(reader.look("/")).text, 10)
    assert running.asked("/models", found[0])[0] == 200


def test_a_session_ends_with_its_key(closed, tmp_path_factory):
    running, _ = closed
    state = next(path for path in tmp_path_factory.getbasetemp().glob("closed*/state"))
    made = new_key(state, "leaving", "predict:total")
    until(lambda: _raw(running, made["key"])[0] == 303, 10)
    reader = signed_in(running, made["key"])
    assert command(["keys", "revoke", made["id"], "--state", str(state)]) == 0
    until(lambda: reader.look("/models/total").status == 401, 10)
