"""Whom a client certificate names."""

import pytest

from fairlead.edge.certificates import subject

CN = ((("organizationName", "Acme"),), (("commonName", "checkout"),))


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, ""),
        ({}, ""),
        ({"subject": CN}, "checkout"),
        ({"subject": CN, "subjectAltName": (("DNS", "a.org"), ("DNS", "b.org"))}, "a.org"),
        (
            {"subject": CN, "subjectAltName": (("DNS", "a.org"), ("URI", "spiffe://x/y"))},
            "spiffe://x/y",
        ),
        ({"subject": CN, "subjectAltName": (("URI", "spiffe://x/y"), ("URI", "spiffe://z"))}, ""),
        ({"subject": CN, "subjectAltName": (("email", "a@b.org"),)}, "checkout"),
        ({"subject": ((("organizationName", "Acme"),),)}, ""),
    ],
    ids=["none", "empty", "cn", "dns", "uri", "two uris", "email", "nothing"],
)
def test_a_uri_goes_before_a_host_before_a_common_name(certificate, name):
    assert subject(certificate) == name


@pytest.mark.parametrize(
    "certificate",
    [
        {"subject": ((("commonName", "spiffe://x/y"),),)},
        {"subjectAltName": (("DNS", "spiffe://x/y"),)},
        {"subjectAltName": (("URI", "checkout"),)},
    ],
    ids=["cn", "dns", "uri"],
)
def test_a_name_that_looks_like_one_of_another_kind_is_none(certificate):
    assert subject(certificate) == ""
