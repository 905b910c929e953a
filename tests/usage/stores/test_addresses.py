"""Addresses of databases: read strictly, encrypted unless on this machine, never repeated."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import DatabaseAddressInvalid
from fairlead.usage.stores.addresses import parse_address

TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20)


def test_every_part_is_read():
    found = parse_address("postgresql://me:p%40ss%2Fw@db.example.org:6432/fair?sslmode=require")
    assert (found.user, found.password, found.host) == ("me", "p@ss/w", "db.example.org")
    assert (found.port, found.database, found.socket) == (6432, "fair", None)
    assert parse_address("postgres://me@localhost/fair").port == 5432


def test_a_socket_of_this_machine_is_named_by_its_folder():
    found = parse_address("postgresql://me@/fair?host=/var/run/postgresql")
    assert (found.host, found.socket) == ("", "/var/run/postgresql/.s.PGSQL.5432")
    assert found.ssl is None


@pytest.mark.parametrize(
    ("text", "names", "proof"),
    [
        ("db.example.org/f", True, ssl.CERT_REQUIRED),
        ("db.example.org/f?sslmode=verify-ca", False, ssl.CERT_REQUIRED),
        ("db.example.org/f?sslmode=require", False, ssl.CERT_NONE),
        ("localhost/f?sslmode=verify-full", True, ssl.CERT_REQUIRED),
    ],
)
def test_a_server_elsewhere_proves_who_it_is_unless_somebody_says_otherwise(text, names, proof):
    tls = parse_address(f"postgresql://me:pw@{text}").ssl
    assert (tls.check_hostname, tls.verify_mode) == (names, proof)
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "text", ["127.0.0.1/f", "localhost/f", "[::1]/f", "x.org/f?sslmode=disable"]
)
def test_nothing_is_encrypted_on_this_machine_or_where_somebody_says_so(text):
    assert parse_address(f"postgresql://me:pw@{text}").ssl is None


WRONG = [
    "", "me:secret@db/f", "mysql://me:secret@db/f", "postgresql://:secret@db/f",
    "postgresql://me:secret@db", "postgresql://me:secret@db/", "postgresql://me:secret@db/a/b",
    "postgresql://me:secret@db:port/f", "postgresql://me:secret@db:99999/f",
    "postgresql://me:secret@db/f?sslmode=prefer", "postgresql://me:secret@db/f?sslmod=require",
    "postgresql://me:secret@db/f?host=relative", "postgresql://me:secret@db/f#more",
    "postgresql://me:secret@db/f?sslrootcert=/none/secret.pem", "postgresql://me:secret@[db/f",
    "postgresql://me:secret@db/f?sslcert=/none&sslkey=/none", "postgresql://me:secret@db/f?secret",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_used_is_told_without_the_password(text):
    with pytest.raises(DatabaseAddressInvalid) as refused:
        parse_address(text)
    assert "me:" not in refused.value.line()
    assert "secret@" not in refused.value.line()


@given(TEXT, TEXT)
def test_an_address_never_shows_its_password(user, password):
    from urllib.parse import quote

    secret = f"\u1234{password}"
    found = parse_address(
        f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@localhost/f"
    )
    assert (found.user, found.password) == (user, secret)
    assert secret not in str(found) + repr(found)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    try:
        parse_address(f"postgresql://{text}")
    except DatabaseAddressInvalid:
        return
