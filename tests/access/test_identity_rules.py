"""The file of issuers and certificates: what may stand in it, and what it says is wrong."""

from pathlib import Path

import pytest
from tests.access.issuing import RULES

from fairlead.access.identity_rules import (
    ALGORITHMS,
    is_safe_address,
    parse_identities,
    read_identities,
)
from fairlead.core.access import parse_scope
from fairlead.core.errors import IdentitiesInvalid

CERTIFICATE = """
[[certificate]]
subject = "spiffe://example.org/checkout"
tenant = "shop"
scopes = ["predict:iris"]
"""


def parsed(text, folder="/etc/fairlead"):
    return parse_identities(text, Path(folder) / "identities.toml")


def refused(text):
    with pytest.raises(IdentitiesInvalid) as found:
        parsed(text)
    assert found.value.id == "FRL-2007"
    assert "identities.toml" in found.value.where
    return found.value


def changed(old, new):
    assert old in RULES
    return RULES.replace(old, new)


# --- what is read -----------------------------------------------------------------------------


def test_an_issuer_is_found_by_what_its_tokens_say():
    (issuer,) = parsed(RULES).issuers.values()
    assert issuer.issuer == "https://login.example.org"
    assert issuer.audience == ("fairlead",)
    assert issuer.jwks == "/etc/fairlead/keys.json"
    assert issuer.subject_claim == "sub"
    assert issuer.grant.tenant == "acme"
    assert issuer.grant.scopes == (parse_scope("predict:iris"),)


def test_a_certificate_is_found_by_its_subject():
    rules = parsed(CERTIFICATE)
    assert rules.certificates["spiffe://example.org/checkout"].tenant == "shop"
    assert not rules.issuers
    assert not parsed("").certificates


@pytest.mark.parametrize(
    ("line", "jwks", "discovery"),
    [
        ('jwks = "/run/keys.json"', "/run/keys.json", ""),
        ('jwks = "https://a.org/keys"', "https://a.org/keys", ""),
        ("discovery = true", "", "https://login.example.org/.well-known/openid-configuration"),
        ('discovery = "http://127.0.0.1:1/d"', "", "http://127.0.0.1:1/d"),
    ],
)
def test_keys_come_from_a_file_an_address_or_a_description(line, jwks, discovery):
    (issuer,) = parsed(changed('jwks = "keys.json"', line)).issuers.values()
    assert (issuer.jwks, issuer.discovery) == (jwks, discovery)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "shop"', "", "name"),
        ('name = "shop"', 'name = "Shop"', "name"),
        ('name = "shop"', 'name = "cert"', "name"),
        ('name = "shop"', 'name = "a:b"', "name"),
        ('issuer = "https://login.example.org"', "", "issuer"),
        ('issuer = "https://login.example.org"', 'issuer = ""', "issuer"),
        ('issuer = "https://login.example.org"', "issuer = 5", "issuer"),
        ('audience = "fairlead"', "", "audience"),
        ('audience = "fairlead"', "audience = []", "audience"),
        ('audience = "fairlead"', 'audience = [""]', "audience"),
        ('audience = "fairlead"', "audience = [5]", "audience"),
        ('jwks = "keys.json"', "", "jwks"),
        ('jwks = "keys.json"', 'jwks = "keys.json"\ndiscovery = true', "jwks"),
        ('jwks = "keys.json"', 'jwks = "http://a.org/keys"', "jwks"),
        ('jwks = "keys.json"', "discovery = false", "discovery"),
        ('jwks = "keys.json"', 'discovery = "http://a.org/d"', "discovery"),
        ('tenant = "acme"', "", "tenant"),
        ('tenant = "acme"', 'tenant = "acme"\ntenant_claim = "org"', "tenant"),
        ('tenant = "acme"', 'tenant = "a b"', "tenant"),
        ('scopes = ["predict:iris"]', "", "scopes"),
        ('scopes = ["predict:iris"]', "scopes = []", "scopes"),
        ('scopes = ["predict:iris"]', 'scopes = ["predict"]', "no model"),
        ('scopes = ["predict:iris"]', 'scopes = ["root"]', "no known operation"),
        ('scopes = ["predict:iris"]', 'scopes = ["usage:read"]\nlimits = ["fast"]', "limit"),
        ('scopes = ["predict:iris"]', 'scopes = ["usage:read"]\norigins = ["*"]', "origins"),
        ('scopes = ["predict:iris"]', 'scopes = ["usage:read"]\ndisclosure = "x"', "disclosure"),
    ],
)
def test_each_field_is_checked_and_named(old, new, says):
    assert says in refused(changed(old, new)).line()


