"""People sign in with an issuer of their own, and with nothing that was meant for somebody else."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from tests import models
from tests.pages.browsing import Looked, Reader, Seen
from tests.pages.issuer import CLIENT, SECRET, Issuer, issuer
from tests.processes import Running, server, until

from fairlead.access.code_flow import Way

RULES = """
[[issuer]]
name = "login"
issuer = "{address}"
audience = "{client}"
algorithms = ["RS256"]
discovery = true
client = "{client}"
client_secret_file = "client.secret"
tenant = "acme"
scopes = ["predict:total", "usage:read"]
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Iterator[tuple[Running, Issuer]]:
    place = tmp_path_factory.mktemp("issuer")
    models.total(place / "models")
    models.classifier(place / "models")
    with issuer() as login:
        (place / "client.secret").write_text(SECRET)
        rules = place / "identities.toml"
        rules.write_text(RULES.format(address=login.address, client=CLIENT))
        flags = ("--identities", rules)
        with server(place / "models", *flags, state=place / "state") as running:
            yield running, login


@pytest.fixture(autouse=True)
def usual(both):
    login = both[1]
    login.nonce, login.subject = None, "ann@example.org"


def out(reader: Reader, come_from: str = "") -> str:
    """Begins to sign in; the address at the issuer."""
    if come_from:
        reader.headers["referer"] = f"http://127.0.0.1:{reader.port}{come_from}"
    looked = reader.step("/sign-in/with/login")
    reader.headers.pop("referer", None)
    assert looked.status == 303, looked.text
    return looked.headers["location"]


def through(address: str) -> str:
    """Signs in at the issuer; the address of ours to which it leads back."""
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as line:
        line.request("GET", f"{parts.path}?{parts.query}")
        answer = line.getresponse()
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"


def signed_in(reader: Reader, come_from: str = "") -> Looked:
    return reader.look(through(out(reader, come_from)))


def test_the_first_page_offers_the_issuer(both):
    page = Reader(both[0].port).look("/")
    links = [about.get("href") for about in Seen(page).all("a")]
    assert "./sign-in/with/login" in links


def test_whoever_has_signed_in_with_the_issuer_sees_what_its_rule_allows(both):
    reader = Reader(both[0].port)
    page = Seen(signed_in(reader))
    assert "total" in page.text
    assert "classifier" not in page.text
    assert "ann@example.org" in page.text
    path = "/models/total/playground"
    fields = Seen(reader.look(path)).fields
    assert reader.send(path, fields).status == 200


def test_the_reader_is_led_back_to_where_they_were(both):
    reader = Reader(both[0].port)
    assert signed_in(reader, "/models/total").path == "/models/total"
    other = Reader(both[0].port)
    assert signed_in(other, "//evil.example/x").path == "/"


def test_the_challenge_travels_and_the_verifier_does_not(both):
    reader = Reader(both[0].port)
    asked = parse_qs(urlsplit(out(reader)).query)
    verifier = Way.from_text(reader.cookies["fairlead_way"].rpartition(".")[0]).verifier
    assert asked["code_challenge"][0] != verifier
    assert asked["redirect_uri"] == [f"http://127.0.0.1:{both[0].port}/sign-in/back"]


def test_a_code_of_another_browser_lets_nobody_in(both):
    """Whoever is sent somebody else's way back would be signed in as them."""
    theirs = Reader(both[0].port)
    back = through(out(theirs))
    mine = Reader(both[0].port)
    assert mine.look(back).status == 401
    out(mine)
    assert mine.look(back).status == 401
    assert "fairlead_session" not in mine.cookies


def test_a_code_is_good_once(both):
    reader = Reader(both[0].port)
    back = through(out(reader))
    assert reader.step(back).status == 303
    out(reader)
    assert reader.look(back).status == 401


def test_a_token_of_another_sign_in_lets_nobody_in(both):
    both[1].nonce = "of another one"
    reader = Reader(both[0].port)
    assert signed_in(reader).status == 401
    assert "fairlead_session" not in reader.cookies


def test_whoever_the_issuer_refuses_is_told_so(both):
    reader = Reader(both[0].port)
    state = parse_qs(urlsplit(out(reader)).query)["state"][0]
    page = reader.look(f"/sign-in/back?error=access_denied&state={state}")
    assert page.status == 401
    assert "access_denied" in Seen(page).text


@pytest.mark.parametrize("path", ["/sign-in/back", "/sign-in/back?code=x&state="])
def test_a_way_back_without_a_way_out_is_none(both, path):
    assert Reader(both[0].port).look(path).status == 401


def test_an_issuer_that_is_not_there_is_404(both):
    assert Reader(both[0].port).look("/sign-in/with/nobody").status == 404


def test_a_session_of_a_token_opens_no_address_of_programs(both):
    reader = Reader(both[0].port)
    signed_in(reader)
    reader.headers["accept"] = "*/*"
    until(lambda: reader.step("/models").status == 401)
