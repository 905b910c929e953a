"""Browsers at the edge: preflights, whose pages may read an answer, the names of the admin side."""

import pytest
from tests.access.parts import caller
from tests.edge.parts import bench, refused
from tests.processes import until
from tests.raw import get, post

from fairlead.core.call import Peer
from fairlead.edge.cors import OwnNames
from fairlead.edge.forwarded import TrustedProxies

PAGE, OTHER = "https://app.example.org", "https://evil.example"
GRANTED = "access-control-allow-origin"
KEY, PLAIN = "Authorization: listing", "Authorization: plain"


@pytest.fixture(scope="module")
def edge():
    with bench(more={"listed": lambda origin: origin == PAGE}) as made:
        made.path.keys = {"listing": caller(origins=(PAGE,)), "plain": caller()}
        yield made


@pytest.fixture(scope="module")
def admin():
    """An edge that is asked under its own names, and grants nothing to any page."""
    with bench(more={"names": OwnNames(["admin.example.org"])}) as made:
        yield made


def preflight(origin, path="/echo"):
    wanted = "Access-Control-Request-Method: POST"
    return get(path, f"Origin: {origin}", wanted, method="OPTIONS")


@pytest.mark.parametrize("path", ["/echo", "/plain", "/nowhere"])
def test_a_preflight_is_answered_without_a_key_and_says_nothing_of_the_address(edge, path):
    with edge.connect() as raw:
        for _ in range(2):  # the second time from memory
            answer = raw.ask(preflight(PAGE, path))
            assert (answer.status, answer.header(GRANTED)) == (204, PAGE)
        refused(raw.ask(preflight(OTHER, path)), 403, "ORIGIN_REFUSED")


def test_any_other_options_is_what_it_was(edge):
    with edge.connect() as raw:
        refused(raw.ask(get("/plain", f"Origin: {PAGE}", method="OPTIONS")), 405,
                "METHOD_NOT_ALLOWED")  # fmt: skip


@pytest.mark.parametrize("path", ["/echo", "/plain"])
@pytest.mark.parametrize(
    ("key", "origin", "granted"), [(KEY, PAGE, PAGE), (KEY, OTHER, ""), (PLAIN, PAGE, "")]
)
def test_an_answer_is_for_pages_that_the_calling_key_lists(edge, path, key, origin, granted):
    lines = (key, f"Origin: {origin}", "X-Request-Id: mine")
    request = post(path, b"x", *lines) if path == "/echo" else get(path, *lines)
    with edge.connect() as raw:
        for _ in range(2):
            answer = raw.ask(request)
            assert (answer.status, answer.header(GRANTED)) == (200, granted)
            assert answer.header("x-request-id") == "mine"
            assert answer.header("vary") == ("origin" if key == KEY else "")


def test_without_an_origin_an_answer_is_as_short_as_before(edge):
    with edge.connect() as raw:
        names = {name for name, _ in raw.ask(post("/echo", b"x", KEY)).headers}
    assert not any(name.startswith("access-control") or name == "vary" for name in names)


def test_an_answer_that_comes_later_or_with_a_fault_is_for_the_page_too(edge):
    with edge.connect() as raw:
        raw.send(post("/held", b"later", KEY, f"Origin: {PAGE}"))
        until(lambda: edge.path.held)
        edge.release()
        assert raw.read().header(GRANTED) == PAGE
        fault = raw.ask(get("/breaks", KEY, f"Origin: {PAGE}"))
        assert (fault.status, fault.header(GRANTED)) == (500, PAGE)


# --- the administration -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8082", "admin.example.org"])
def test_the_administration_answers_under_its_own_names(admin, host):
    with admin.connect() as raw:
        asked = get("/plain").replace(b"Host: test", f"Host: {host}".encode())
        assert raw.ask(asked).status == 200
        assert raw.ask(asked).status == 200


def test_under_any_other_name_nothing_is_answered(admin):
    with admin.connect() as raw:
        refused(raw.ask(get("/plain")), 403, "HOST_REFUSED")
        refused(raw.ask(post("/echo", b"x", host="evil.example")), 403, "HOST_REFUSED")


def test_no_page_of_another_site_asks_the_administration(admin):
    here = "Host: localhost"
    with admin.connect() as raw:
        for asked in (get("/plain", f"Origin: {OTHER}"), preflight(OTHER), preflight(PAGE)):
            answer = raw.ask(asked.replace(b"Host: test", here.encode()))
            refused(answer, 403, "ORIGIN_REFUSED")
            assert answer.header(GRANTED) == ""


# --- proxies ------------------------------------------------------------------------------------


class Connected:
    """A connection from an address that a test cannot connect from."""

    seen, idle = 0.0, True

    def __init__(self, address):
        self.peer = Peer(address)

    def check_time(self, moment):
        """Never too slow."""


def test_a_trusted_proxy_may_bring_more_connections_than_one_caller():
    with bench(more={"proxies": TrustedProxies(["10.0.0.0/8"])}, connections_per_ip=2) as made:
        service = made.service

        def taken(address):
            return [made.call(lambda: service.connected(Connected(address))) for _ in range(4)]

        proxied, others = taken("10.0.0.1"), taken("11.0.0.1")
        made.call(service._connections.clear)
    assert proxied == [True] * 4
    assert others == [True, True, False, False]
