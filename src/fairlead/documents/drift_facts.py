"""What is known of a version's drift, as plain values: the JSON report, and what the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from math import isfinite
from typing import Any

from fairlead.documents.bars import bars
from fairlead.guards.betting import Betting
from fairlead.guards.drift import Drift
from fairlead.guards.drift_columns import Watched
from fairlead.guards.drift_evidence import evidence, usual_psi
from fairlead.guards.drift_windows import FIGURES, Alarm, Ended, Window

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of one version, and what it was learnt with.

    since, updated: ISO times. bet: None without a novelty guard. accuracy: how right the answers
    were, as far as true labels have come; {} for not known. private: columns whose values are told
    to nobody: of them the report has sizes only.
    """

    model: str
    version: int
    drift: Drift
    since: str
    updated: str
    bet: Betting | None = None
    accuracy: Mapping[str, Any] = field(default_factory=dict[str, Any])
    private: frozenset[str] = frozenset()


def drift_facts(known: Known) -> dict[str, Any]:
    """The report of one version. Columns come with the strongest evidence first.

    Texts are as the owner's rows had them: whoever shows them must escape them.
    """
    drift = known.drift
    standing = {alarm.column: alarm for alarm in _discreet(drift.standing, known.private)}
    counted = [(w, w.last, drift.by_column(w.last.counts)) for w in drift.windows if w.last]
    columns = [
        _column(place, watched, counted, standing.get(watched.name))
        for place, watched in enumerate(drift.watched)
    ]
    # Those with an alarm first, whatever a later window of another size says.
    for column in columns:
        if column["name"] in known.private:
            column |= {"private": True, "bars": []}
    columns.sort(key=lambda c: (not c["moved"], 2.0 if c["p"] is None else c["p"]))
    return {
        "format": FORMAT,
        "model": known.model,
        "version": known.version,
        "since": known.since,
        "updated": known.updated,
        "rows": drift.rows,
        "false_alarm_rate": drift.rate,
        "columns_watched": len(drift.watched),
        "columns_left_out": drift.left_out,
        "windows": [_window(window) for window in drift.windows],
        "alarms_raised": drift.raised,
        "standing": [alarm.to_json() for alarm in standing.values()],
        "alarms": [
            alarm.to_json() for alarm in _discreet(_newest_first(drift.alarms), known.private)
        ],
        "strangeness": _strangeness(known.bet),
        "accuracy": dict(known.accuracy) or None,
        "columns": columns,
    }


def alarmed(facts: Mapping[str, Any]) -> bool:
    """Whether an alarm stands: of a column, of the bet on strange rows, or of live accuracy."""
    bet: Mapping[str, Any] = facts["strangeness"] or {}
    accuracy: Mapping[str, Any] = facts["accuracy"] or {}
    return bool(facts["standing"] or bet.get("alarmed") or accuracy.get("alarm"))


def _discreet(alarms: Sequence[Alarm], private: frozenset[str]) -> list[Alarm]:
    """The alarms; those on private columns say no more than the column."""
    return [
        replace(alarm, words=f"{alarm.column}: has moved") if alarm.column in private else alarm
        for alarm in alarms
    ]


def _newest_first(alarms: Sequence[Alarm]) -> list[Alarm]:
    """The alarms by window, the newest first; in a window, the least likely first as before."""
    windows = [list(each) for _, each in groupby(alarms, lambda a: (a.row, a.window))]
    return [alarm for window in reversed(windows) for alarm in window]


def _window(window: Window) -> dict[str, Any]:
    last = window.last
    return {
        "size": window.size,
        "counted": window.seen,
        "ended": len(window.past),
        "last": None if last is None else {"when": last.when, "rows": last.rows},
    }


def _strangeness(bet: Betting | None) -> dict[str, Any] | None:
    if bet is None:
        return None
    return {
        "rows": bet.seen,
        "rate": bet.rate,
        "wealth": bet.wealth,
        "highest": bet.highest_wealth,
        "limit": 1.0 / bet.rate,
        "alarmed": bet.alarmed,
        "since_row": bet.since,
    }


def _column(
    place: int,
    watched: Watched,
    counted: Sequence[tuple[Window, Ended, Sequence[Any]]],
    alarm: Alarm | None,
) -> dict[str, Any]:
    """One column, by the window that says most of it: that of its alarm, or the least likely."""
    told: dict[str, Any] = {
        "name": watched.name,
        "kind": watched.kind,
        "numbers": watched.edges is not None,
        "learnt_from_rows": watched.rows,
        "moved": alarm is not None,
        "private": False,
        "words": alarm.words if alarm else "",
        "p": None,
    }
    found = [
        (evidence(watched, counts[place]), window, last, counts[place])
        for window, last, counts in counted
    ]
    if not found:
        return told | {"bars": [asdict(bar) for bar in bars(watched, None)]}
    strongest = min(found, key=lambda entry: entry[0].p)
    best, window, last, counts = strongest
    shares: list[float] = (counts / max(1, counts.sum())).tolist()
    return told | {
        "p": best.p,
        "test": best.test,
        "window": window.size,
        "rows": last.rows,
        "when": last.when,
        "distance": best.distance,
        "psi": best.psi,
        "psi_usual": usual_psi(watched, int(counts.sum())),
        "shift": best.shift,
        "bars": [asdict(bar) for bar in bars(watched, shares)],
        "past": _past(place, window),
    }


def _past(place: int, window: Window) -> list[dict[str, Any]]:
    """What earlier windows of one size found, oldest first."""
    found: list[dict[str, Any]] = []
    for past in window.past:
        figures = [float(value) for value in past.found[:, place]]
        told = {
            name: value if isfinite(value) else None
            for name, value in zip(FIGURES, figures, strict=True)
        }
        found.append({"when": past.when, "rows": past.rows, **told})
    return found
