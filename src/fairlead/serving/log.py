"""One line per event, on standard error: a JSON object, or text for people.

A process of the server writes them apart from what it does (lines.py): no event ever holds it up.
"""

from __future__ import annotations

import atexit
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from fairlead.serving.lines import Apart, Lines

DEBUG, INFO, WARNING, ERROR = "debug", "info", "warning", "error"

EVENTS = {
    "ready": INFO,
    "draining": INFO,
    "ended": INFO,
    "keys_back": INFO,
    "put_to_sleep": INFO,
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
    "lines_lost": WARNING,
    "memory_back": INFO,
    "memory_short": WARNING,
    "misuse_suspected": WARNING,
    "moved_to_threads": WARNING,
    "outcomes_impossible": WARNING,
    "payloads_private": WARNING,
    "process_died": WARNING,
    "rollout_begun": INFO,
    "rollout_decided": WARNING,
    "rollout_failed": ERROR,
    "repository_unreadable": WARNING,
    "requests_left_out": WARNING,
    "gave_up": WARNING,
    "answers_not_taken": WARNING,
    "killed": WARNING,
    "runner_ended": WARNING,
    "runner_not_locked_in": WARNING,
    "version_drift": WARNING,
    "version_crashed": ERROR,
    "book_refused": ERROR,
    "audit_broken": ERROR,
    "bookkeeping_failed": ERROR,
    "call_failed": ERROR,
    "encode_failed": ERROR,
    "execution_failed": ERROR,
    "stream_not_settled": ERROR,
    "guard_failed": ERROR,
    "load_failed": ERROR,
    "manager_failed": ERROR,
    "model_stuck": ERROR,
    "outcomes_lost": ERROR,
    "payloads_lost": ERROR,
    "renewal_refused": ERROR,
    "renewal_taken_back": ERROR,
    "route_failed": ERROR,
    "runner_not_started": ERROR,
    "spans_lost": WARNING,
    "start_failed": ERROR,
    "telling_failed": ERROR,
    "worker_silent": ERROR,
}
"""Every event and how severe it is; a test holds the list complete."""

_SEVERITY = {DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3}
_LONGEST = 1024
_STANDARD_ERROR, _PATIENCE_S = 2, 1.0


class _Style:
    """What this process writes, and how; set once, when it starts."""

    least = _SEVERITY[INFO]
    text = False
    apart: Lines | None = None
    lost = 0


def configure(level: str, style: str) -> None:
    """From now on events below `level` are left out; `style` is "json" or "text"."""
    _Style.least = _SEVERITY[level]
    _Style.text = style == "text"


def write_apart() -> Lines:
    """From now on nothing that this process says on standard error can hold it up.

    At its end it waits a second for what is not written yet. Returns what writes.
    """
    if _Style.apart is None:
        lines = _Style.apart = Lines(_STANDARD_ERROR)
        sys.stderr = Apart(lines)
        atexit.register(flush)
    return _Style.apart


def flush(within_s: float = _PATIENCE_S) -> None:
    """Waits until what was said is written, so many seconds at most; before an abrupt end."""
    if _Style.apart is not None:
        _Style.apart.flush(within_s)


def tell_lost() -> None:
    """Now and then: says how many lines could not be written since that was said last."""
    lines = _Style.apart
    if lines is not None and lines.lost > _Style.lost:
        count, _Style.lost = lines.lost - _Style.lost, lines.lost
        log("lines_lost", lines=count)


def is_written(level: str) -> bool:
    """Whether events of a level are written."""
    return _SEVERITY[level] >= _Style.least


def log(event: str, **fields: object) -> None:
    """Writes one event; every field is escaped and cut to 1 KiB, so a line is a line."""
    level = EVENTS.get(event, INFO)
    if not is_written(level):
        return
    told = {"time": stamp(), "level": level}
    line: dict[str, object] = {**told, "event": event}
    for key, value in fields.items():
        line[key] = value if isinstance(value, int | float) else cut(str(value))
    said = (as_text(line) if _Style.text else json.dumps(line)) + "\n"
    if _Style.apart is not None:
        _Style.apart.put(said.encode())
        return
    sys.stderr.write(said)
    sys.stderr.flush()


def stamp() -> str:
    """The time, as every line says it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def cut(text: str) -> str:
    """As much of a text as takes 1 KiB once it is escaped."""
    text = text[:_LONGEST]
    while len(json.dumps(text)) > _LONGEST + 2:
        # Escaped, a character may be twelve: what is nearly all such is cut in a few steps.
        text = text[: len(text) * _LONGEST // len(json.dumps(text))]
    return text


def as_text(line: Mapping[str, object]) -> str:
    """`time LEVEL event key=value ...`; text is quoted where it is more than one plain word."""
    time, level, event, *fields = line.items()
    shown = [f"{key}={_word(value)}" for key, value in fields]
    return " ".join([str(time[1]), str(level[1]).upper(), str(event[1]), *shown])


def _word(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=') and text
    return text if plain or not isinstance(value, str) else json.dumps(text)
