"""Counting: what each version answered, how fast, and the text that Prometheus reads.

Plain integers in each worker; a page shared between processes carries them (status.py), so any
worker can answer for all. Labels are models, versions and outcomes: never client data.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from fairlead.core.call import Call
from fairlead.core.decision import SERVE
from fairlead.core.version import __version__
from fairlead.serving.crashes import label_of
from fairlead.usage.journal import Columns

BUCKETS = (
    1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds of the latency histogram; the last bucket is open."""

OK = "ok"


def quantile(seconds: Sequence[int], share: float) -> float | None:
    """Seconds within which this share of the answers was given, None before the first.

    seconds: answers per latency bucket. Within a bucket answers are taken to be spread evenly; of
    the open one its start is said.
    """
    wanted = share * sum(seconds)
    if not wanted:
        return None
    seen = 0.0
    for (low, high), count in zip(pairwise((0.0, *BUCKETS)), seconds, strict=False):
        if count and seen + count >= wanted:
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return BUCKETS[-1]


class Stats:
    """What one version (or one wire's refusals) has done in this worker since it started.

    outcomes: answers by "ok" or the error's name.
    seconds:  answers per latency bucket, from the last byte read to the answer's bytes.
    waits:    executed calls per bucket of the time before their execution began.
    total, waited: sums of both in seconds.
    last:     `clock.now` of the last answer, 0 before the first; of this worker alone.
    outcomes_lost: served rows that the outcome log could not take.
    """

    __slots__ = (
        "batches",
        "bytes_in",
        "bytes_out",
        "compute_ns",
        "decisions",
        "last",
        "outcomes",
        "outcomes_lost",
        "rows",
        "seconds",
        "total",
        "waited",
        "waits",
    )

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.decisions: dict[str, int] = {}
        self.seconds = [0] * (len(BUCKETS) + 1)
        self.total = 0.0
        self.waits = [0] * (len(BUCKETS) + 1)
        self.waited = 0.0
        self.rows = 0
        self.batches = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.compute_ns = 0
        self.outcomes_lost = 0
        self.last = 0.0

    def refuse(self, outcome: str) -> None:
        """Counts a call that was refused or failed before it had an answer."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def batch(self, calls: Columns) -> None:
        """Counts one execution by what the journal holds of its calls."""
        rows = sum(calls.rows)
        self.rows += rows
        self.batches += 1
        self.bytes_in += sum(calls.bytes_in)
        self.bytes_out += sum(calls.bytes_out)
        self.compute_ns += sum(calls.compute_ns)
        if any(calls.status):
            # A failed call has no decision, unless one of the guards made it fail.
            each = zip(calls.rows, calls.status, calls.decision, strict=True)
            rows = sum(n for n, status, decision in each if not status or decision)
        self.decisions[SERVE] = self.decisions.get(SERVE, 0) + rows

    def decided(self, counts: Mapping[str, int]) -> None:
        """Moves the rows of one execution that were not simply served to their decisions."""
        for name, rows in counts.items():
            if name != SERVE:
                self.decisions[SERVE] -= rows
                self.decisions[name] = self.decisions.get(name, 0) + rows

    def answered(self, calls: Sequence[Call], moment: float) -> int:
        """Counts the calls of one execution by outcome and times, answered at `moment`.

        Returns how many of them have no error.
        """
        seconds, waits, waited, good = self.seconds, self.waits, 0.0, 0
        self.last = moment
        for call in calls:
            spent = moment - call.received
            seconds[bisect_left(BUCKETS, spent)] += 1
            self.total += spent
            if (batch := call.batch) is not None:
                spent = batch[0] - call.received
                waits[bisect_left(BUCKETS, spent)] += 1
                waited += spent
            if call.error is None:
                good += 1
            else:
                self.refuse(call.error.name)
        self.waited += waited
        self.outcomes[OK] = self.outcomes.get(OK, 0) + good
        return good

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "last"}


_FAMILIES = (
    ("fairlead_rows", "rows", "Rows predicted."),
    ("fairlead_batches", "batches", "Executions, each over the joined rows of several calls."),
    ("fairlead_request_bytes", "bytes_in", "Bytes of request bodies."),
    ("fairlead_response_bytes", "bytes_out", "Bytes of answer bodies."),
    ("fairlead_outcomes_lost", "outcomes_lost", "Rows that the outcome log could not take."),
)


def exposition(
    pages: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Any],
    standing: Mapping[str, Mapping[str, Any]],
    *,
    openmetrics: bool,
    bookkeeper: Mapping[str, Any] | None = None,
) -> str:
    """All metrics of all workers as Prometheus text 0.0.4 or OpenMetrics 1.0.

    pages:  of the workers with a fresh heartbeat: what is now.
    counts: the merged counts of every worker there ever was: what has been.
    standing: how the guards of each version stand, by "model/version".
    bookkeeper: its page, None while it is not there.
    """
    merged: list[tuple[str, dict[str, Any]]] = sorted(counts["stats"].items())
    lines: list[str] = []
    _counter(lines, "fairlead_calls", "Calls answered, by outcome.", openmetrics)
    for key, stats in merged:
        for outcome, count in sorted(stats["outcomes"].items()):
            lines.append(f"fairlead_calls_total{_labels(key, outcome=outcome)} {count}")
    _counter(
        lines, "fairlead_refusals", "Requests refused before a model was reached.", openmetrics
    )
    for outcome, count in sorted(counts["refusals"].items()):
        lines.append(f'fairlead_refusals_total{{outcome="{outcome}"}} {count}')
    _counter(lines, "fairlead_decisions", "Rows by decision.", openmetrics)
    for key, stats in merged:
        for decision, count in sorted(stats["decisions"].items()):
            lines.append(f"fairlead_decisions_total{_labels(key, decision=decision)} {count}")
    for family, field, meaning in _FAMILIES:
        _counter(lines, family, meaning, openmetrics)
        lines.extend(f"{family}_total{_labels(key)} {stats[field]}" for key, stats in merged)
    _counter(lines, "fairlead_compute_seconds", "Seconds spent in models.", openmetrics)
    for key, stats in merged:
        lines.append(f"fairlead_compute_seconds_total{_labels(key)} {stats['compute_ns'] / 1e9!r}")
    for name, meaning, buckets, total in _HISTOGRAMS:
        _histogram(lines, merged, name, meaning, buckets, total)
    _standing(lines, sorted(standing.items()), openmetrics)
    _told(lines, counts, openmetrics)
    _now(lines, pages)
    _processes(lines, [*pages, *([bookkeeper] if bookkeeper else [])])
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _counter(lines: list[str], family: str, meaning: str, openmetrics: bool) -> None:
    # OpenMetrics names the family without its suffix, the older text with it.
    name = family if openmetrics else f"{family}_total"
    lines.append(f"# HELP {name} {meaning}")
    lines.append(f"# TYPE {name} counter")


_HISTOGRAMS = (
    ("fairlead_latency_seconds", "From the last byte read to the answer written.",
     "seconds", "total"),
    ("fairlead_queue_seconds", "From the last byte read to the beginning of the execution.",
     "waits", "waited"),
)  # fmt: skip


def _histogram(
    lines: list[str],
    merged: list[tuple[str, dict[str, Any]]],
    name: str,
    meaning: str,
    buckets: str,
    total: str,
) -> None:
    lines.append(f"# HELP {name} {meaning}")
    lines.append(f"# TYPE {name} histogram")
    for key, stats in merged:
        seen = 0
        for bound, count in zip((*BUCKETS, float("inf")), stats[buckets], strict=True):
            seen += count
            shown = "+Inf" if bound == float("inf") else repr(bound)
            lines.append(f"{name}_bucket{_labels(key, le=shown)} {seen}")
        lines.append(f"{name}_sum{_labels(key)} {stats[total]!r}")
        lines.append(f"{name}_count{_labels(key)} {seen}")


_STANDING: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("fairlead_drift_columns", "Columns that have moved, by the last windows of each size.",
     lambda told: len(told["drift"]["alarms"])),
    ("fairlead_strangeness_alarm", "Whether rows are stranger than good rows would be.",
     lambda told: int(told["strangeness"]["alarm"])),
    ("fairlead_suspects", "Callers suspected of copying or probing the model.",
     lambda told: len(told.get("suspects", ()))),
    ("fairlead_live_accuracy", "Share of right answers among those with a true label.",
     lambda told: told["accuracy"]["accuracy"]),
)  # fmt: skip
"""Gauges of what the guards know over all workers; a version lacks those it has not learnt."""


def _standing(
    lines: list[str], standing: Sequence[tuple[str, Mapping[str, Any]]], openmetrics: bool
) -> None:
    _counter(lines, "fairlead_watched_rows", "Rows looked at for drift.", openmetrics)
    for key, told in standing:
        if "drift" in told:
            lines.append(f"fairlead_watched_rows_total{_labels(key)} {told['drift']['rows']}")
    _counter(lines, "fairlead_drift_alarms", "Alarms raised for drift, a column each.", openmetrics)
    for key, told in standing:
        if "drift" in told:
            lines.append(f"fairlead_drift_alarms_total{_labels(key)} {told['drift']['raised']}")
    for name, meaning, value in _STANDING:
        lines.append(f"# HELP {name} {meaning}")
        lines.append(f"# TYPE {name} gauge")
        for key, told in standing:
            with suppress(KeyError):
                lines.append(f"{name}{_labels(key)} {value(told)}")


_NOW: tuple[tuple[str, str, Callable[[Sequence[Any]], Any]], ...] = (
    ("connections", "Open connections.", sum),
    ("queued", "Calls waiting for a model.", sum),
    ("keys", "Keys that every worker knows, ended ones too.", min),
    ("keys_age_seconds", "Since the database was read that a worker's keys are of.", max),
    ("limits_away", "Workers that cannot ask how much callers have left.", sum),
)
"""Gauges of what is now, and what of the workers' figures is told."""


