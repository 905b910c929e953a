"""Administration over HTTP on `--admin`: keys, tenants, plans, models, the audit trail and usage.

Every address but the health probes needs a key with the scope that stands at its route, on loopback
too. A tenant that a caller may not know of is answered like one that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.access.book import allows
from fairlead.access.times import parse_moment, told
from fairlead.core.access import Caller, Operation
from fairlead.core.audit import By
from fairlead.core.call import PUBLIC, Head, Peer, Reply, Route
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError, MethodNotAllowed, TenantNotFound
from fairlead.serving.acts import record_from_json
from fairlead.wires.admin_request import json_object, segment, whole, words
from fairlead.wires.problem import error_reply

Outcome = Mapping[str, Any] | FairleadError
Done = Callable[[Outcome], None]
Acts = Callable[[str, Mapping[str, Any], By, Done], None]
"""Does an act by its name with its fields; see serving/acts.py."""
Usage = Callable[[Mapping[str, str], Done], None]
"""Asks the ledger; see usage/query.py."""

_Later = Callable[[Reply], None]
_Given = Callable[[Head, bytes], Mapping[str, Any]]

_KEYS, _AUDIT, _USAGE, _MODELS = "admin:keys", "admin:audit", "usage:read", "admin:models"
_PUBLIC_FACTS = ("database", "age_s", "postponed")
_NO_STORE = (("cache-control", "no-store"),)
_USAGE_WORDS = ("by", "zone", "since", "until", "tenant", "model", "key", "plan")


class Admin:
    """The routes of the admin listener.

    acts: does what is asked. usage: answers about usage; costs: the same, with what the machine
    cost. facts: how the stores stand, for /readyz.
    """

    addresses = (
        "GET /keys",
        "POST /keys",
        "GET /keys/{id}",
        "POST /keys/{id}/rotate",
        "POST /keys/{id}/revoke",
        "POST /keys/revoke",
        "GET /tenants",
        "POST /tenants",
        "GET /tenants/{tenant}",
        "PUT /tenants/{tenant}",
        "GET /plans",
        "GET /plans/{plan}",
        "PUT /plans/{plan}",
        "GET /models",
        "GET /models/{model}",
        "PUT /models/{model}/versions",
        "PUT /models/{model}/labels/{label}",
        "DELETE /models/{model}/labels/{label}",
        "POST /models/{model}/load",
        "POST /models/{model}/unload",
        "POST /models/{model}/promote",
        "POST /models/{model}/rollback",
        "GET /audit",
        "GET /usage",
        "GET /usage/cost",
        "GET /livez",
        "GET /readyz",
    )

    def __init__(
        self, acts: Acts, usage: Usage, costs: Usage, facts: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._acts = acts
        self._usage = usage
        self._costs = costs
        self._facts = facts

    def owns(self, path: str) -> bool:
        """What no wire before it owns."""
        return True

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for an address. Raises MethodNotAllowed."""
        parts = [segment(part) for part in path[1:].split("/")]
        found = self._routes(parts)
        if not found:
            return None
        if method not in found:
            raise MethodNotAllowed(method, list(found))
        return found[method]

    def _routes(self, parts: list[str]) -> dict[str, Route]:
        """By method, the routes of an address; none where nothing is."""
        room, rest = parts[0], parts[1:]
        if room == "keys":
            return self._of_keys(rest)
        if room == "tenants":
            return self._of_tenants(rest)
        if room == "plans":
            return self._of_plans(rest)
        if room == "models":
            return self._of_models(rest)
        if parts == ["usage", "cost"]:
            return {"GET": Route(_KEYS, error_reply, ask=self._ask_costs)}
        if rest:
            return {}
        if room == "audit":
            return {"GET": self._route(_AUDIT, "audit.list", _trail_wanted, _told_trail)}
        if room == "usage":
            return {"GET": Route(_USAGE, error_reply, ask=self._ask_usage)}
        if room in ("livez", "readyz"):
            return {"GET": Route(PUBLIC, error_reply, answer=self._health)}
        return {}

    def _of_keys(self, rest: list[str]) -> dict[str, Route]:
        if not rest:
            return {
                "GET": self._route(_KEYS, "keys.list", _page_of("tenant")),
                "POST": self._route(_KEYS, "keys.create", json_object, status=201),
            }
        if rest == ["revoke"]:
            return {"POST": self._route(_KEYS, "keys.revoke", json_object)}
        key = rest[0]
        if len(rest) == 1:
            return {"GET": self._route(_KEYS, "keys.show", _named("of", key))}
        if len(rest) > 2:
            return {}
        if rest[1] == "rotate":
            given = _with_body("of", key)
            return {"POST": self._route(_KEYS, "keys.rotate", given, status=201)}
        if rest[1] == "revoke":
            return {"POST": self._route(_KEYS, "keys.revoke", _exactly("pattern", key))}
        return {}

    def _of_tenants(self, rest: list[str]) -> dict[str, Route]:
        if not rest:
            return {
                "GET": self._route(_KEYS, "tenants.list", _page_of()),
                "POST": self._route(_KEYS, "tenants.create", json_object, status=201),
            }
        if len(rest) > 1:
            return {}
        return {
            "GET": self._route(_KEYS, "tenants.show", _named("name", rest[0])),
            "PUT": self._route(_KEYS, "tenants.change", _with_body("name", rest[0])),
        }

    def _of_plans(self, rest: list[str]) -> dict[str, Route]:
        if not rest:
            return {"GET": self._route(_KEYS, "plans.list", _plans_wanted)}
        if len(rest) > 1:
            return {}

        def given(head: Head, body: bytes) -> Mapping[str, Any]:
            words(head)
            return {"name": rest[0], "tables": json_object(head, body)}

        return {
            "GET": self._route(_KEYS, "plans.show", _named("plan", rest[0])),
            "PUT": self._route(_KEYS, "plans.put", given),
        }

    def _of_models(self, rest: list[str]) -> dict[str, Route]:
        if len(rest) < 2:
            given = _named("model", rest[0]) if rest else _nothing
            return {"GET": self._route(_MODELS, "models.list", given)}
        given = _with_body("model", rest[0])
        if rest[1:] == ["versions"]:
            return {"PUT": self._route(_MODELS, "models.choose", given)}
        if len(rest) == 2 and rest[1] in ("load", "unload", "promote", "rollback"):
            return {"POST": self._route(_MODELS, f"models.{rest[1]}", given)}
        if len(rest) == 3 and rest[1] == "labels":
            put, gone = _pointing(rest[0], rest[2]), _pointing(rest[0], rest[2], nowhere=True)
            return {
                "PUT": self._route(_MODELS, "models.label", put),
                "DELETE": self._route(_MODELS, "models.label", gone),
            }
        return {}

    def _route(
        self,
        operation: Operation,
        act: str,
        given: _Given,
        shown: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        status: int = 200,
    ) -> Route:
        """A route that does an act with what was sent, and answers when it is done."""

        def ask(head: Head, body: bytes, caller: Caller, peer: Peer, later: _Later) -> None:
            fields = given(head, body)
            done = _answering(later, shown, status)
            self._acts(act, fields, By(caller.key, peer.address or "unix socket"), done)

        return Route(operation, error_reply, ask=ask)

    def _ask_usage(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: _Later
    ) -> None:
        asked = words(head, *_USAGE_WORDS)
        if not allows(caller, "admin:keys"):
            wanted = asked.setdefault("tenant", caller.tenant)
            if wanted != caller.tenant:
                raise _unknown_tenant(wanted)
        self._usage(asked, _answering(later, dict, 200))

    def _ask_costs(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: _Later
    ) -> None:
        self._costs(words(head, *_USAGE_WORDS), _answering(later, dict, 200))

    def _health(self, head: Head, body: bytes, caller: Caller) -> Reply:
        if head.path == "/livez":
            return _json({"live": True}, 200)
        facts = self._facts()
        ready = facts.get("revision", -1) >= 0
        # Anybody may ask: how it stands, and nothing of what is there.
        shown = {name: facts[name] for name in _PUBLIC_FACTS if name in facts}
        return _json({"ready": ready, **shown}, 200 if ready else 503)


