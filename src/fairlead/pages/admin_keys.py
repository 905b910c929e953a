"""Keys, for administrators: who has one, what it allows, what was used with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from fairlead.access.book import allows
from fairlead.core.access import OPERATIONS, Caller
from fairlead.core.call import Ask, Head, Peer, Reply
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.pages.administered import Administered, by
from fairlead.pages.forms import Form, form_of
from fairlead.pages.frame import moved, page
from fairlead.pages.visit import visitor_of

Later = Callable[[Reply], None]
_MOST = 50
_DAYS = 30


class AdminKeys:
    """The list of keys, and what can be done to them."""

    def __init__(self, known: Administered) -> None:
        self._known = known

    def listed(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
        """A page of keys with what each has used in a month."""
        self._show(head, caller, peer, later, None, None)

    def create(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
        """Makes a key of what the form says, and shows its secret once."""
        form = form_of(head, body, self._known.sessions)

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                self._show(head, caller, peer, later, form, outcome)
            else:
                later(self._made(head, caller, outcome))

        try:
            self._known.acts("keys.create", _wanted(form), by(caller, peer), told)
        except FairleadError as error:
            told(error)

    def change(self, key: str, act: str) -> Ask:
        """Rotates or revokes a key."""

        def ask(head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
            form_of(head, body, self._known.sessions)

            def told(outcome: Mapping[str, Any] | FairleadError) -> None:
                if isinstance(outcome, FairleadError):
                    later(head.route.error(outcome))
                elif act == "rotate":
                    later(self._made(head, caller, outcome))
                else:
                    later(moved("../../keys"))

            given = {"of": key} if act == "rotate" else {"pattern": key, "exact": True}
            self._known.acts(f"keys.{act}", given, by(caller, peer), told)

        return ask

    def _made(self, head: Head, caller: Caller, made: Mapping[str, Any]) -> Reply:
        facts = {
            "title": "A new key",
            "who": visitor_of(self._known.sessions, head, caller),
            "here": "keys",
            "allowed": {"keys": True, "audit": allows(caller, "admin:audit")},
            "made": made,
        }
        return page("admin_key.html", head.path, facts)

    def _show(
        self,
        head: Head,
        caller: Caller,
        peer: Peer,
        later: Later,
        form: Form | None,
        error: FairleadError | None,
    ) -> None:
        asked = parse_qs(head.query)
        given: dict[str, Any] = {"most": _MOST}
        for name in ("after", "tenant"):
            if asked.get(name, [""])[0]:
                given[name] = asked[name][0]

        def with_keys(keys: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(keys, FairleadError):
                later(head.route.error(keys))
                return

            def with_usage(usage: Mapping[str, Any] | FairleadError) -> None:
                used = {} if isinstance(usage, FairleadError) else _by_key(usage)
                later(self._page(head, caller, keys, used, form, error, given.get("tenant", "")))

            since = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date() - timedelta(days=_DAYS - 1)
            self._known.usage({"by": "key", "since": since.isoformat()}, with_usage)

        self._known.acts("keys.list", given, by(caller, peer), with_keys)

    def _page(
        self,
        head: Head,
        caller: Caller,
        keys: Mapping[str, Any],
        used: Mapping[str, int],
        form: Form | None,
        error: FairleadError | None,
        tenant: str,
    ) -> Reply:
        facts: dict[str, Any] = {
            "title": "Keys",
            "who": visitor_of(self._known.sessions, head, caller),
            "here": "keys",
            "allowed": {"keys": True, "audit": allows(caller, "admin:audit")},
            "keys": keys["keys"],
            "next": keys["next"],
            "used": used,
            "tenant": tenant,
            "form": form.texts if form is not None else {},
            "error": error,
            "operations": OPERATIONS,
        }
        return page("admin_keys.html", head.path, facts, 200 if error is None else 400)


def _wanted(form: Form) -> dict[str, Any]:
    """The fields of a new key; what was left empty is as if nobody had said it."""
    texts = form.texts
    given: dict[str, Any] = {"name": texts.get("name", "").strip()}
    given["scopes"] = texts.get("scopes", "").replace(",", " ").split()
    limits = texts.get("limits", "").replace(",", " ").split()
    given |= {"limits": limits} if limits else {}
    for name in ("tenant", "expires", "kind"):
        text = texts.get(name, "").strip()
        given |= {name: text} if text else {}
    return given


def _by_key(usage: Mapping[str, Any]) -> dict[str, int]:
    return {row["key"]: row["requests"] for row in usage["usage"]}
