"""Fetching the keys of issuers: from where, how often, and what is not put up with."""

import json
import socket
import ssl
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread

import pytest
from tests.access.issuing import ISSUER, RULES, Web, identities, public, signed, web
from tests.access.parts import NOW
from tests.certificates import Authority
from tests.processes import until

from fairlead.access import issuers as module
from fairlead.access.identity_rules import parse_identities
from fairlead.access.issuers import KeySource, KeySources, Unreachable, cleaned, fetch, keys_of
from fairlead.access.tokens import IssuerKeys

KEYS = {"keys": public("ES256")}


@pytest.fixture
def site():
    with web() as made:
        yield made


def issuer(tmp_path, line):
    text = RULES.replace('jwks = "keys.json"', line)
    (found,) = parse_identities(text, tmp_path / "identities.toml").issuers.values()
    return found


def described(site: Web, **changed):
    keys = f"{site.address}/keys"
    site.page("/d", {"issuer": ISSUER, "jwks_uri": keys} | changed)
    site.page("/keys", KEYS)
    return f'discovery = "{site.address}/d"'


def refused(tmp_path, line, says):
    with pytest.raises(Unreachable, match=says):
        keys_of(issuer(tmp_path, line))


# --- once -------------------------------------------------------------------------------------


def test_keys_of_a_file_an_address_and_a_description_are_the_same(tmp_path, site):
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    found = [
        keys_of(issuer(tmp_path, line))
        for line in ('jwks = "keys.json"', f'jwks = "{site.address}/keys"', described(site))
    ]
    assert found[0] == found[1] == found[2] == [cleaned(KEYS["keys"][0])]
    known = identities()
    known.adopt("shop", IssuerKeys(found[0], NOW))
    assert known.token_caller(signed(), NOW).tenant == "acme"


def test_over_https_the_web_server_is_one_of_the_authority_that_is_named(tmp_path):
    ours, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    pair = ours.issue("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with web(context) as site:
        site.page("/keys", KEYS)
        assert json.loads(fetch(f"{site.address}/keys", str(ours.file))) == KEYS
        for ca in (str(other.file), ""):
            with pytest.raises(Unreachable, match="TLS"):
                fetch(f"{site.address}/keys", ca)


def test_a_token_is_shown_where_the_rule_says_so_and_read_each_time(tmp_path, site):
    (tmp_path / "token").write_text("one\n")
    line = described(site) + '\nbearer_file = "token"'
    keys_of(issuer(tmp_path, line))
    (tmp_path / "token").write_text("two")
    keys_of(issuer(tmp_path, line))
    shown = [("/d", "Bearer one"), ("/keys", "Bearer one")]
    assert site.asked == [*shown, ("/d", "Bearer two"), ("/keys", "Bearer two")]


def test_a_description_of_another_issuer_is_refused(tmp_path, site):
    refused(tmp_path, described(site, issuer="https://evil.example"), "another issuer")
    refused(tmp_path, described(site, issuer=None), "another issuer")


@pytest.mark.parametrize("address", ["http://evil.example/keys", "file:///etc/passwd", None, 5, ""])
def test_a_description_leads_to_no_unsafe_address(tmp_path, site, address):
    refused(tmp_path, described(site, jwks_uri=address), "no https address")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"), (b"{", "no JSON"), (b"[" * 100_000, "no JSON"), (b"\xff", "no JSON"),
        (b"[]", "no JSON object"), (b"{}", "no set"), (b'{"keys": 5}', "no set"),
        (b'{"keys": []}', "empty"), (b'{"keys": [5]}', "empty"),
        (b" " * ((1 << 20) + 1), "too much"),
    ],
    ids=["nothing", "cut", "deep", "binary", "list", "no keys", "number", "empty", "odd", "large"],
)  # fmt: skip
def test_what_is_no_set_of_keys_is_refused(tmp_path, site, content, says):
    site.page("/keys", content)
    refused(tmp_path, f'jwks = "{site.address}/keys"', says)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500, 204])
