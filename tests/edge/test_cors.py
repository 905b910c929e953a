"""Web origins: who is answered so that a page may read it, and who is refused."""

import pytest
from tests.access.parts import caller

from fairlead.core.call import Head
from fairlead.core.errors import HostRefused, OriginRefused
from fairlead.edge.cors import OwnNames, granted, is_preflight, preflight

PAGE, OTHER = "https://app.example.org", "https://evil.example"
LISTING = caller("predict:iris", origins=(PAGE, "http://localhost:3000"))
PLAIN = caller("predict:iris")


def head(method="OPTIONS", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(method, "/predict/iris", "", named, 0, True, None, 30.0)


ASKING = head(origin=PAGE, access_control_request_method="POST")


def test_a_preflight_is_told_by_its_method_and_both_its_headers():
    assert is_preflight(ASKING)
    assert not is_preflight(head(origin=PAGE))
    assert not is_preflight(head(access_control_request_method="POST"))
    assert not is_preflight(head("GET", origin=PAGE, access_control_request_method="POST"))


def test_a_preflight_of_an_origin_that_some_key_lists_is_answered_for_it_alone():
    reply = preflight(ASKING, lambda origin: origin == PAGE)
    headers = dict(reply.headers)
    assert (reply.status, reply.body) == (204, b"")
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["vary"] == "origin"
    assert "authorization" in headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in headers


def test_a_preflight_of_another_origin_is_refused():
    with pytest.raises(OriginRefused) as refused:
        preflight(ASKING, lambda origin: False)
    assert refused.value.id == "FRL-1216"


def test_without_an_origin_nothing_is_granted():
    assert granted({"origin": PAGE}, PLAIN) == ()


def test_an_answer_is_for_the_origin_that_asked_and_says_that_it_depends_on_it():
    headers = dict(granted({"origin": PAGE}, LISTING))
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["vary"] == "origin"
    assert "fairlead-usage-id" in headers["access-control-expose-headers"]
    assert dict(granted({}, LISTING)) == {"vary": "origin"}
    assert dict(granted({"origin": OTHER}, LISTING)) == {"vary": "origin"}


# --- the admin listener -----------------------------------------------------------------------

NAMES = OwnNames(["admin.example.org", "10.0.0.5", "2001:db8::5"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8082", "LocalHost", "127.0.0.1", "127.0.0.1:1", "[::1]:8082",
     "admin.example.org", "10.0.0.5:8082", "[2001:db8::5]:8082"],
)  # fmt: skip
def test_the_administration_answers_under_its_own_names(host):
    NAMES.check({"host": host})
    NAMES.check({"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2",
     "localhost:", "localhost:80:80", "localhost@evil.example", "evil.example:8082", "[::2]",
     "localhost:999999", "10.0.0.50", "0x7f000001", "127.1", "localhost."],
)  # fmt: skip
def test_any_other_name_is_refused(host):
    with pytest.raises(HostRefused) as refused:
        NAMES.check({"host": host})
    assert refused.value.id == "FRL-1217"


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_on_every_address_any_address_is_its_own_and_no_name_is(bound):
    names = OwnNames([bound])
    for host in ("10.0.0.5:8082", "[2001:db8::5]", "localhost"):
        names.check({"host": host, "origin": f"https://{host}"})
    for host in ("evil.example", "10.0.0.5.evil.example", "0x7f000001", "[::g]"):
        with pytest.raises(HostRefused):
            names.check({"host": host})


def test_a_request_without_a_host_is_refused():
    with pytest.raises(HostRefused):
        NAMES.check({})


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", "", "http://localhost.evil.example", "http://localhost@evil.example",
     "file://", "http://localhost/x", "chrome-extension://localhost"],
)  # fmt: skip
def test_a_page_of_another_site_is_refused_whatever_name_it_asks_for(origin):
    with pytest.raises(OriginRefused):
        NAMES.check({"host": "localhost:8082", "origin": origin})