@pytest.mark.parametrize("name", ["none", "HS256", "HS512", "RSA-OAEP", "rs256", ""])
def test_only_signatures_by_a_private_key_may_be_pinned(name):
    refused(changed('"RS256"', f'"{name}"'))
    assert not any(algorithm.startswith("HS") for algorithm in ALGORITHMS)


def test_no_algorithm_is_no_issuer():
    everything = 'algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]'
    refused(changed(everything, "algorithms = []"))
    refused(changed(everything, ""))


def test_an_unknown_field_is_refused_with_the_one_that_is_meant():
    assert "Did you mean audience?" in refused(changed("audience", "audiense")).line()
    assert "Did you mean issuer?" in refused(RULES.replace("[[issuer]]", "[[isuer]]")).line()
    assert "Did you mean subject?" in refused(CERTIFICATE.replace("subject", "subjekt")).line()
    assert "tenant_claim" in refused(CERTIFICATE.replace("tenant", "tenant_claim")).line()


def test_what_says_nothing_of_what_callers_may_is_refused():
    nothing = changed('tenant = "acme"', "").replace('scopes = ["predict:iris"]', "")
    assert "tenant and scopes" in refused(nothing).line()


def test_nobody_stands_there_twice():
    refused(RULES + RULES)
    refused(RULES + changed('name = "shop"', 'name = "other"'))
    refused(RULES + changed("https://login.example.org", "https://other.example.org"))
    refused(CERTIFICATE + CERTIFICATE)


@pytest.mark.parametrize(
    "text", ["[[", "issuer = 5", "[issuer]\nname = 'a'", "issuer = [5]", "[[certificate]]\n" * 5000]
)
def test_what_is_no_such_file_is_refused(text):
    refused(text)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.org/keys", True), ("https://a.org:8443", True), ("http://localhost:1/", True),
        ("http://127.0.0.1/", True), ("http://[::1]:80/k", True), ("http://a.org/", False),
        ("https://", False), ("https://u:p@a.org/", False), ("ftp://a.org/", False),
        ("file:///etc/passwd", False), ("https://a.org/ x", False), ("https://a.org/\r\n", False),
        ("https://a.org:99999/", False), ("https://[::1/", False), ("keys", False), ("", False),
        ("http://127.0.0.1.evil.org/", False), ("http://127.0.0.1@evil.org/", False),
    ],
)  # fmt: skip
def test_keys_are_fetched_by_https_or_from_this_machine(address, safe):
    assert is_safe_address(address) is safe


# --- the file ---------------------------------------------------------------------------------


def test_a_file_that_every_user_may_change_is_refused(tmp_path):
    file = tmp_path / "identities.toml"
    file.write_text(RULES)
    assert read_identities(file).issuers
    file.chmod(0o666)
    with pytest.raises(IdentitiesInvalid, match="may change who may"):
        read_identities(file)


def test_what_cannot_be_read_is_said(tmp_path):
    file = tmp_path / "identities.toml"
    with pytest.raises(IdentitiesInvalid, match="No such file"):
        read_identities(file)
    with pytest.raises(IdentitiesInvalid):
        read_identities(tmp_path)
    file.write_bytes(b"\xff")
    with pytest.raises(IdentitiesInvalid, match="UTF-8"):
        read_identities(file)
    file.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(IdentitiesInvalid, match="1 MiB"):
        read_identities(file)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('client = "other"\ndiscovery = true', "audience"),
        ('client = "fairlead"\njwks = "keys.json"', "discovery"),
        ('client_secret_file = "x"\ndiscovery = true', "client"),
    ],
)
def test_people_sign_in_only_with_a_client_that_tokens_name_and_discovery_finds(lines, says):
    text = RULES.replace('jwks = "keys.json"\n', "") + lines
    with pytest.raises(IdentitiesInvalid) as found:
        parse_identities(text, Path("identities.toml"))
    assert says in (found.value.fix or "")
