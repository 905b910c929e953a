"""How the outside gets in: what the settings ask for is tried before anything listens."""

import pytest
from tests.access.issuing import RULES
from tests.certificates import Authority

from fairlead.assembly.config import load
from fairlead.assembly.doors import (
    admin_host,
    admin_tls,
    check_doors,
    identity_rules,
    server_tls,
    trusted_proxies,
)
from fairlead.core.errors import BadSetting, IdentitiesInvalid, TlsInvalid, TlsMissing


def settings(**flags):
    """Settings of the section server, and the file of identities."""
    named = {f"server.{name}": value for name, value in flags.items() if name != "identities"}
    if "identities" in flags:
        named["access.identities"] = str(flags["identities"])
    return load(named, {}, None)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs")).issue("server")


def with_tls(pair, **more):
    return settings(tls_cert=str(pair.cert), tls_key=str(pair.key), **more)


# --- in the clear -----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.org"])
def test_others_are_served_over_tls_or_where_tls_is_elsewhere(pair, host):
    with pytest.raises(TlsMissing) as refused:
        check_doors(settings(host=host))
    assert refused.value.id == "FRL-2009"
    assert "--tls-elsewhere" in refused.value.fix
    check_doors(settings(host=host, tls_elsewhere="true"))
    check_doors(with_tls(pair, host=host))
    check_doors(settings(host=host, auth="platform"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_is_served_in_the_clear(host):
    check_doors(settings(host=host))


@pytest.mark.parametrize("auth", ["keys", "platform"])
def test_no_platform_speaks_tls_for_the_administration(pair, auth):
    with pytest.raises(TlsMissing):
        check_doors(settings(admin="0.0.0.0:8082", auth=auth))
    check_doors(with_tls(pair, admin="0.0.0.0:8082", auth=auth))


@pytest.mark.parametrize(
    ("admin", "host"),
    [("auto", "localhost"), ("off", "localhost"), ("unix:/run/a", "localhost"),
     ("10.0.0.5:80", "10.0.0.5"), ("[::]:80", "::"), ("127.0.0.1:0", "127.0.0.1")],
)  # fmt: skip
def test_the_administration_speaks_tls_where_others_can_reach_it(pair, admin, host):
    asked = with_tls(pair, admin=admin)
    assert admin_host(asked) == host
    assert (admin_tls(asked) is not None) is (host in ("10.0.0.5", "::"))


# --- what belongs together --------------------------------------------------------------------


def test_without_a_certificate_there_is_no_tls(pair):
    assert server_tls(settings()) is None
    assert server_tls(with_tls(pair)) is not None


def test_a_certificate_without_its_key_is_refused_and_so_are_client_certificates_without_tls(pair):
    for asked in (
        settings(tls_cert=str(pair.cert)),
        settings(tls_key=str(pair.key)),
        settings(client_ca=str(pair.cert)),
    ):
        with pytest.raises(BadSetting):
            check_doors(asked)


def test_what_cannot_be_used_is_said_before_anything_listens(pair, tmp_path):
    with pytest.raises(TlsInvalid):
        check_doors(settings(tls_cert=str(pair.cert), tls_key=str(tmp_path / "none")))
    with pytest.raises(IdentitiesInvalid):
        check_doors(settings(identities=tmp_path / "none"))
    with pytest.raises(BadSetting, match="no network"):
        check_doors(settings(trusted_proxy="10.0.0.0/33"))


def test_proxies_are_trusted_by_network(pair):
    proxies = trusted_proxies(settings(trusted_proxy="10.0.0.0/8, 192.168.1.1"))
    assert proxies.trusts("10.9.9.9")
    assert proxies.trusts("192.168.1.1")
    assert not proxies.trusts("192.168.1.2")
    assert not trusted_proxies(settings())
    with pytest.raises(BadSetting):
        trusted_proxies(settings(forwarded_certificates="true"))
    assert trusted_proxies(settings(forwarded_certificates="true", trusted_proxy="10.0.0.0/8"))


def test_the_file_of_identities_is_read_once_and_its_files_lie_beside_it(tmp_path):
    file = tmp_path / "identities.toml"
    file.write_text(RULES)
    asked = settings(identities=file)
    text = check_doors(asked)
    assert text == RULES
    file.write_text("broken")
    (issuer,) = identity_rules(asked, text).issuers.values()
    assert issuer.jwks == str(tmp_path / "keys.json")
    assert check_doors(settings()) == ""
