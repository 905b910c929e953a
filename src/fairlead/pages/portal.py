"""The page of a key's owner: what was used, what is left, and a new key for the old one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fairlead.access.book import allows
from fairlead.access.limits import SHARED
from fairlead.core.access import Caller, is_key_id
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError, PermissionDenied
from fairlead.documents.charts import columns
from fairlead.pages.forms import form_of
from fairlead.pages.frame import PAGE_LINES, page
from fairlead.pages.sign_in import session_line
from fairlead.pages.visit import Known, Visitor, visitor
from fairlead.serving.admission import known_models
from fairlead.serving.rationing import left_to_json

Later = Callable[[Reply], None]
_DAYS = 30
_GRACE = "24h"


class Portal:
    """Usage, allowance and rotation, for whoever has signed in with a key."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def look(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
        """The page: limits from memory, then usage from the ledger, then the page."""
        who = visitor(self._known, head, caller)

        def with_limits(left: Mapping[str, Sequence[Any]]) -> None:
            limits = _allowance(left)
            if not allows(caller, "usage:read"):
                later(self._page(head, who, limits, None, "this key may not see what was used"))
                return
            self._usage(caller, lambda usage, why: later(self._page(head, who, limits, usage, why)))

        self._known.left(caller, known_models(self._known.registry, caller), with_limits)

    def _usage(
        self, caller: Caller, done: Callable[[list[dict[str, Any]] | None, str], None]
    ) -> None:
        since = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date() - timedelta(days=_DAYS - 1)
        given = {"by": "day,model", "since": since.isoformat()}
        if caller.key:
            given["tenant"] = caller.tenant

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                done(None, outcome.what)
            else:
                done(outcome["done"]["usage"], "")

        self._known.ask({"kind": "usage", "given": given}, told)

    def rotate(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
        """Makes a key that takes the place of the one that has signed in, and shows it once."""
        form_of(head, body, self._known.sessions)
        who = visitor(self._known, head, caller)
        if who.session is None or not is_key_id(caller.key):
            raise PermissionDenied("only whoever has signed in with a key can rotate it")

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                later(head.route.error(outcome))
                return
            made = outcome["done"]
            cookie = self._known.sessions.of_key(made["id"], wall_ns())
            facts = {"title": "Your new key", "who": who, "here": "portal", "made": made}
            shown = page("rotated.html", head.path, facts)
            line = ("set-cookie", session_line(cookie, secure=self._known.secure))
            later(Reply(200, shown.body, shown.media_type, (*PAGE_LINES, line)))

        by = [caller.key, peer.address]
        given = {"of": caller.key, "grace": _GRACE}
        self._known.ask({"kind": "keys.rotate", "given": given, "by": by}, told)

    def _page(
        self,
        head: Head,
        who: Visitor,
        limits: list[dict[str, Any]],
        usage: list[dict[str, Any]] | None,
        why: str,
    ) -> Reply:
        facts: dict[str, Any] = {
            "title": "Your account",
            "who": who,
            "here": "portal",
            "limits": limits,
            "usage": _summary(usage) if usage is not None else None,
            "why": why,
            "rotates": who.session is not None and is_key_id(who.caller.key),
            "grace": _GRACE,
        }
        return page("portal.html", head.path, facts)


def _allowance(left: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What is left of the caller's limits, each once; those of models name theirs."""
    found: dict[str, dict[str, Any]] = {}
    for model, limits in left.items():
        for one in limits:
            if one.account.model or one.account.whose not in SHARED:
                where = model if one.account.model else ""
                told = left_to_json(one) | {"model": where}
                told["used"] = max(0, one.limit.amount - one.left)
                found[f"{one.account.whose} {where} {one.limit.name}"] = told
    return [*found.values()]


def _summary(usage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was used, by day as a chart and by model as a table."""
    today = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date()
    days = [(today - timedelta(days=n)).isoformat() for n in reversed(range(_DAYS))]
    by_day = dict.fromkeys(days, 0)
    by_model: dict[str, dict[str, int]] = {}
    for row in usage:
        if row["day"] in by_day:
            by_day[row["day"]] += row["requests"]
        sums = by_model.setdefault(row["model"], {"requests": 0, "rows": 0, "withheld": 0})
        for name in sums:
            sums[name] += row[name]
    total = {name: sum(s[name] for s in by_model.values()) for name in ("requests", "rows")}
    told = [(day, count, f"{day}: {count:,} requests") for day, count in by_day.items()]
    return {
        "chart": columns(told, f"Requests by day, {days[0]} to {days[-1]}"),
        "first": days[0],
        "last": days[-1],
        "days": [(day, count) for day, count in by_day.items() if count],
        "models": sorted(by_model.items(), key=lambda pair: -pair[1]["requests"]),
        "total": total,
    }
