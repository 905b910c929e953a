"""Routing: the first wire that knows an address answers; errors have the shape of its protocol."""

import pytest

from fairlead.core.call import PUBLIC, Reply, Route
from fairlead.core.errors import AddressNotFound, BadRequestHead, Internal, MethodNotAllowed
from fairlead.edge.router import Router


class Wire:
    """Knows the addresses of a table of methods; every error is its own name."""

    def __init__(self, prefix: str, table: dict[str, str], operation: str = "predict") -> None:
        self.prefix = prefix
        self.addresses = [f"{method} {path}" for path, method in table.items()]
        self.routes = {
            path: (method, Route(operation, self.error, answer=lambda head, body: Reply(200, b"")))
            for path, method in table.items()
        }

    def owns(self, path):
        return path == self.prefix or path.startswith(self.prefix + "/")

    def error(self, error):
        return Reply(400, self.prefix.encode())

    def route(self, method, path):
        if path not in self.routes:
            return None
        wanted, route = self.routes[path]
        if method != wanted:
            raise MethodNotAllowed(method, [wanted])
        return route


FOREIGN = Wire("/v2", {"/v2": "GET", "/v2/infer": "POST", "/both": "GET"})
OWN = Wire("/", {"/own": "GET", "/both": "GET"})
ROUTER = Router([FOREIGN, OWN])


def test_the_first_wire_that_knows_an_address_answers():
    assert ROUTER.route("GET", "/v2") is FOREIGN.routes["/v2"][1]
    assert ROUTER.route("GET", "/own") is OWN.routes["/own"][1]
    assert ROUTER.route("GET", "/both") is FOREIGN.routes["/both"][1]


def test_head_is_routed_as_get_and_nothing_else_is():
    assert ROUTER.route("HEAD", "/own") is OWN.routes["/own"][1]
    for method, path in (("HEAD", "/v2/infer"), ("OPTIONS", "/own"), ("get", "/own")):
        with pytest.raises(MethodNotAllowed):
            ROUTER.route(method, path)


@pytest.mark.parametrize("path", ["/", "/none", "/V2", "/v2/", "//v2", "/own/", "/./own", "/%6fwn"])
def test_an_address_is_compared_as_it_is(path):
    with pytest.raises(AddressNotFound):
        ROUTER.route("GET", path)


@pytest.mark.parametrize("path", ["", "own", "*", "http://a/own"])
def test_an_address_begins_with_a_slash(path):
    with pytest.raises(BadRequestHead):
        ROUTER.route("GET", path)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/v2", "/v2"), ("/v2/", "/v2"), ("/v2/x", "/v2"), ("/v2x", "/"), ("/", "/"), ("", "/"),
     ("/x/v2", "/"), ("v2", "/")],
)  # fmt: skip
def test_an_error_has_the_shape_of_the_protocol_that_the_address_belongs_to(path, prefix):
    assert ROUTER.error(path, AddressNotFound("none")).body == prefix.encode()


def test_a_route_that_calls_itself_public_is_answered_only_where_the_one_table_has_it():
    router = Router([Wire("/", {"/own": "GET", "/livez": "GET"}, PUBLIC)])
    assert router.route("GET", "/livez").operation == PUBLIC
    with pytest.raises(Internal):
        router.route("GET", "/own")


class Pages(Wire):
    """Has a page at an address that others answer too, and at one of its own."""

    def shared(self, method, path):
        return self.routes["/page"][1] if path in ("/own", "/v2") else None

    def owns(self, path):
        return path.startswith("/page")

    def error_at(self, path, error):
        return Reply(400, b"page of " + path.encode())


PAGES = Pages("/page", {"/page": "GET"})
SHOWN = Router([FOREIGN, PAGES, OWN], pages=PAGES)
HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/*"])
def test_programs_get_what_programs_ask_also_where_there_is_a_page(accept):
    assert SHOWN.route("GET", "/own", accept) is OWN.routes["/own"][1]
    assert SHOWN.error("/none", AddressNotFound("none"), accept).body == b"/"


def test_whoever_reads_html_gets_the_page_and_errors_as_pages():
    assert SHOWN.route("GET", "/own", HTML) is PAGES.routes["/page"][1]
    assert SHOWN.route("GET", "/both", HTML) is FOREIGN.routes["/both"][1]
    assert SHOWN.error("/none", AddressNotFound("none"), HTML).body == b"page of /none"


def test_a_foreign_protocol_keeps_its_errors_also_for_browsers():
    assert SHOWN.error("/v2/x", AddressNotFound("none"), HTML).body == b"/v2"


def test_an_address_that_only_people_ask_has_pages_for_errors_whoever_asks():
    assert SHOWN.error("/page/x", AddressNotFound("none"), "*/*").body == b"page of /page/x"
