"""Web origins: which pages may use a key, and which a server that wants none."""

import pytest
from tests.access.parts import caller

from fairlead.access.origins import check_origin, check_own_name, check_own_page
from fairlead.core.errors import HostRefused, OriginRefused

PAGE = "https://app.example.org"
LISTING = caller("predict:iris", origins=(PAGE, "http://localhost:3000"))


def test_a_key_with_origins_is_used_from_their_pages():
    check_origin({"origin": PAGE}, LISTING)
    check_origin({"origin": "http://localhost:3000"}, LISTING)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", PAGE + "/", PAGE.upper(), f"{PAGE}, {PAGE}"]
)
def test_a_page_of_another_origin_is_refused(origin):
    with pytest.raises(OriginRefused) as refused:
        check_origin({"origin": origin}, LISTING)
    assert refused.value.id == "FRL-1216"


def test_without_an_origin_or_without_origins_nothing_changes():
    check_origin({}, LISTING)
    check_origin({"origin": "https://evil.example"}, caller("predict:iris"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://behind.example", "host": "inside"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8080", "host": "127.0.0.1:8080"},
    ],
)
def test_what_our_own_page_sends_is_taken(headers):
    check_own_page(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://a.example", "host": "a.example"},
        {"origin": "http://evil.example", "host": "127.0.0.1:8080"},
        {"origin": "null", "host": "127.0.0.1:8080"},
        {"origin": "null"},
        {"origin": "http://[", "host": "["},
    ],
)
def test_what_a_page_of_another_site_sends_is_refused(headers):
    with pytest.raises(OriginRefused):
        check_own_page(headers)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:8080",
        "models.localhost",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.0.2.7",
        "workstation:8080",
        "models.example.org",
    ],
)
def test_a_server_without_keys_is_asked_under_names_that_are_its_own(host):
    check_own_name({"host": host}, "models.example.org")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example.",
        "[::1].evil.example",
        "evil.localhost.example:80",
    ],
)
def test_under_a_name_that_somebody_else_may_have_made_it_is_not(host):
    with pytest.raises(HostRefused):
        check_own_name({"host": host}, "")
    with pytest.raises(HostRefused):
        check_own_name({"host": host}, "models.example.org")