def test_a_redirect_or_an_error_is_not_followed(tmp_path, site, status):
    site.page("/keys", b"", status, location=f"{site.address}/other")
    site.page("/other", KEYS)
    refused(tmp_path, f'jwks = "{site.address}/keys"', f"answers with {status}")
    assert [path for path, _ in site.asked] == ["/keys"]


def test_an_address_where_nobody_answers_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/keys"
        refused(tmp_path, f'jwks = "{address}"', "does not answer")
    refused(tmp_path, 'jwks = "missing.json"', "No such file")


def test_an_answer_that_drips_in_is_cut_off(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip():
            caller, _ = listener.accept()
            with caller:
                caller.settimeout(0.05)
                begin = b"HTTP/1.1 200 OK\r\nx: "
                with suppress(OSError):
                    while caller.send(begin):
                        begin = b"y"
                        with suppress(TimeoutError):
                            if not caller.recv(1 << 16):
                                return

        thread = Thread(target=drip)
        thread.start()
        with pytest.raises(Unreachable, match="too slowly"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/keys")
        thread.join(20)
        assert not thread.is_alive()


def test_private_parts_of_keys_are_left_where_they_are():
    key = public("ES256")[0] | {"d": "secret", "x5c": ["a"], "kid": "k", "p": "secret", "use": 5}
    assert set(cleaned(key)) == {"kty", "kid", "crv", "x", "y"}


# --- again and again --------------------------------------------------------------------------


class Heard:
    """What a source has told."""

    def __init__(self):
        self.told, self.failed = Queue(), Queue()

    def tell(self, name, keys, fetched_ns):
        self.told.put((name, [key["kid"] for key in keys]))

    def fail(self, name, why):
        self.failed.put((name, why))


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def source(tmp_path, site, heard):
    site.page("/keys", KEYS)
    it = issuer(tmp_path, f'jwks = "{site.address}/keys"')
    made = KeySource(it, heard.tell, heard.fail, period_s=3600, wanted_s=0.2)
    made.start()
    yield made
    made.close()
    made.join(20)
    assert not made.is_alive()


def test_keys_are_told_at_once_and_again_when_they_are_missed(source, site, heard):
    assert heard.told.get(timeout=20) == ("shop", ["ES256"])
    site.page("/keys", {"keys": public("ES256", "ES384")})
    source.want()
    assert heard.told.get(timeout=20) == ("shop", ["ES256", "ES384"])


def test_however_often_keys_are_missed_they_are_fetched_at_a_bounded_rate(source, site, heard):
    heard.told.get(timeout=20)
    for _ in range(3):
        for _ in range(1000):
            source.want()
        heard.told.get(timeout=20)
    with pytest.raises(Empty):
        heard.told.get(timeout=0.05)
    assert len(site.asked) == 4


def test_a_failure_is_told_once_and_tried_again(tmp_path, site, heard, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "_LAST_RETRY_S", 0.02)
    it = issuer(tmp_path, f'jwks = "{site.address}/keys"')
    made = KeySource(it, heard.tell, heard.fail, period_s=3600)
    made.start()
    try:
        assert heard.failed.get(timeout=20) == ("shop", "127.0.0.1 answers with 404")
        until(lambda: len(site.asked) > 3)
        assert heard.failed.empty()
        site.page("/keys", KEYS)
        assert heard.told.get(timeout=20) == ("shop", ["ES256"])
    finally:
        made.close()
        made.join(20)


def test_each_issuer_has_a_source_and_a_strange_name_has_none(tmp_path, heard):
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    other = RULES.replace('"shop"', '"lab"').replace("login", "lab").replace("keys", "none")
    rules = parse_identities(RULES + other, tmp_path / "identities.toml")
    sources = KeySources(rules, heard.tell, heard.fail)
    sources.start()
    try:
        assert heard.told.get(timeout=20) == ("shop", ["ES256"])
        assert heard.failed.get(timeout=20)[0] == "lab"
        sources.want("nobody")
    finally:
        sources.close()
        for source in sources._sources.values():
            source.join(20)
