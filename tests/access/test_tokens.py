"""Tokens: what is read, what is verified, and what is believed."""

import hmac
import json
from base64 import urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey
from tests.access.issuing import (
    NOW_S,
    RULES,
    claims,
    identities,
    public,
    signed,
    signing_key,
)
from tests.access.parts import NOW, SECOND, made

from fairlead.access.tokens import LONGEST, IssuerKeys, read, token_of
from fairlead.core.errors import (
    FairleadError,
    TokenExpired,
    TokenMalformed,
    TokenMisdirected,
    TokenUntrusted,
    Unauthenticated,
)

REFUSALS = (TokenExpired, TokenMalformed, TokenMisdirected, TokenUntrusted)


def raw(header, payload=None, signature=b"x"):
    """A token of these parts, whatever they are."""
    parts = [header, claims() if payload is None else payload]
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return ".".join(urlsafe_b64encode(text).decode().rstrip("=") for text in (*texts, signature))


def refused(text, kind, known=None, now_ns=NOW):
    with pytest.raises(kind) as found:
        (known or identities()).token_caller(text, now_ns)
    assert type(found.value) is kind
    return found.value


# --- by its form ------------------------------------------------------------------------------


def test_a_token_is_told_from_a_key_by_its_form():
    token = signed()
    assert token_of(f"Bearer {token}") == token
    assert token_of(f"  bearer  {token} ") == token
    assert token_of("Bearer " + made()[0].reveal()) == ""
    for header in (None, "", token, f"Basic {token}", "Bearer a.b", "Bearer a.b.c.d", "a.b.c"):
        assert token_of(header) == ""


@pytest.mark.parametrize(
    "text",
    ["a.b.c", "..", ".a.b", "a..b", "a.b.", "ä.b.c", "a b.c.d", "e30.e30.=", "e30.W10.x",
     "W10.e30.x", "bnVsbA.e30.x", "e30.e30.x", "_w.e30.x", "a" * 3000 + ".b.c"],
)  # fmt: skip
def test_what_is_no_token_is_refused_with_constant_words(text):
    error = refused(text, TokenMalformed)
    assert error.id == "FRL-1210"
    assert error.what == refused("x.y.z", TokenMalformed).what


def test_a_token_has_a_length_at_most():
    text = signed(claims(padding="p" * LONGEST))
    assert len(text) > LONGEST
    refused(text, TokenMalformed)


@pytest.mark.parametrize("deep", ["[" * 4000, '{"a":' * 1000])
def test_deep_nesting_is_no_token(deep):
    refused(raw(deep.encode()), TokenMalformed)
    refused(raw({"alg": "ES256"}, deep.encode()), TokenMalformed)


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
def test_no_bytes_make_anything_but_a_refusal(header, payload, signature):
    known = identities()
    for text in (raw(header, payload, signature), raw({"alg": "ES256"}, payload, signature)):
        with pytest.raises(Unauthenticated):
            known.token_caller(text, NOW)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
))  # fmt: skip
def test_whatever_a_genuine_token_says_in_a_claim_it_is_served_or_refused(value):
    known = identities()
    for name in ("iss", "aud", "sub", "exp", "nbf", "iat"):
        with suppress(*REFUSALS):
            assert known.token_caller(signed(claims(**{name: value})), NOW).tenant == "acme"


# --- the signature ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"])
def test_a_token_of_each_algorithm_is_verified(kind):
    known = identities(kinds=(kind,))
    assert known.token_caller(signed(algorithm=kind), NOW).key == "shop:alice"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_changed_token_is_refused(place):
    parts = signed().split(".")
    other = signed(claims(sub="mallory"), kid="ES256", x="y").split(".")
    parts[place] = other[place]
    refused(".".join(parts), TokenUntrusted)


def test_no_single_changed_character_is_accepted():
    text = signed()
    known = identities()
    for place in range(0, len(text) - 1, 3):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(Unauthenticated):
            known.token_caller(changed, NOW)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256", "RS1", "ES256K"])
def test_an_algorithm_that_is_not_pinned_is_never_used(name):
    """Whatever its signature is: nothing, or made with the public key as a shared secret."""
    for signature in (b"", b"x"):
        refused(raw({"alg": name, "kid": "ES256"}, signature=signature), TokenMalformed)


def test_the_public_key_as_a_shared_secret_forges_nothing():
    pem = signing_key("RS256").as_pem(private=False)
    unsigned = raw({"alg": "HS256", "kid": "RS256"}).rpartition(".")[0]
    mac = hmac.digest(pem, unsigned.encode(), "sha256")
    forged = f"{unsigned}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
    refused(forged, TokenMalformed, identities(kinds=("RS256",)))


def test_an_algorithm_that_the_issuers_rule_does_not_name_is_refused():
    everything = 'algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]'
    known = identities(RULES.replace(everything, 'algorithms = ["RS256"]'), ("ES256", "RS256"))
    refused(signed(algorithm="ES256"), TokenMalformed, known)
    refused(signed(algorithm="PS256", key=signing_key("RS256")), TokenMalformed, known)
    known.token_caller(signed(algorithm="RS256"), NOW)


def test_a_key_of_another_kind_or_curve_verifies_nothing():
    known = identities(kinds=("RS256", "ES384", "ES256"))
    for algorithm, key_id in (("ES256", "RS256"), ("ES256", "ES384"), ("PS256", "ES256")):
        refused(signed(algorithm=algorithm, kid=key_id), TokenUntrusted, known)