def _answering(
    later: _Later, shown: Callable[[Mapping[str, Any]], Mapping[str, Any]], status: int
) -> Done:
    def done(outcome: Outcome) -> None:
        failed = isinstance(outcome, FairleadError)
        later(error_reply(outcome) if failed else _json(shown(outcome), status))

    return done


def _json(value: Mapping[str, Any], status: int) -> Reply:
    """What administration answers is for whoever asked, and not for what lies between."""
    return Reply(status, json.dumps(value).encode(), headers=_NO_STORE)


def _unknown_tenant(name: str) -> TenantNotFound:
    return TenantNotFound(f"there is no tenant {name[:80]!r}", fix="GET /tenants lists them")


# --- what was sent --------------------------------------------------------------------------


def _page_of(*more: str) -> _Given:
    def given(head: Head, body: bytes) -> Mapping[str, Any]:
        asked = words(head, "after", "most", *more)
        most = whole(asked, "most")
        return asked | most

    return given


def _named(field: str, name: str) -> _Given:
    def given(head: Head, body: bytes) -> Mapping[str, Any]:
        words(head)
        return {field: name}

    return given


def _with_body(field: str, name: str) -> _Given:
    """The fields of the body, and the one that stands in the address."""

    def given(head: Head, body: bytes) -> Mapping[str, Any]:
        words(head)
        return json_object(head, body) | {field: name}

    return given


def _nothing(head: Head, body: bytes) -> Mapping[str, Any]:
    words(head)
    return {}


def _pointing(model: str, label: str, *, nowhere: bool = False) -> _Given:
    """A label that points to the version in the body, or is taken away."""

    def given(head: Head, body: bytes) -> Mapping[str, Any]:
        words(head)
        told = {} if nowhere else json_object(head, body)
        return {**told, "model": model, "label": label}

    return given


def _exactly(field: str, name: str) -> _Given:
    """The name in the address stands for itself: nothing in it is a pattern."""

    def given(head: Head, body: bytes) -> Mapping[str, Any]:
        words(head)
        return json_object(head, body) | {field: name, "exact": True}

    return given


def _plans_wanted(head: Head, body: bytes) -> Mapping[str, Any]:
    return words(head, "name")


def _trail_wanted(head: Head, body: bytes) -> Mapping[str, Any]:
    asked = words(head, "since", "object", "after", "most")
    numbers = whole(asked, "after") | whole(asked, "most")
    since = asked.pop("since", None)
    if since is not None:
        numbers["since_ns"] = parse_moment(since, wall_ns(), "since")
    return asked | numbers


def _told_trail(page: Mapping[str, Any]) -> Mapping[str, Any]:
    records = [record_from_json(value).to_json() for value in page["records"]]
    for record in records:
        record["time"] = told(record.pop("time_ns"))
    return {"records": records, "next": page["next"]}
