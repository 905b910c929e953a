"""Callers without a key of ours: tokens, certificates, proxies, web origins, and wrong attempts."""

from __future__ import annotations

import pytest
from tests.access.issuing import CERTIFIED, NOW_S, RULES, claims, identities, signed
from tests.access.parts import DIGESTER, NOW, bearer, made
from tests.serving.test_admission import head, tell

from fairlead.access.secrets import new_secret
from fairlead.access.throttle import BURST
from fairlead.core.call import Peer
from fairlead.core.errors import (
    HostRefused,
    IdentityUnmapped,
    KeyMalformed,
    KeyUnknown,
    ModelNotFound,
    NetworkRefused,
    OriginRefused,
    TokenExpired,
    TokenUntrusted,
    TooManyAttempts,
    Unauthenticated,
)
from fairlead.core.plans import parse_plan, plan_to_json
from fairlead.edge.forwarded import TrustedProxies
from fairlead.serving import admission as rooms
from fairlead.serving.admission import Admission, Policy
from fairlead.serving.book_messages import Book

CALLER = Peer("203.0.113.7")
CERTIFIED_PEER = Peer("203.0.113.7", "spiffe://example.org/checkout")
WRONG = new_secret().reveal()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The clock of attempts in our hands; the wall stands still."""
    moments = [0]
    monkeypatch.setattr(rooms, "wall_ns", lambda: NOW)
    monkeypatch.setattr(rooms, "monotonic_ns", lambda: moments[0])
    return moments


def admission(*minted, rules=RULES, proxies=(), **policy) -> Admission:
    """Admission that knows keys, an issuer and a certificate."""
    trusted = TrustedProxies(proxies, certificates=True)
    found = Admission(
        Policy(**policy),
        lambda model, version: 3,
        lambda: DIGESTER,
        identities=identities(rules),
        whence=trusted.peer if trusted else None,
    )
    tell(found, Book(1, True, [stored for _, stored in minted]))
    return found


def shows(token, **headers):
    return head(authorization=f"Bearer {token}", **headers)


# --- tokens and certificates --------------------------------------------------------------------


def test_a_token_and_a_key_are_known_side_by_side():
    key = made(name="mine")
    found = admission(key)
    assert found.enter(head(authorization=bearer(key)), CALLER).name == "mine"
    assert found.enter(shows(signed()), CALLER).account == "shop:alice"


def test_a_token_works_where_there_is_no_key_at_all():
    assert admission().enter(shows(signed()), CALLER).tenant == "acme"


def test_what_the_rule_does_not_allow_is_not_allowed():
    with pytest.raises(ModelNotFound):
        admission().enter(head(model="other", authorization=f"Bearer {signed()}"), CALLER)


def test_with_issuers_or_certificates_nothing_is_open():
    for rules in (RULES, CERTIFIED):
        with pytest.raises(Unauthenticated):
            admission(rules=rules, open=True).enter(head(), Peer("127.0.0.1"))


def test_a_wrong_token_is_refused_with_its_reason():
    for text, kind in (
        (signed(claims(exp=NOW_S - 100)), TokenExpired),
        (signed(algorithm="ES384"), TokenUntrusted),
    ):
        with pytest.raises(kind):
            admission().enter(shows(text), CALLER)


def test_where_there_are_no_issuers_a_token_is_no_key():
    with pytest.raises(KeyMalformed):
        admission(made(), rules="").enter(shows(signed()), CALLER)


def test_a_token_in_the_header_of_keys_is_no_key():
    with pytest.raises(KeyMalformed):
        admission(made()).enter(head(x_api_key=signed()), CALLER)


def test_a_certificate_is_enough_and_a_key_goes_before_it():
    key = made(name="mine")
    found = admission(key, rules=CERTIFIED)
    assert found.enter(head(), CERTIFIED_PEER).key == "cert:spiffe://example.org/checkout"
    assert found.enter(head(authorization=bearer(key)), CERTIFIED_PEER).name == "mine"
    with pytest.raises(KeyUnknown):
        found.enter(shows(WRONG), CERTIFIED_PEER)


def test_a_certificate_that_no_rule_names_is_nobody():
    found = admission(rules=CERTIFIED, platform=True)
    with pytest.raises(IdentityUnmapped):
        found.enter(head(), Peer(CALLER.address, "spiffe://example.org/other"))
    with pytest.raises(Unauthenticated):
        admission(rules=RULES).enter(head(), CERTIFIED_PEER)


def test_the_plan_of_a_tenant_binds_callers_with_a_token_too():
    plan = parse_plan('[plan]\nname = "gold"\nrevision = 3\nscopes = ["predict:total"]\n')
    terms = {"acme": {"plan": plan.title, "zone": "UTC"}}
    found = admission()
    assert found.enter(shows(signed()), CALLER).plan == ""
    tell(found, Book(2, True, [], terms, {plan.title: plan_to_json(plan)}))
    with pytest.raises(ModelNotFound):
        found.enter(shows(signed()), CALLER)


# --- proxies ------------------------------------------------------------------------------------


def test_a_keys_networks_are_held_against_whom_a_trusted_proxy_calls_for():
    key = made(networks=("203.0.113.0/24",))
    found = admission(key, proxies=["10.0.0.0/8"])
    sent = {"authorization": bearer(key), "x_forwarded_for": CALLER.address}
    assert found.enter(head(**sent), Peer("10.0.0.1")).tenant == "acme"
    for address in ("11.0.0.1", "127.0.0.1"):
        with pytest.raises(NetworkRefused):
            found.enter(head(**sent), Peer(address))


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"origin": "http://evil.example"}, {"origin": "null"}],
)
def test_without_any_key_no_page_of_another_site_does_anything_here(headers):
    found = admission(rules="", open=True)
    with pytest.raises(OriginRefused):
        found.enter(head("admin:models?", "", **headers), Peer("127.0.0.1"))
    looking = head("predict?", "", **headers)
    looking.method = "GET"
    assert found.enter(looking, Peer("127.0.0.1")).account == "127.0.0.1"


def test_without_any_key_a_name_that_was_made_to_point_here_is_told_nothing():
    found = admission(rules="", open=True, address="https://Models.example/below")
    for host in ("127.0.0.1:8080", "localhost", "models.example"):
        assert found.enter(head(host=host), Peer("127.0.0.1")).account == "127.0.0.1"
    with pytest.raises(HostRefused):
        found.enter(head(host="evil.example:8080"), Peer("127.0.0.1"))
    assert found.enter(head(host="any.example"), Peer("")).account == ""


def test_without_any_key_whoever_comes_through_a_proxy_from_elsewhere_is_let_in_nowhere():
    """Open is what is on this machine; a proxy on it may be asked by everybody."""
    found = admission(rules="", proxies=["127.0.0.1"], open=True)
    here = Peer("127.0.0.1")
    assert found.enter(head("metrics:read?", ""), here).account == "127.0.0.1"
    for whence in ("203.0.113.7", "127.0.0.1, 203.0.113.7", "2001:db8::1"):
        with pytest.raises(Unauthenticated):
            found.enter(head("metrics:read?", "", x_forwarded_for=whence), here)


def test_a_certificate_in_a_header_is_believed_of_a_trusted_proxy_alone():
    found = admission(rules=CERTIFIED, proxies=["10.0.0.0/8"])
    sent = head(x_forwarded_client_cert="URI=spiffe://example.org/checkout")
    assert found.enter(sent, Peer("10.0.0.1")).tenant == "shop"
    with pytest.raises(Unauthenticated):
        found.enter(sent, CALLER)


# --- web origins --------------------------------------------------------------------------------


def test_a_key_with_origins_is_used_from_their_pages_alone():
    page = "https://app.example.org"
    key = made(origins=(page,))
    found = admission(key)
    for origin in ({}, {"origin": page}):
        assert found.enter(head(authorization=bearer(key), **origin), CALLER).tenant == "acme"
    with pytest.raises(OriginRefused):
        found.enter(head(authorization=bearer(key), origin="https://evil.example"), CALLER)
    assert found.lists_origin(page)
    assert not found.lists_origin("https://evil.example")


def test_origins_of_rules_are_listed_too():
    rules = RULES + 'origins = ["https://spa.example.org"]\n'
    found = admission(rules=rules)
    assert found.lists_origin("https://spa.example.org")
    with pytest.raises(OriginRefused):
        found.enter(shows(signed(), origin="https://evil.example"), CALLER)


def test_before_the_book_has_come_no_origin_is_listed():
    found = Admission(Policy(), lambda m, v: 1, lambda: DIGESTER)
    assert not found.lists_origin("https://app.example.org")


# --- wrong attempts -----------------------------------------------------------------------------


def failures(found, header, peer, times):
    """How each of some attempts is refused."""
    kinds = []
    for _ in range(times):
        with pytest.raises(Exception) as refused:  # noqa: PT011 - the kind is what is looked at
            found.enter(header, peer)
        kinds.append(type(refused.value))
    return kinds


def test_wrong_keys_of_one_address_are_answered_as_such_up_to_a_bound(clock):
    key = made()
    found = admission(key)
    kinds = failures(found, shows(WRONG), CALLER, BURST + 5)
    assert kinds == [KeyUnknown] * BURST + [TooManyAttempts] * 5
    assert failures(found, head(), CALLER, 1) == [Unauthenticated]
    assert failures(found, shows(WRONG), Peer("203.0.113.8"), 1) == [KeyUnknown]
    # The good key of the same address works, seen before or not.
    assert found.enter(head(authorization=bearer(key)), CALLER).tenant == "acme"
    clock[0] += 10**9
    assert failures(found, shows(WRONG), CALLER, 6) == [KeyUnknown] * 5 + [TooManyAttempts]


def test_a_token_that_is_known_works_beside_wrong_ones():
    found, good = admission(), signed()
    found.enter(shows(good), CALLER)
    bad = shows(signed(claims(exp=1)))
    assert failures(found, bad, CALLER, BURST + 1)[-1] is TooManyAttempts
    assert found.enter(shows(good), CALLER).tenant == "acme"
    # A new one would have to be verified, which is what is kept short.
    assert failures(found, shows(signed(claims(jti="new"))), CALLER, 1) == [TooManyAttempts]
    assert found.enter(shows(signed(claims(jti="new"))), Peer("203.0.113.8")).tenant == "acme"


def test_behind_a_trusted_proxy_each_caller_is_counted_for_itself():
    found = admission(made(), proxies=["10.0.0.0/8"])
    proxy = Peer("10.0.0.1")
    wrong = shows(WRONG, x_forwarded_for="203.0.113.7")
    assert failures(found, wrong, proxy, BURST + 1)[-1] is TooManyAttempts
    other = shows(WRONG, x_forwarded_for="203.0.113.8")
    assert failures(found, other, proxy, 1) == [KeyUnknown]
