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
