"""A real server with two workers over TLS: tokens, certificates, proxies, pages, a changed pair."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.access.issuing import ISSUER, claims, public, signed, web
from tests.certificates import Authority
from tests.processes import Running, server, until
from tests.raw import Answer, Raw, get, post

from fairlead.serving.exchange import ask

URI = "spiffe://example.org/checkout"
PAGE = "https://app.example.org"
ELSEWHERE = "203.0.113.7"
RULES = """
[[issuer]]
name = "login"
issuer = "{issuer}"
audience = "fairlead"
algorithms = ["ES256"]
discovery = "{web}/described"
tenant = "acme"
scopes = ["predict:total", "usage:read"]
origins = ["{page}"]

[[certificate]]
subject = "{uri}"
tenant = "shop"
scopes = ["predict:*", "usage:read"]
"""


class Doors:
    """A server, its authority, and how callers come to it."""

    def __init__(self, running: Running, state: Path, authority: Authority) -> None:
        self.running, self.state, self.authority = running, state, authority
        self.pair = authority.folder

    def ask(self, request: bytes, certificate: Any = None) -> Answer:
        """The answer over a connection of its own."""
        with Raw(self.running.port, self.authority.client(certificate)) as raw:
            return raw.ask(request)

    def serial(self) -> int:
        """Of the certificate that a new caller is shown."""
        with Raw(self.running.port, self.authority.client()) as raw:
            return int(raw._socket.getpeercert()["serialNumber"], 16)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def doors(small_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    authority = Authority(folder / "certs")
    pair = authority.issue("server")
    with web() as site:
        site.page("/described", {"issuer": ISSUER, "jwks_uri": f"{site.address}/keys"})
        site.page("/keys", {"keys": public("ES256")})
        rules = folder / "identities.toml"
        rules.write_text(RULES.format(issuer=ISSUER, web=site.address, page=PAGE, uri=URI))
        flags = [
            "--tls-cert", pair.cert, "--tls-key", pair.key, "--client-ca", authority.file,
            "--client-cert", "optional", "--identities", rules, "--trusted-proxy", "127.0.0.0/8",
        ]  # fmt: skip
        state = folder / "state"
        with server(small_models, *flags, state=state, workers=2) as running:
            made = Doors(running, state, authority)
            made.pair = pair
            until(lambda: all(made.ask(predicted()).status == 200 for _ in range(8)), 20)
            yield made


def token(**changed: Any) -> str:
    now = int(time.time())
    return signed(claims(iat=now, exp=now + 300, **changed))


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}"


def predicted(*headers: str, model: str = "total", text: str | None = None) -> bytes:
    """A prediction by somebody with a token."""
    return post(f"/predict/{model}", b"[1,2,3]", bearer(text or token()), *headers)


def bare(*headers: str) -> bytes:
    """A prediction by somebody who shows nothing in its head."""
    return post("/predict/total", b"[1,2,3]", *headers)


def used(doors: Doors, request: bytes, key: str, certificate: Any = None) -> int:
    """How many requests of a caller are in the ledger."""
    answer = doors.ask(request, certificate)
    assert answer.status == 200, answer
    return sum(row["requests"] for row in answer.json()["usage"] if row["key"] == key)


def test_the_address_that_is_said_is_of_https(doors):
    assert any(line.startswith("  at https://127.0.0.1:") for line in doors.running.lines)
    assert not any("open to every program" in line for line in doors.running.lines)


def test_who_shows_nothing_is_nobody_although_this_is_loopback(doors):
    assert doors.ask(bare()).status == 401
    assert doors.ask(get("/metrics")).status == 401
    assert doors.ask(get("/livez")).status == 200


def test_a_token_predicts_what_its_rule_names_and_is_counted_under_its_subject(doors):
    request = get("/usage?by=key", bearer(token()))
    before = used(doors, request, "login:alice")
    assert doors.ask(predicted()).status == 200
    assert doors.ask(predicted(model="picky")).status == 404
    until(lambda: used(doors, request, "login:alice") > before, 10)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: token(aud="other"), "TOKEN_MISDIRECTED"),
        (lambda: signed(claims(iat=1, exp=2)), "TOKEN_EXPIRED"),
        (lambda: token(iss="https://evil.example"), "TOKEN_UNTRUSTED"),
        (lambda: token()[:-4] + "AAAA", "TOKEN_UNTRUSTED"),
        (lambda: "a.b.c", "TOKEN_MALFORMED"),
    ],
    ids=["audience", "expired", "stranger", "signature", "malformed"],
)
def test_a_wrong_token_is_refused_with_its_reason(doors, made, code):
    text = made()
    answer = doors.ask(predicted(text=text))
    assert (answer.status, answer.json()["code"]) == (401, code)
    assert text.encode() not in answer.body
    assert not any(text in line for line in doors.running.lines)


def test_a_certificate_is_a_caller_and_counted_under_its_uri(doors):
    known = doors.authority.issue("known", common="c", uris=(URI,))
    stranger = doors.authority.issue("stranger", common="c", uris=(URI + "2",))
    assert doors.ask(bare(), known).status == 200
    refused = doors.ask(bare(), stranger)
    assert (refused.status, refused.json()["code"]) == (403, "IDENTITY_UNMAPPED")
    until(lambda: used(doors, get("/usage?by=key"), f"cert:{URI}", known) > 0, 10)
    # A header that only a trusted proxy may set is not believed, since nobody asked for it.
    assert doors.ask(bare(f"X-Forwarded-Client-Cert: URI={URI}")).status == 401


def test_a_key_is_bound_to_whom_a_trusted_proxy_calls_for(doors):
    given = {"name": "near", "scopes": ["predict:total"], "networks": ["203.0.113.0/24"]}
    key = ask(doors.state, {"kind": "keys.create", "given": given})["done"]["key"]

    def status(address: str) -> int:
        request = post(
            "/predict/total", b"[1,2,3]", bearer(key), f"X-Forwarded-For: 6.6.6.6, {address}"
        )
        return doors.ask(request).status

    until(lambda: all(status(ELSEWHERE) == 200 for _ in range(8)), 10)
    assert status("198.51.100.1") == status("127.0.0.1") == status("nonsense") == 403


def test_pages_of_a_listed_origin_may_ask_and_read(doors):
    wanted = "Access-Control-Request-Method: POST"
    path = "/predict/total"
    granted = doors.ask(get(path, f"Origin: {PAGE}", wanted, method="OPTIONS"))
    assert (granted.status, granted.header("access-control-allow-origin")) == (204, PAGE)
    refused = doors.ask(get(path, "Origin: https://evil.example", wanted, method="OPTIONS"))
    assert (refused.status, refused.json()["code"]) == (403, "ORIGIN_REFUSED")
    answer = doors.ask(predicted(f"Origin: {PAGE}"))
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, PAGE)
    assert doors.ask(predicted("Origin: https://evil.example")).status == 403


def test_wrong_tokens_of_one_address_are_slowed_down_and_others_go_on(doors):
    wrong = predicted(f"X-Forwarded-For: {ELSEWHERE}", text=token(aud="other"))
    with Raw(doors.running.port, doors.authority.client()) as raw:
        until(lambda: raw.ask(wrong).status == 429, 20)
        refused = raw.ask(wrong)
        assert refused.json()["code"] == "TOO_MANY_ATTEMPTS"
        assert int(refused.header("retry-after")) >= 1
        assert raw.ask(predicted()).status == 200


def test_no_request_fails_while_a_certificate_is_changed_at_both_workers(doors):
    failed: list[Any] = []
    over: list[bool] = []
    kept = Raw(doors.running.port, doors.authority.client())

    def ask_on() -> None:
        while not over:
            try:
                if doors.ask(predicted()).status != 200:
                    failed.append("status")
            except Exception as error:
                failed.append(error)

    callers = [Thread(target=ask_on) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        for taken in (2, 4):
            doors.pair.replace(doors.authority.issue(f"next-{taken}"))
            until(lambda n=taken: len(doors.running.events("certificate_taken")) == n, 20)
            assert {doors.serial() for _ in range(8)} == {doors.pair.serial}
        assert kept.ask(predicted()).status == 200
    finally:
        over.append(True)
        for caller in callers:
            caller.join()
        kept.close()
    assert failed == []


def test_a_broken_pair_is_told_and_the_old_one_goes_on_also_where_a_worker_dies(doors):
    running = doors.running
    serial, good = doors.serial(), doors.pair.cert.read_bytes()
    doors.pair.cert.write_text("broken")
    try:
        until(lambda: len(running.events("certificate_refused")) == 2, 20)
        assert {doors.serial() for _ in range(4)} == {serial}
        os.kill(running.workers[0], signal.SIGKILL)
        # The one that takes its place cannot begin; the other goes on.
        until(lambda: len(running.events("certificate_refused")) > 2, 20)
        assert {doors.ask(predicted()).status for _ in range(8)} == {200}
    finally:
        doors.pair.cert.write_bytes(good)
    until(lambda: doors.ask(get("/readyz")).status == 200 and len(running.workers) == 2, 40)
    line = json.dumps(running.events("certificate_refused"))
    assert "FRL-2008" in line
    assert not any("Traceback" in line for line in running.lines)
