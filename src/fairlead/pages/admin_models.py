"""Traffic and models, for administrators: how much, how fast, how right, in which state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.access.book import allows
from fairlead.core.access import Caller
from fairlead.core.call import Answer, Ask, Head, Reply
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, ModelNotFound
from fairlead.core.names import parse_version
from fairlead.documents import check_page
from fairlead.documents.card_html import sections
from fairlead.documents.charts import columns, mix
from fairlead.pages.administered import Administered, by
from fairlead.pages.forms import form_of
from fairlead.pages.frame import moved, page
from fairlead.pages.visit import visitor_of
from fairlead.serving.observe import BUCKETS
from fairlead.serving.trends import Done, all_of

_HOUR_S, _LATELY_S = 3600.0, 300.0
_MINUTES = 60
DECISIONS = (("serve", "now"), ("warn", "warned"), ("abstain", "abstained"), ("reject", "refused"))
"""The decisions about rows, and how each is coloured."""


class AdminModels:
    """The overview, and the page of each model."""

    def __init__(self, known: Administered) -> None:
        self._known = known

    def overview(self, head: Head, body: bytes, caller: Caller) -> Reply:
        """Everything that is served, in the last hour and now."""
        known, moment = self._known, now()
        counts, workers = known.counts(), known.pages()
        hour = all_of(known.trends.since(moment - _HOUR_S, counts))
        lately = all_of(known.trends.since(moment - _LATELY_S, counts))
        facts: dict[str, Any] = {
            "title": "Administration",
            "who": visitor_of(known.sessions, head, caller),
            "here": "overview",
            "allowed": _allowed(caller),
            "tiles": _tiles(hour, lately, workers),
            "chart": _per_minute(known.trends.minutes(counts, moment)[-_MINUTES:]),
            "models": self._models(counts, workers, moment),
            "refusals": sorted(counts["refusals"].items(), key=lambda pair: -pair[1])[:12],
            "key": [(name, kind) for name, kind in DECISIONS],
        }
        return page("admin.html", head.path, facts)

    def _models(
        self, counts: Mapping[str, Any], workers: Sequence[Mapping[str, Any]], moment: float
    ) -> list[dict[str, Any]]:
        """A line for each version that is known, the busiest first."""
        known = self._known
        hour = known.trends.since(moment - _HOUR_S, counts)
        states = _states(workers)
        standing = known.standing()
        found: list[dict[str, Any]] = []
        for key in sorted({*states, *counts["stats"]}):
            model, _, version = key.rpartition("/")
            state = states.get(key, {"state": "gone", "ready": 0, "reason": ""})
            found.append(
                {
                    "model": model,
                    "version": version,
                    **state,
                    "workers": len(workers),
                    **_figures(hour.get(key, Done())),
                    "mix": _mix(counts["stats"].get(key, {}).get("decisions", {})),
                    **_guarded(standing.get(key, {})),
                }
            )
        return sorted(found, key=lambda one: (-one["calls"], one["model"], -int(one["version"])))

    def of(self, name: str) -> Answer:
        """The page of one model."""

        def look(head: Head, body: bytes, caller: Caller) -> Reply:
            return self._page(head, caller, name, None)

        return look

    def _page(self, head: Head, caller: Caller, name: str, error: FairleadError | None) -> Reply:
        known, moment = self._known, now()
        counts, workers = known.counts(), known.pages()
        versions = [v for v in self._models(counts, workers, moment) if v["model"] == name]
        if not versions:
            raise ModelNotFound(f"no model {name[:80]!r} is served here")
        mine = {k: v for k, v in counts["stats"].items() if k.rpartition("/")[0] == name}
        whole = all_of(known.trends.since(0.0, {"stats": mine}))
        latency, ends = _latency(whole)
        facts: dict[str, Any] = {
            "title": name,
            "who": visitor_of(known.sessions, head, caller),
            "here": "model",
            "allowed": _allowed(caller),
            "model": name,
            "versions": versions,
            "labels": known.labels(name),
            "latency": latency,
            "ends": ends,
            "outcomes": _outcomes(mine),
            "drift": _drift(known.standing(), name),
            "check": self._checked(name, versions),
            "changes": allows(caller, "admin:models"),
            "error": error,
            "key": [(decision, kind) for decision, kind in DECISIONS],
        }
        return page("admin_model.html", head.path, facts, 200 if error is None else 409)

    def _checked(
        self, name: str, versions: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """The deployment check of the newest version that was ever checked, as it is shown."""
        numbers = sorted((int(v["version"]) for v in versions), reverse=True)
        found = (self._known.checked(name, number) for number in numbers)
        report = next((report for report in found if report is not None), None)
        if report is None:
            return None
        shown = {"about": check_page.about(report), "sections": check_page.sections(report)}
        return {"version": report["version"], **shown}

    def card(self, name: str) -> Ask:
        """The card of a model's newest version, as it was packed."""

        def ask(head: Head, body: bytes, caller: Caller, peer: Any, later: Any) -> None:
            def told(outcome: Mapping[str, Any] | FairleadError) -> None:
                if isinstance(outcome, FairleadError):
                    later(head.route.error(outcome))
                    return
                facts: dict[str, Any] = {
                    "title": f"Model card of {name}",
                    "who": visitor_of(self._known.sessions, head, caller),
                    "here": "card",
                    "allowed": _allowed(caller),
                    "model": name,
                    "number": outcome["version"],
                    "card": sections(outcome),
                }
                later(page("admin_card.html", head.path, facts))

            self._known.card(name, told)

        return ask

    def change(self, name: str, act: str) -> Ask:
        """Loads or ends a model, or has another version answer, on every worker."""

        def ask(head: Head, body: bytes, caller: Caller, peer: Any, later: Any) -> None:
            form = form_of(head, body, self._known.sessions)
            version = form.texts.get("version", "")
            given: dict[str, Any] = {"model": name}
            if version:
                given["version"] = parse_version(version)

            def told(error: FairleadError | None) -> None:
                if error is None:
                    later(moved(f"../{name}"))
                else:
                    later(head.route.error(error))

            self._known.control(act, given, by(caller, peer), told)

        return ask


