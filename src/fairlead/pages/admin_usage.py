"""What was used and what it really cost, for whoever runs the machine: the last 30 days."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fairlead.access.book import allows
from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.documents.charts import columns
from fairlead.pages.administered import Administered
from fairlead.pages.frame import page
from fairlead.pages.visit import visitor_of
from fairlead.usage.cost_words import briefly, joined, named, rounded

_DAYS = 30
_MOST = 100
"""Rows of a table; who wants all of them asks the command line."""
_CUTS = ("day", "model", "key,model")


class AdminUsage:
    """Usage and true cost by day, by model, and by key and model."""

    def __init__(self, known: Administered) -> None:
        self._known = known

    def look(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        """The page; the ledger is asked for one cut after the other."""
        today = datetime.fromtimestamp(wall_ns() / 1e9, UTC).date()
        since = (today - timedelta(days=_DAYS - 1)).isoformat()
        found: list[Mapping[str, Any]] = []

        def ask() -> None:
            self._known.true_costs({"by": _CUTS[len(found)], "since": since}, told)

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                later(head.route.error(outcome))
                return
            found.append(outcome)
            if len(found) < len(_CUTS):
                ask()
            else:
                later(self._page(head, caller, since, found))

        ask()

    def _page(
        self, head: Head, caller: Caller, since: str, found: Sequence[Mapping[str, Any]]
    ) -> Reply:
        days, models, keys = (cut["usage"] for cut in found)
        machine = found[0]["machine"]
        facts: dict[str, Any] = {
            "title": "Usage and cost",
            "who": visitor_of(self._known.sessions, head, caller),
            "here": "usage",
            "allowed": {"keys": True, "audit": allows(caller, "admin:audit")},
            "since": since,
            "unknown": found[0].get("unknown", ""),
            "tiles": _tiles(days, machine),
            "chart": _chart(days, since),
            "days": [_row(day, "day") for day in reversed(days)],
            "models": _dearest(models),
            "keys": _dearest(keys),
            "most": _MOST,
            "prices": _prices(machine),
        }
        return page("admin_usage.html", head.path, facts)


def _tiles(days: Sequence[Mapping[str, Any]], machine: Mapping[str, Any] | None) -> list[Any]:
    requests = sum(day["requests"] for day in days)
    rows = sum(day["rows"] for day in days)
    told = [("requests", f"{requests:,}", f"{rows:,} rows")]
    if machine is not None:
        whole, busy = float(machine["usd"]), float(machine["busy_usd"])
        asked = busy + float(machine["idle_usd"])
        million = _money(asked / requests * 1e6) if requests else "\N{EN DASH}"
        told += [
            ("the machine", _money(whole), f"{machine['hours']:,.1f} hours"),
            ("computing", f"{busy / whole if whole else 0:.1%}", "of what it cost"),
            ("a million requests", million, "idle time included"),
            ("nobody's", _money(float(machine["nobody_usd"])), "days without calls"),
        ]
    return [{"name": name, "value": value, "more": more} for name, value, more in told]


def _money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.01 or not dollars else f"${dollars:.2g}"


def _chart(days: Sequence[Mapping[str, Any]], since: str) -> str:
    """What each day's calls cost."""
    costs = {day["day"]: day["machine"] for day in days}
    first = datetime.fromisoformat(since).date()
    told: list[tuple[str, float, str]] = []
    for number in range(_DAYS):
        day = (first + timedelta(days=number)).isoformat()
        its = costs.get(day)
        amount = float(its["usd"]) if its else 0.0
        told.append((day, amount, f"{day}: {rounded(its['usd']) if its else 0} USD"))
    return columns(told, f"What calls cost by day, from {since}")


def _row(row: Mapping[str, Any], *by: str) -> dict[str, Any]:
    """A row as it is shown: amounts rounded for people."""
    its: dict[str, Any] = row["machine"] or {}
    amounts = {n: rounded(its.get(n) or "") for n in ("usd", "busy_usd", "idle_usd")}
    million = rounded(its.get("usd_per_million") or "")
    prices: list[dict[str, str]] = its.get("prices", [])
    told = " + ".join(map(briefly, prices))
    shown = {"requests": row["requests"], "million": million, "price": told, **amounts}
    return {**{name: row[name] for name in by}, **shown}


def _dearest(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    def order(row: Mapping[str, Any]) -> tuple[float, int]:
        return -float((row["machine"] or {"usd": 0})["usd"]), -row["requests"]

    by = [name for name in ("key", "model") if rows and name in rows[0]]
    return [_row(row, *by) for row in sorted(rows, key=order)[:_MOST]]


def _prices(machine: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Each price that was on record, with the time for which it was."""
    return [
        {
            "told": f"{named(price) or 'The machine'}: {briefly(price)}",
            "source": price["source"],
            "workers": str(price["workers"]),
            "began": price["from"],
            "until": price["until"],
        }
        for price in joined(machine["prices"] if machine else ())
    ]
