"""A certificate and its key: what is taken, what is refused and why, and when it is taken anew."""

import os
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from tests.certificates import DAY, Authority, Usage

from fairlead.core.errors import TlsInvalid
from fairlead.edge.tls import ServerTls, _shaken


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certs")


def tls(pair, **more):
    return ServerTls(str(pair.cert), str(pair.key), **more)


def refused(pair, **more):
    with pytest.raises(TlsInvalid) as found:
        tls(pair, **more)
    assert found.value.id == "FRL-2008"
    return found.value


@pytest.fixture
def see(authority):
    client = authority.client()
    client.check_hostname = False

    def serial(served):
        return int(_shaken(served.context, client).getpeercert()["serialNumber"], 16)

    return serial


# --- what is taken --------------------------------------------------------------------------


def test_a_pair_is_served_and_it_is_known_when_it_ends(authority, see):
    pair = authority.issue("a", ends=5 * DAY)
    served = tls(pair)
    assert see(served) == pair.serial
    assert timedelta(0) <= datetime.now(UTC) + 5 * DAY - served.ends < timedelta(minutes=2)


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_tls_1_2_and_1_3_are_spoken_with_forward_secrecy(authority, version):
    client = authority.client(version=version)
    client.check_hostname = False
    name, spoken, bits = _shaken(tls(authority.issue("a")).context, client).cipher()
    assert bits >= 128
    assert "GCM" in name or "CHACHA20" in name
    assert name.startswith("ECDHE") or spoken == "TLSv1.3"


def test_older_versions_are_not_spoken(authority):
    assert tls(authority.issue("a")).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_is_offered_inside_is_said(authority):
    client = authority.client()
    client.check_hostname = False
    client.set_alpn_protocols(["h2", "http/1.1"])
    pair = authority.issue("a")
    assert _shaken(tls(pair).context, client).selected_alpn_protocol() == "http/1.1"
    both = tls(pair, protocols=("h2", "http/1.1"))
    assert _shaken(both.context, client).selected_alpn_protocol() == "h2"


@pytest.mark.parametrize(
    ("client_cert", "mode"), [("required", ssl.CERT_REQUIRED), ("optional", ssl.CERT_OPTIONAL)]
)
def test_callers_are_asked_for_a_certificate_of_the_client_authority(authority, client_cert, mode):
    pair = authority.issue("a")
    assert tls(pair).context.verify_mode == ssl.CERT_NONE
    asking = tls(pair, client_ca=str(authority.file), client_cert=client_cert)
    assert asking.context.verify_mode == mode


# --- what is refused ------------------------------------------------------------------------


def test_a_key_of_another_certificate_is_refused(authority):
    one, other = authority.issue("a"), authority.issue("b")
    one.key = other.key
    assert "do not belong together" in refused(one).what


def test_a_certificate_that_is_not_valid_now_is_refused(authority):
    assert "has expired" in refused(authority.issue("old", begins=-3 * DAY, ends=-DAY)).what
    assert "not valid yet" in refused(authority.issue("young", begins=DAY, ends=2 * DAY)).what


def test_a_certificate_that_callers_would_refuse_is_refused(authority):
    error = refused(authority.issue("a", usage=Usage.CLIENT_AUTH))
    assert "callers would refuse" in error.what


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(authority):
    assert "encrypted" in refused(authority.issue("a", password=b"secret")).what


@pytest.mark.parametrize("mode", [0o604, 0o640 | 0o004, 0o620, 0o602])
def test_a_key_that_others_can_read_or_change_is_refused(authority, mode):
    pair = authority.issue("a")
    pair.key.chmod(mode)
    assert "others can read or change" in refused(pair).what


def test_a_key_that_a_group_may_read_is_taken(authority):
    pair = authority.issue("a")
    pair.key.chmod(0o640)
    tls(pair)


@pytest.mark.parametrize("which", ["cert", "key"])
def test_a_file_that_is_missing_or_no_pem_file_is_named(authority, which):
    pair = authority.issue("a")
    file = getattr(pair, which)
    file.write_text("hello")
    assert "no PEM file" in refused(pair).what
    file.unlink()
    error = refused(pair)
    assert "No such file" in error.what
    assert error.where == str(file)


def test_an_authority_that_is_none_is_refused(authority, tmp_path):
    pair, other = authority.issue("a"), authority.issue("b")
    assert "of an authority" in refused(pair, client_ca=str(other.cert)).what
    assert "No such file" in refused(pair, client_ca=str(tmp_path / "none")).what
    file = tmp_path / "hello"
    file.write_text("hello")
    assert "no PEM file" in refused(pair, client_ca=str(file)).what


# --- taken anew -----------------------------------------------------------------------------


def test_files_that_did_not_change_are_left_alone(authority):
    served = tls(authority.issue("a"))
    before = served.context
    assert not served.reload()
    assert not served.reload()
    assert served.context is before


def test_a_changed_pair_is_taken_at_the_second_look(authority, see):
    pair = authority.issue("a")
    served = tls(pair)
    old = pair.serial
    pair.replace(authority.issue("b"))
    assert not served.reload()
    assert see(served) == old
    assert served.reload()
    assert see(served) == pair.serial != old


def test_a_pair_that_is_half_replaced_is_waited_for(authority, see):
    pair, new = authority.issue("a"), authority.issue("b")
    served = tls(pair)
    new.key.rename(pair.key)
    assert not served.reload()
    new.cert.rename(pair.cert)
    assert not served.reload()
    assert served.reload()
    assert see(served) == pair.serial


def test_a_broken_pair_is_told_once_and_the_old_one_goes_on(authority, see):
    pair = authority.issue("a")
    served = tls(pair)
    old, good = pair.serial, pair.cert.read_bytes()
    pair.cert.write_text("broken")
    assert not served.reload()
    with pytest.raises(TlsInvalid):
        served.reload()
    assert not served.reload()
    assert see(served) == old
    pair.cert.write_bytes(good)
    served.reload()
    assert served.reload()


def test_a_pair_that_vanishes_and_comes_back_is_the_pair_again(authority, see):
    pair = authority.issue("a")
    served = tls(pair)
    away = pair.key.with_suffix(".away")
    os.rename(pair.key, away)
    served.reload()
    with pytest.raises(TlsInvalid):
        served.reload()
    os.rename(away, pair.key)
    assert not served.reload()
    assert not served.reload()
    assert see(served) == pair.serial


def test_a_new_client_authority_is_taken_too(authority, tmp_path):
    other = Authority(tmp_path / "other")
    pair = authority.issue("a")
    served = tls(pair, client_ca=str(authority.file))
    other.file.rename(authority.file)
    served.reload()
    assert served.reload()
    (known,) = served.context.get_ca_certs(binary_form=True)
    assert ssl.DER_cert_to_PEM_cert(known) == authority.file.read_text()
