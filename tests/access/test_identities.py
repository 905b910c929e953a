"""Callers without a key of ours: what they are called, what they may, and for how long."""

from dataclasses import replace

import pytest
from tests.access.issuing import CERTIFIED, NOW_S, RULES, claims, identities, public, signed
from tests.access.parts import NOW, SECOND

from fairlead.access import identities as module
from fairlead.access.book import allows
from fairlead.access.identity_rules import IdentityRules
from fairlead.access.tokens import IssuerKeys
from fairlead.core.access import Caller
from fairlead.core.errors import (
    IdentityUnmapped,
    IssuerUnavailable,
    TokenMalformed,
    TokenUntrusted,
)

CLAIMING = RULES.replace('tenant = "acme"', 'tenant_claim = "org"').replace(
    'scopes = ["predict:iris"]', 'scopes_claim = "scope"'
)
CLUSTER = """
[[issuer]]
name = "cluster"
issuer = "https://login.example.org"
audience = "fairlead"
algorithms = ["ES256"]
jwks = "keys.json"

[[issuer.subject]]
subject = "system:serviceaccount:shop:checkout"
tenant = "shop"
scopes = ["predict:iris", "feedback:iris"]
limits = ["requests=100/second"]
disclosure = "label"
origins = ["https://shop.example.org"]
"""


def caller(known, now_ns=NOW, **changed):
    return known.token_caller(signed(claims(**changed)), now_ns)


# --- what a caller is -------------------------------------------------------------------------


def test_a_caller_has_an_id_that_stays_and_what_its_issuers_rule_gives():
    known = identities()
    found = caller(known)
    assert (found.key, found.account, found.name) == ("shop:alice", "shop:alice", "alice")
    assert found.tenant == "acme"
    assert found.who == b'["shop:alice","acme","",""]'
    assert allows(found, "predict", "iris")
    assert not allows(found, "predict", "other")
    again = caller(identities(), jti="another token")
    assert again.account == found.account


def test_tenant_and_scopes_may_come_from_claims():
    known = identities(CLAIMING)
    found = caller(known, org="globex", scope="openid predict:iris nonsense usage:read")
    assert found.tenant == "globex"
    assert allows(found, "predict", "iris")
    assert allows(found, "usage:read")
    assert not allows(found, "admin:keys")
    listed = caller(known, org="globex", scope=["predict:total", 5, None])
    assert allows(listed, "predict", "total")


@pytest.mark.parametrize(
    "told",
    [{}, {"org": "globex"}, {"org": "globex", "scope": ""}, {"org": "globex", "scope": "openid"},
     {"org": "globex", "scope": 5}, {"org": "", "scope": "predict:iris"},
     {"org": "a b", "scope": "predict:iris"}, {"org": 7, "scope": "predict:iris"},
     {"org": ["globex"], "scope": "predict:iris"}, {"org": "x" * 65, "scope": "predict:iris"}],
)  # fmt: skip
def test_claims_that_give_no_tenant_or_no_scope_allow_nothing(told):
    with pytest.raises(IdentityUnmapped) as refused:
        caller(identities(CLAIMING), **told)
    assert refused.value.id == "FRL-1214"


def test_a_service_account_gets_what_its_exact_subject_is_given():
    known = identities(CLUSTER)
    found = caller(known, sub="system:serviceaccount:shop:checkout")
    assert found.key == "cluster:system:serviceaccount:shop:checkout"
    assert (found.tenant, found.disclosure) == ("shop", "label")
    assert str(found.limits[0]) == "requests=100/second"
    assert found.origins == {"https://shop.example.org"} == known.origins
    for other in ("system:serviceaccount:shop:checkout2", "system:serviceaccount:shop:Checkout",
                  "system:serviceaccount:shop", "alice"):  # fmt: skip
        with pytest.raises(IdentityUnmapped):
            caller(known, sub=other)


@pytest.mark.parametrize("subject", [None, "", 5, ["alice"], "a" * 256, True])
def test_a_token_of_nobody_is_none(subject):
    with pytest.raises(TokenMalformed):
        caller(identities(), sub=subject)


def test_another_claim_may_say_who_the_caller_is():
    known = identities(RULES + 'subject_claim = "azp"\n')
    assert caller(known, azp="app-7").key == "shop:app-7"


