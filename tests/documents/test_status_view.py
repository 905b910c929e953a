"""The view of a server: it fits the terminal, and says in words what must not be overlooked."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fairlead.documents.status_view import NARROWEST, duration, view

WORKER = {
    "process": "worker 0", "state": "ready", "pid": 123, "began": 0.0, "memory": 123_456_789,
    "connections": 12, "queued": 3, "age_s": 0.12,
}  # fmt: skip
MODEL = {
    "model": "churn", "version": 3, "state": "ready", "reason": "", "ready_workers": 1,
    "requests": 1234, "requests_per_s": 1204.2, "failed_share": 0.0012, "p50_s": 0.0008,
    "p99_s": 0.0123, "queue_p99_s": 0.001, "decisions": {"serve": 0.98, "reject": 0.02},
}  # fmt: skip


def told(**more) -> dict:
    return {
        "server": {"version": "1.2.3", "address": "http://127.0.0.1:8080", "since_s": 1000.0},
        "ready": True, "why": "", "seconds": 1.0, "workers": [WORKER], "models": [MODEL],
        "bookkeeper": {"process": "bookkeeper", "pid": 7, "memory": 5e7, "database": "works",
                       "keys": 2, "keys_age_s": 0.5, "postponed": 0},
        "refused_per_s": 0.0, "limits_away": 0, "lines_lost": {},
        **more,
    }  # fmt: skip


def test_a_wide_terminal_shows_everything_in_columns():
    said = view(told(), 1000 + 8000, 140, colour=False)
    assert said.splitlines()[:2] == [
        "Fairlead 1.2.3  http://127.0.0.1:8080",
        "ready, up 2 h 13 min",
    ]
    assert re.search(r"worker 0 +ready +123 +123 MB +12 +3 +120 ms", said)
    assert re.search(
        r"churn +3 +ready +1,204 +0.1% +0.8 ms +12 ms +1 ms +1,234 +serve 98% reject 2%", said
    )


@given(st.integers(1, 200))
def test_no_line_is_longer_than_the_terminal_and_what_matters_most_stays(width):
    said = view(told(), 2000, width, colour=False)
    assert max(map(len, said.splitlines())) <= max(width, NARROWEST)
    assert "churn" in said
    assert "1,204" in said


def test_colours_change_nothing_but_colours():
    plain = view(told(), 2000, 100, colour=False)
    painted = view(told(), 2000, 100, colour=True)
    assert "\x1b[32m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


def test_what_an_operator_must_know_is_said_in_words():
    failed = MODEL | {"state": "failed", "reason": "no such file\x1b[2J"}
    said = view(
        told(ready=False, why="1 of 1 models has no version that is ready", models=[failed],
             refused_per_s=3.0, limits_away=1, lines_lost={"unwritten": 1200}),
        2000, 100, colour=False,
    )  # fmt: skip
    assert "not ready: 1 of 1 models has no version that is ready" in said
    assert "churn version 3: no such file\\u001b[2J" in said
    assert "3.0 requests/s are refused before any model" in said
    assert "1 workers cannot ask" in said
    assert "1,200 lines are not in the log" in said


def test_a_span_of_time_is_said_in_its_two_largest_units():
    assert [duration(s) for s in (0, 59, 61, 3600, 90_061)] == [
        "0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h",
    ]  # fmt: skip