_TOLD = (
    ("fairlead_lines_lost", "Lines that are not in the log.", "why", "lines_lost"),
    ("fairlead_spans", "Requests whose spans a collector was to get.", "outcome", "spans"),
)


def _told(lines: list[str], counts: Mapping[str, Any], openmetrics: bool) -> None:
    for family, meaning, label, field in _TOLD:
        _counter(lines, family, meaning, openmetrics)
        for word, count in sorted(counts[field].items()):
            lines.append(f'{family}_total{{{label}="{word}"}} {count}')
    died = "Workers that died while they loaded or executed a version."
    _counter(lines, "fairlead_worker_crashes", died, openmetrics)
    deaths: Counter[str] = Counter()
    for key, count in counts["crashes"].items():
        deaths[label_of(key)] += count
    for label, count in sorted(deaths.items()):
        lines.append(f"fairlead_worker_crashes_total{_labels(label)} {count}")


_OF_A_PROCESS = (
    ("fairlead_process_resident_memory_bytes", "Memory that a process holds.", "memory"),
    ("fairlead_process_start_time_seconds", "When a process began, since 1970.", "began"),
)


def _processes(lines: list[str], pages: Sequence[Mapping[str, Any]]) -> None:
    for name, meaning, field in _OF_A_PROCESS:
        lines.append(f"# HELP {name} {meaning}")
        lines.append(f"# TYPE {name} gauge")
        for page in pages:
            if "process" in page:
                lines.append(f'{name}{{process="{page["process"]}"}} {page[field]}')
    lines.append("# HELP fairlead_build_info The version of Fairlead, as a label.")
    lines.append("# TYPE fairlead_build_info gauge")
    lines.append(f'fairlead_build_info{{version="{__version__}"}} 1')


def _now(lines: list[str], pages: Sequence[Mapping[str, Any]]) -> None:
    for name, meaning, over_all in _NOW:
        lines.append(f"# HELP fairlead_{name} {meaning}")
        lines.append(f"# TYPE fairlead_{name} gauge")
        lines.append(f"fairlead_{name} {over_all([page.get(name, 0) for page in pages] or [0])}")
    lines.append("# HELP fairlead_workers Workers whose heartbeat is fresh.")
    lines.append("# TYPE fairlead_workers gauge")
    lines.append(f"fairlead_workers {len(pages)}")
    lines.append("# HELP fairlead_model_ready Workers in which a version is ready.")
    lines.append("# TYPE fairlead_model_ready gauge")
    ready: dict[str, int] = {}
    for page in pages:
        for key, state in page.get("models", {}).items():
            ready[key] = ready.get(key, 0) + (state["state"] == "ready")
    lines.extend(f"fairlead_model_ready{_labels(k)} {v}" for k, v in sorted(ready.items()))


def _labels(key: str, **more: str) -> str:
    model, _, version = key.rpartition("/")
    labels = {"model": model, "version": version, **more}
    return "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"