def test_two_subjects_are_never_one_caller():
    known = identities()
    subjects = [
        "alice",
        "alice ",
        " alice",
        "Alice",
        "al\nice",
        "#",
        "ä",
        "a\u0301",
        "\ud800",
        "x" * 255,
    ]
    found = {caller(known, sub=subject).key for subject in subjects}
    assert len(found) == len(subjects)
    for key in found:
        assert key.isascii()
        assert key.isprintable()
        hashed = caller(known, sub=key.removeprefix("shop:")).key
        assert (hashed == key) is not key.startswith("shop:#")


# --- for how long -----------------------------------------------------------------------------


def test_a_token_is_verified_once_in_a_minute():
    known, text = identities(), signed()
    first = known.token_caller(text, NOW)
    assert known.token_caller(text, NOW + 59 * SECOND) is first
    assert known.token_caller(text, NOW + 61 * SECOND) is not first


def test_a_remembered_token_ends_when_it_ends():
    known, text = identities(), signed(claims(exp=NOW_S - 30))
    known.token_caller(text, NOW)
    assert known.recall(text, NOW + 29 * SECOND) is not None
    assert known.recall(text, NOW + 30 * SECOND) is None


def test_a_refused_token_is_not_remembered():
    known, text = identities(), signed(claims(iss="https://evil.example"))
    for _ in range(3):
        with pytest.raises(TokenUntrusted):
            known.token_caller(text, NOW)
    assert known.recall(text, NOW) is None


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 10)
    known = identities()
    for number in range(50):
        caller(known, jti=str(number))
        assert len(known._seen) + len(known._before) <= 20


def test_a_key_that_its_issuer_withdraws_verifies_nothing_more():
    known, text = identities(), signed()
    known.token_caller(text, NOW)
    known.adopt("shop", IssuerKeys(public("ES384"), NOW))
    with pytest.raises(TokenUntrusted):
        known.token_caller(text, NOW)


def test_callers_are_made_anew_when_the_terms_of_tenants_change():
    known, text = identities(CERTIFIED + RULES), signed()
    known.token_caller(text, NOW)
    known.compile(lambda key: replace(Caller.of(key), plan="gold"))
    assert known.token_caller(text, NOW).plan == "gold"
    assert known.certificate_caller("spiffe://example.org/checkout").plan == "gold"


# --- keys that are missing ----------------------------------------------------------------------


def test_an_unknown_key_is_refused_and_asked_for_once():
    known = identities()
    assert known.take_wanted() == []
    for _ in range(5):
        with pytest.raises(TokenUntrusted):
            known.token_caller(signed(algorithm="ES384"), NOW)
    assert known.take_wanted() == ["shop"]
    assert known.take_wanted() == []
    known.adopt("shop", IssuerKeys(public("ES256", "ES384"), NOW))
    assert known.token_caller(signed(algorithm="ES384"), NOW).key == "shop:alice"


def test_a_token_of_a_stranger_makes_nobody_fetch_anything():
    known = identities()
    with pytest.raises(TokenUntrusted):
        caller(known, iss="https://evil.example")
    assert known.take_wanted() == []


def test_without_the_keys_of_its_issuer_a_token_is_neither_taken_nor_called_wrong():
    fresh = module.Identities(identities()._rules)
    with pytest.raises(IssuerUnavailable) as refused:
        caller(fresh)
    assert refused.value.id == "FRL-1215"
    assert fresh.take_wanted() == ["shop"]


def test_keys_are_believed_for_an_hour_after_they_were_fetched():
    known = identities()
    later = signed(claims(exp=NOW_S + 10_000))
    known.token_caller(later, NOW + 3600 * SECOND)
    with pytest.raises(IssuerUnavailable):
        known.token_caller(later, NOW + 3661 * SECOND)


# --- certificates -------------------------------------------------------------------------------


def test_a_certificate_gives_what_its_exact_subject_is_given():
    known = identities(CERTIFIED)
    found = known.certificate_caller("spiffe://example.org/checkout")
    assert found.key == found.account == "cert:spiffe://example.org/checkout"
    assert found.tenant == "shop"
    assert allows(found, "predict", "iris")
    for subject in ("", "spiffe://example.org/other", "SPIFFE://example.org/checkout"):
        with pytest.raises(IdentityUnmapped):
            known.certificate_caller(subject)


def test_without_rules_nobody_is_known():
    assert not module.Identities(IdentityRules())
    assert identities(CERTIFIED)
    assert identities()
