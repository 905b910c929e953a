"""One line per event, on standard error: a JSON object, or text for people."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

DEBUG, INFO, WARNING, ERROR = "debug", "info", "warning", "error"

EVENTS = {
    "ready": INFO,
    "draining": INFO,
    "ended": INFO,
    "keys_back": INFO,
    "renewed": INFO,
    "renewing": INFO,
    "certificate_taken": INFO,
    "certificate_ends": WARNING,
    "certificate_refused": ERROR,
    "issuer_unreachable": WARNING,
    "drift_found": WARNING,
    "guard_state_dropped": WARNING,
    "input_quarantined": WARNING,
    "keys_away": WARNING,
    "limits_away": WARNING,
    "limits_back": INFO,
    "misuse_suspected": WARNING,
    "moved_to_threads": WARNING,
    "outcomes_impossible": WARNING,
    "payloads_private": WARNING,
    "process_died": WARNING,
    "gave_up": WARNING,
    "killed": WARNING,
    "runner_ended": WARNING,
    "runner_not_locked_in": WARNING,
    "version_drift": WARNING,
    "book_refused": ERROR,
    "audit_broken": ERROR,
    "bookkeeping_failed": ERROR,
    "call_failed": ERROR,
    "encode_failed": ERROR,
    "execution_failed": ERROR,
    "stream_not_settled": ERROR,
    "guard_failed": ERROR,
    "load_failed": ERROR,
    "model_stuck": ERROR,
    "outcomes_lost": ERROR,
    "payloads_lost": ERROR,
    "renewal_refused": ERROR,
    "renewal_taken_back": ERROR,
    "route_failed": ERROR,
    "runner_not_started": ERROR,
    "start_failed": ERROR,
    "worker_silent": ERROR,
}
"""Every event and how severe it is; a test holds the list complete."""

_SEVERITY = {DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3}
_LONGEST = 1024


class _Style:
    """What this process writes; set once, when it starts."""

    least = _SEVERITY[INFO]
    text = False


def configure(level: str, style: str) -> None:
    """From now on events below `level` are left out; `style` is "json" or "text"."""
    _Style.least = _SEVERITY[level]
    _Style.text = style == "text"


def log(event: str, **fields: object) -> None:
    """Writes one event; every field is escaped and cut to 1 KiB, so a line is a line."""
    level = EVENTS.get(event, INFO)
    if _SEVERITY[level] < _Style.least:
        return
    told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level}
    line: dict[str, object] = {**told, "event": event}
    for key, value in fields.items():
        line[key] = value if isinstance(value, int | float) else str(value)[:_LONGEST]
    sys.stderr.write((_as_text(line) if _Style.text else json.dumps(line)) + "\n")
    sys.stderr.flush()


def _as_text(line: dict[str, object]) -> str:
    """`time LEVEL event key=value ...`; text is quoted where it is more than one plain word."""
    time, level, event, *fields = line.items()
    shown = [f"{key}={_word(value)}" for key, value in fields]
    return " ".join([str(time[1]), str(level[1]).upper(), str(event[1]), *shown])


def _word(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=') and text
    return text if plain or not isinstance(value, str) else json.dumps(text)
