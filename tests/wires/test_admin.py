"""Administration at a real server: what each scope may, what is sent wrongly, what is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.processes import Running, server, until
from tests.serving.parts_keys import INJECTIONS

from fairlead.assembly.asking import every_page, managed
from fairlead.core.call import PUBLIC
from fairlead.core.errors import MethodNotAllowed
from fairlead.serving.acts import record_from_json
from fairlead.wires.admin import Admin

PLAN = {"plan": {"name": "gold", "currency": "EUR"}, "price": {"request": "0.0001"}}


class Place:
    """A server, and keys of every scope."""

    def __init__(self, running: Running, state: Path) -> None:
        self.running, self.state = running, state
        scopes = {"keys": "admin:keys", "audit": "admin:audit", "usage": "usage:read",
                  "predict": "predict:*"}  # fmt: skip
        self.ids: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        for name, scope in scopes.items():
            given = {"name": name, "scopes": [scope], "tenant": "acme"}
            told = managed(state, "keys.create", given)
            self.keys[name], self.ids[name] = told["key"], told["id"]
        until(lambda: self.ask("GET", "/keys")[0] == 200, 10)

    def ask(self, method: str, path: str, body: Any = None, key: str = "keys") -> Any:
        """Status, answer and headers."""
        secret = self.keys.get(key, key)
        return self.running.asked(path, secret, body, method=method, admin=True)

    def records(self) -> list[Any]:
        pages = every_page(self.state, "audit.list", {}, "records")
        return [record_from_json(value) for value in pages]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    repository = tmp_path_factory.mktemp("models")
    models.total(repository)
    state = tmp_path_factory.mktemp("state")
    with server(repository, state=state) as running:
        yield Place(running, state)


def test_a_key_lives_from_its_making_to_its_end(place):
    status, told, headers = place.ask("POST", "/keys", {"name": "web", "scopes": ["predict:total"]})
    assert (status, headers["cache-control"]) == (201, "no-store")
    key_id = told["id"]
    assert place.ask("GET", f"/keys/{key_id}")[1]["standing"] == "works"
    status, new, _ = place.ask("POST", f"/keys/{key_id}/rotate", {"grace": "0s"})
    assert (status, new["replaces"]) == (201, key_id)
    assert place.ask("GET", f"/keys/{key_id}")[1]["standing"] == "replaced"
    assert place.ask("POST", f"/keys/{key_id}/rotate", {})[0] == 409
    assert place.ask("POST", f"/keys/{new['id']}/revoke", {})[1]["count"] == 1
    assert place.ask("GET", f"/keys/{new['id']}")[1]["standing"] == "revoked"


def test_keys_that_fit_a_pattern_end_together_after_a_look(place):
    for name in ("temp-1", "temp-2"):
        place.ask("POST", "/keys", {"name": name, "scopes": ["predict:*"]})
    assert (
        place.ask("POST", "/keys/revoke", {"pattern": "temp-*", "dry_run": True})[1]["count"] == 2
    )
    assert place.ask("POST", "/keys/revoke", {"pattern": "temp-*"})[1]["count"] == 2
    assert place.ask("POST", "/keys/revoke", {"pattern": "none-*"})[0] == 404


def test_an_id_in_an_address_is_no_pattern(place):
    for key_id in ("*", "key_*", "%2A", "web"):
        assert place.ask("POST", f"/keys/{key_id}/revoke", {})[0] == 404
    assert place.ask("GET", "/keys")[0] == 200


def test_keys_are_listed_in_pages(place):
    page = place.ask("GET", "/keys?most=2&tenant=acme")[1]
    rest = place.ask("GET", f"/keys?tenant=acme&after={page['next']}")[1]
    ids = [key["id"] for key in page["keys"] + rest["keys"]]
    assert ids == list(place.ids.values())
    assert rest["next"] is None


def test_tenants_and_plans_are_kept_and_changed(place):
    assert place.ask("PUT", "/plans/gold", PLAN)[1]["title"] == "gold@1"
    assert place.ask("PUT", "/plans/gold", PLAN)[1]["new"] is False
    assert place.ask("PUT", "/plans/silver", PLAN)[0] == 400
    assert place.ask("GET", "/plans/gold@1")[1]["price"] == {"request": "0.0001"}
    assert [plan["title"] for plan in place.ask("GET", "/plans")[1]["plans"]] == ["gold@1"]
    assert place.ask("GET", "/plans/none")[0] == 404
    made = place.ask("POST", "/tenants", {"name": "beta", "plan": "gold", "zone": "Europe/Berlin"})
    assert (made[0], made[1]["plan"]) == (201, "gold@1")
    assert place.ask("POST", "/tenants", {"name": "beta"})[0] == 409
    changed = place.ask("PUT", "/tenants/beta", {"plan": "", "zone": "UTC"})[1]
    assert (changed["plan"], changed["zone"]) == (None, "UTC")
    assert place.ask("PUT", "/tenants/beta", {"zone": "Mars/Base"})[0] == 400
    assert place.ask("PUT", "/tenants/beta", {})[0] == 400
    assert place.ask("GET", "/tenants/nobody")[0] == 404
    names = [tenant["name"] for tenant in place.ask("GET", "/tenants")[1]["tenants"]]
    assert names == ["acme", "beta", "default"]


def test_health_needs_no_key_and_says_how_the_database_stands(place):
    assert place.ask("GET", "/livez", key="")[:2] == (200, {"live": True})
    status, facts, _ = place.ask("GET", "/readyz", key="")
    assert (status, facts["ready"], facts["database"], facts["postponed"]) == (
        200,
        True,
        "works",
        0,
    )
    assert facts["age_s"] < 5
    assert facts.keys() == {"ready", "database", "age_s", "postponed"}


ADDRESSES = [
    ("GET", "/keys", "keys"), ("POST", "/keys", "keys"), ("GET", "/keys/key_x", "keys"),
    ("POST", "/keys/key_x/rotate", "keys"), ("POST", "/keys/key_x/revoke", "keys"),
    ("POST", "/keys/revoke", "keys"), ("GET", "/tenants", "keys"), ("POST", "/tenants", "keys"),
    ("GET", "/tenants/acme", "keys"), ("PUT", "/tenants/acme", "keys"), ("GET", "/plans", "keys"),
    ("GET", "/plans/gold", "keys"), ("PUT", "/plans/gold", "keys"), ("GET", "/audit", "audit"),
    ("GET", "/usage", "usage"), ("GET", "/usage/cost", "keys"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "scope"), ADDRESSES)
def test_each_address_wants_its_scope_and_no_other_will_do(place, method, path, scope):
    body = None if method == "GET" else {}
    for key in place.keys:
        status = place.ask(method, path, body, key)[0]
        assert (status in (401, 403)) == (key != scope), key
    for key in ("", "nonsense", "frl_live_" + "0" * 36):
        assert place.ask(method, path, body, key)[0] == 401


NO_ADDRESSES = [
    "/", "/metrics", "/predict/x", "/keys/a/b", "/keys/a/b/c", "/audit/x", "/plans/a/b", "/keys/",
    "/tenants/a/b", "//keys", "/KEYS", "/usage/x", "/livez/x",
]  # fmt: skip


def test_no_address_but_health_is_public():
    """Every address that the wire has is in the table above, with an operation."""
    nothing = lambda *args: None  # noqa: E731
    wire = Admin(nothing, nothing, nothing, dict)
    public = set()
    for method, path in [*((m, p) for m, p, _ in ADDRESSES), ("GET", "/livez"), ("GET", "/readyz")]:
        route = wire.route(method, path)
        if route.operation == PUBLIC:
            public.add(path)
    assert public == {"/livez", "/readyz"}
    for path in NO_ADDRESSES:
        try:
            found = wire.route("GET", path)
        except MethodNotAllowed:
            continue
        assert found is None or found.operation != PUBLIC


def test_a_tenant_sees_its_own_usage_and_another_is_as_one_that_does_not_exist(place):
    status, mine, _ = place.ask("GET", "/usage?by=tenant", key="usage")
    assert status == 200
    assert all(row["tenant"] == "acme" for row in mine["usage"])
    place.ask("POST", "/tenants", {"name": "gamma"})
    theirs = place.ask("GET", "/usage?tenant=gamma", key="usage")
    nobody = place.ask("GET", "/usage?tenant=nobody", key="usage")
    assert theirs[0] == nobody[0] == 404
    assert json.dumps(theirs[1]).replace("gamma", "nobody") == json.dumps(nobody[1])
    assert place.ask("GET", "/usage?tenant=acme", key="usage")[0] == 200


WRONG_BODIES = {
    "no JSON": (b"{", 400), "a list": (b"[]", 400), "a number": (b"5", 400),
    "NaN": (b'{"name": NaN}', 400),
    "a key twice": (b'{"name": "a", "name": "b"}', 400), "deep": (b'{"name":' + b"[" * 10**5, 400),
    "deep enough": (b'{"name":' + b"[" * 50 + b"]" * 50 + b"}", 400),
    "no UTF-8": (b'{"a": "\xff"}', 400),
    "NUL": (b'{"name": "a\\u0000"}', 400),
    "half a character": (b'{"name": "\\ud800", "scopes": []}', 400),
    "unknown field": (b'{"root": true}', 400), "another type": (b'{"name": 5}', 400),
    "an act": (b'{"kind": "admin", "given": {}, "by": "x"}', 400),
    "2 MiB": (b'{"name": "' + b"x" * (2 << 20) + b'"}', 413),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_body_that_cannot_be_taken_is_refused_and_changes_nothing(place, body, status):
    before = len(place.records())
    connection = place.running.connect()
    connection.port = place.running.admin_port
    headers = {"authorization": f"Bearer {place.keys['keys']}", "content-type": "application/json"}
    connection.request("POST", "/keys", body, headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert answer.status == told["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(json.dumps(told)) < 1000
    assert len(place.records()) == before


@pytest.mark.parametrize(
    "query",
    ["most=0", "most=x", "most=1001", "most=-1", "most=1&most=2", "root=1", "after=%ff", "=",
     "after=" + "x" * 7000, "most=99999999999999999999", "&".join(f"a{n}=1" for n in range(50))],
    ids=lambda query: query[:20],
)  # fmt: skip
def test_words_of_an_address_that_cannot_be_taken_are_refused(place, query):
    status, told, _ = place.ask("GET", f"/keys?{query}")
    assert status in (400, 404)
    assert told["id"].startswith("FRL-")


def test_other_content_types_and_methods_are_refused(place):
    assert place.ask("DELETE", "/keys")[0] == 405
    status, _, headers = place.ask("DELETE", "/keys/key_x")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert place.ask("GET", "/nothing")[0] == 404


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_in_an_address_is_taken_for_a_statement(place, text):
    from urllib.parse import quote

    word = quote(text, safe="")
    assert place.ask("GET", f"/keys/{word}")[0] == 404
    assert place.ask("GET", f"/keys?tenant={word}")[1]["keys"] == []
    assert place.ask("GET", f"/audit?object={word}", key="audit")[1]["records"] == []
    assert place.ask("GET", f"/tenants/{word}")[0] == 404
    assert place.ask("GET", f"/plans/{word}")[0] in (400, 404)
    asked = place.ask("GET", f"/usage?key={word}&model={word}&plan={word}", key="usage")
    assert asked[0] in (200, 400)
    assert place.ask("GET", f"/usage?tenant={word}", key="usage")[0] == 404


def test_who_did_what_from_where_is_on_record_and_no_secret_is(place):
    told = place.ask("POST", "/keys", {"name": "noted", "scopes": ["predict:*"]})[1]
    place.ask("GET", "/keys", key="predict")
    page = place.ask("GET", f"/audit?object={told['id']}", key="audit")[1]
    assert [record["act"] for record in page["records"]] == ["keys.create"]
    assert page["records"][0]["who"] == place.ids["keys"]
    assert page["records"][0]["from"] == "127.0.0.1"
    assert page["records"][0]["after"]["name"] == "noted"
    until(
        lambda: any(r.act == "refused" and r.who == place.ids["predict"] for r in place.records())
    )
    whole = repr(place.records()) + "\n".join(place.running.lines)
    for secret in [told["key"], *place.keys.values()]:
        assert secret[9:39] not in whole


def test_the_trail_is_asked_by_time(place):
    assert place.ask("GET", "/audit?since=1h&most=3", key="audit")[1]["next"] == 3
    assert place.ask("GET", "/audit?since=2999-01-01", key="audit")[1]["records"] == []
    assert place.ask("GET", "/audit?since=soon", key="audit")[0] == 400