def test_a_key_that_is_for_another_algorithm_or_use_verifies_nothing():
    (key,) = public("RS256")
    known = identities(kinds=("RS256",))
    known.adopt("shop", IssuerKeys([key | {"alg": "RS512"}], NOW))
    refused(signed(algorithm="RS256"), TokenUntrusted, known)
    known.adopt("shop", IssuerKeys([key | {"use": "enc"}], NOW))
    refused(signed(algorithm="RS256"), TokenUntrusted, known)


def test_a_key_that_comes_with_the_token_is_not_looked_at():
    own = ECKey.generate_key("P-256", {"kid": "own"})
    brought = own.as_dict(private=False)
    for more in ({"jwk": brought}, {"jku": "https://evil.example/keys"}, {"x5u": "https://e.e"}):
        for key_id in ("own", "ES256", None):
            refused(signed(key=own, kid=key_id, **more), TokenUntrusted)


def test_a_header_that_must_be_understood_is_refused():
    refused(raw({"alg": "ES256", "kid": "ES256", "crit": ["b64"], "b64": False}), TokenMalformed)
    refused(raw({"alg": "ES256", "kid": "ES256", "crit": []}), TokenMalformed)


def test_a_token_without_a_key_id_needs_an_issuer_of_one_key():
    text = signed(kid=None)
    assert identities().token_caller(text, NOW).key == "shop:alice"
    refused(text, TokenUntrusted, identities(kinds=("ES256", "ES384")))


def test_keys_that_are_weak_broken_or_shared_secrets_are_left_out():
    good = public("ES256")[0]
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    bad = [
        weak, {"kty": "oct", "k": "c2VjcmV0", "kid": "o"}, {}, {"kty": "RSA"}, {"kty": 5},
        {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": "A" * 10**6, "e": "AQAB"}, {"kty": "EC", "crv": "P-1"}, good | {"x": 1},
    ]  # fmt: skip
    assert len(IssuerKeys(bad, NOW)) == 0
    assert len(IssuerKeys([*bad, good], NOW)) == 1


def test_the_keys_of_one_issuer_are_bounded():
    assert len(IssuerKeys(public("ES256") * 100, NOW)) == 64


# --- what it says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audience", "good"),
    [("fairlead", True), (["other", "fairlead"], True), ("other", False), ([], False),
     (None, False), ("fairlead2", False), ({"fairlead": 1}, False), ([["fairlead"]], False)],
)  # fmt: skip
def test_a_token_is_for_us_or_refused(audience, good):
    text = signed(claims(aud=audience))
    if good:
        identities().token_caller(text, NOW)
    else:
        assert refused(text, TokenMisdirected).id == "FRL-1213"


@pytest.mark.parametrize("seconds", [-10_000, -61, -60, -59, 0, 1, 300])
def test_a_token_ends_a_minute_after_its_end(seconds):
    text = signed(claims(exp=NOW_S + seconds))
    if seconds > -60:
        identities().token_caller(text, NOW)
    else:
        assert refused(text, TokenExpired).id == "FRL-1212"


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("seconds", [-10_000, 0, 59, 60, 61, 10_000])
def test_a_token_of_the_future_is_refused_but_for_a_minute(name, seconds):
    text = signed(claims(**{name: NOW_S + seconds}))
    if seconds <= 60:
        identities().token_caller(text, NOW)
    else:
        refused(text, TokenExpired)


@pytest.mark.parametrize("value", [None, "soon", True, [], {}, "1900000000"])
def test_a_token_without_an_end_is_none(value):
    refused(signed(claims(exp=value)), TokenMalformed)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" * 5000])
def test_a_time_that_is_no_number_of_seconds_is_none(value):
    told = json.dumps(claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + value)
    refused(signed(told), TokenMalformed)


def test_a_fraction_of_a_second_is_a_time():
    identities().token_caller(signed(claims(exp=NOW_S - 59.5)), NOW)
    refused(signed(claims(exp=NOW_S - 60.5)), TokenExpired)


def test_an_issuer_that_nobody_trusts_is_refused_as_a_wrong_signature_is():
    other = refused(signed(claims(iss="https://evil.example")), TokenUntrusted)
    wrong = refused(raw({"alg": "ES256", "kid": "ES256"}), TokenUntrusted)
    assert (other.what, other.where, other.fix) == (wrong.what, wrong.where, wrong.fix)


def test_no_part_of_a_token_is_in_any_refusal():
    marked = "canary" * 3
    tokens = [
        signed(claims(sub=marked, aud=marked)), signed(claims(sub=marked, exp=1)),
        signed(claims(iss=marked)), raw({"alg": marked}), raw({"alg": "ES256", "kid": marked}),
        f"{marked}.{marked}.{marked}",
    ]  # fmt: skip
    for text in tokens:
        with pytest.raises(FairleadError) as found:
            identities().token_caller(text, NOW)
        assert "canary" not in found.value.line()


def test_reading_believes_nothing():
    told = read(raw({"alg": "none", "kid": "k"}, claims(exp=1)))
    assert (told.algorithm, told.key, told.issuer) == ("none", "k", claims()["iss"])
    assert NOW // SECOND == NOW_S
