"""What was done to keys, tenants and plans, by whom: the audit trail as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from fairlead.access.book import allows
from fairlead.access.times import parse_moment, told
from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.pages.administered import Administered, by
from fairlead.pages.frame import page
from fairlead.pages.visit import visitor_of
from fairlead.serving.acts import record_from_json

_MOST, _LOOKED_AT = 200, 20_000
"""Records of a page, and those that are gone through to find the newest."""
_SINCE = "7d"


class AdminTrail:
    """The records of the last days, newest first."""

    def __init__(self, known: Administered) -> None:
        self._known = known

    def look(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        """The page. `since` in the address chooses from when, `object` whose."""
        asked = {name: values[0] for name, values in parse_qs(head.query).items()}
        since = asked.get("since", _SINCE)
        given: dict[str, Any] = {"since_ns": parse_moment(since, wall_ns(), "since")}
        if asked.get("object"):
            given["object"] = asked["object"]
        who = by(caller, peer)

        records: list[dict[str, Any]] = []

        def answered(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                later(head.route.error(outcome))
                return
            records.extend(_shown(value) for value in outcome["records"])
            if outcome["next"] is not None and len(records) < _LOOKED_AT:
                self._known.acts("audit.list", {**given, "after": outcome["next"]}, who, answered)
                return
            facts: dict[str, Any] = {
                "title": "What happened",
                "who": visitor_of(self._known.sessions, head, caller),
                "here": "audit",
                "allowed": {"keys": allows(caller, "admin:keys"), "audit": True},
                "records": list(reversed(records))[:_MOST],
                "more": len(records) > _MOST,
                "since": since,
                "object": asked.get("object", ""),
            }
            later(page("admin_trail.html", head.path, facts))

        self._known.acts("audit.list", given, who, answered)


def _shown(value: list[Any]) -> dict[str, Any]:
    record = record_from_json(value)
    return {
        "number": record.number,
        "time": told(record.time_ns),
        "who": record.who,
        "place": record.place,
        "act": record.act,
        "about": record.about,
        "before": json.dumps(record.before) if record.before else "",
        "after": json.dumps(record.after) if record.after else "",
    }