def _allowed(caller: Caller) -> dict[str, bool]:
    """Which pages are shown to a caller."""
    return {"keys": allows(caller, "admin:keys"), "audit": allows(caller, "admin:audit")}


def _states(workers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By version, in how many workers it is ready, and the state that is worst to read."""
    found: dict[str, dict[str, Any]] = {}
    for worker in workers:
        for key, told in worker.get("models", {}).items():
            one = found.setdefault(key, {"state": told["state"], "ready": 0, "reason": ""})
            one["ready"] += told["state"] == "ready"
            if told["state"] != "ready":
                one["state"] = told["state"]
            one["reason"] = one["reason"] or told.get("reason", "")
    return found


def _tiles(hour: Done, lately: Done, workers: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    share = hour.failed / hour.calls if hour.calls else 0.0
    memory = sum(worker.get("memory", 0) for worker in workers)
    told = [
        ("requests in an hour", f"{hour.calls:,}", f"{hour.rows:,} rows"),
        ("without an answer", f"{share:.2%}", f"{hour.failed:,} requests"),
        ("half within", milliseconds(lately.within(0.5)), "the last minutes"),
        ("95 of 100 within", milliseconds(lately.within(0.95)), "the last minutes"),
        ("99 of 100 within", milliseconds(lately.within(0.99)), "the last minutes"),
        ("waiting now", f"{sum(w.get('queued', 0) for w in workers):,}", _connections(workers)),
        ("workers", f"{len(workers)}", f"{memory / (1 << 20):,.0f} MiB in memory"),
    ]
    return [{"name": name, "value": value, "more": more} for name, value, more in told]


def _connections(workers: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(w.get('connections', 0) for w in workers):,} connections"


def milliseconds(seconds: float | None) -> str:
    """A latency as people read it."""
    if seconds is None:
        return "\N{EN DASH}"
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.01 else f"{seconds * 1e3:,.0f} ms"


def _per_minute(minutes: Sequence[tuple[float, Done]]) -> str:
    told: list[tuple[str, float, str]] = []
    for age, between in minutes:
        ago = f"{age / 60:.0f} minutes ago" if age >= 30 else "now"
        told.append(("", between.calls, f"{ago}: {between.calls:,} requests"))
    blank = [("", 0.0, "before the server was looked at")] * (_MINUTES - len(told))
    return columns([*blank, *told], "Requests by minute in the last hour")


def _figures(one: Done) -> dict[str, Any]:
    return {
        "calls": one.calls,
        "failed": one.failed,
        "rows": one.rows,
        "p50": milliseconds(one.within(0.5)),
        "p99": milliseconds(one.within(0.99)),
    }


def _mix(decisions: Mapping[str, int]) -> str:
    """What became of the rows since the server started, as a bar."""
    shares = [(kind, name, float(decisions.get(name, 0))) for name, kind in DECISIONS]
    return mix(shares, "Decisions about rows")


def _guarded(told: Mapping[str, Any]) -> dict[str, Any]:
    drift = told.get("drift")
    return {
        "moved": len(drift["alarms"]) if drift else None,
        "suspects": len(told.get("suspects", ())),
    }


def _latency(whole: Done) -> tuple[str, tuple[str, str]]:
    """How the answers are spread over latencies, and the names of the first and the last."""
    counts = whole.seconds
    used = [place for place, count in enumerate(counts) if count]
    if not used:
        return "", ("", "")
    bounds = [*(f"up to {milliseconds(b)}" for b in BUCKETS), f"above {milliseconds(BUCKETS[-1])}"]
    shown = range(used[0], used[-1] + 1)
    told = [(bounds[p], counts[p], f"{bounds[p]}: {counts[p]:,}") for p in shown]
    return columns(told, "Answers by latency"), (told[0][0], told[-1][0])


def _outcomes(stats: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for one in stats.values():
        for outcome, count in one["outcomes"].items():
            found[outcome] = found.get(outcome, 0) + count
    return sorted(found.items(), key=lambda pair: -pair[1])


def _drift(standing: Mapping[str, Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The columns of a model that have moved, in words."""
    found: list[dict[str, Any]] = []
    for key, told in sorted(standing.items()):
        if key.rpartition("/")[0] == name and told.get("drift"):
            found.append({"version": key.rpartition("/")[2], **told["drift"]})
    return found
