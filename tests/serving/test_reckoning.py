"""The desk of the ledger: no question makes the bookkeeper large, or keeps others waiting long."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from threading import Event
from typing import Any

import pytest
from tests.usage.test_query import at, call, fill

from fairlead.core.errors import BadParameter, Overloaded
from fairlead.serving import reckoning
from fairlead.serving.reckoning import Reckoning, asked
from fairlead.usage.ledger import open_ledger

DAY = 86_400
BEGIN = at("2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("by", "rows"), [("day", 90), ("month", 3), ("month,hour", 90), ("key", 1), ("", 1)]
)
def test_an_answer_is_whole_or_refused_and_never_cut_off(tmp_path, monkeypatch, by, rows):
    with fill(tmp_path, None, [(BEGIN + day * DAY, "m", 1, call()) for day in range(90)]) as book:
        monkeypatch.setattr(reckoning, "MOST_ROWS", rows)
        told = asked(book, {"by": by})["usage"]
        assert (len(told), sum(row["requests"] for row in told)) == (rows, 90)
        if rows > 1:
            monkeypatch.setattr(reckoning, "MOST_ROWS", rows - 1)
            with pytest.raises(BadParameter, match="most of one answer"):
                asked(book, {"by": by})


def test_a_question_that_nobody_waits_for_any_more_is_not_looked_up(tmp_path, monkeypatch):
    at_s = [0.0]
    monkeypatch.setattr(reckoning, "now", lambda: at_s[0])
    handed: Queue[Callable[[], None]] = Queue()
    answers: list[Any] = []
    others = Event()
    desk = Reckoning(lambda: open_ledger(tmp_path), handed.put)
    desk._thread.submit(others.wait, 10)  # they take their time
    desk.ask({}, answers.append)
    at_s[0] = reckoning.PATIENCE_S
    desk.ask({}, answers.append)
    others.set()
    for _ in range(2):
        handed.get(timeout=10)()
    desk.close()
    assert isinstance(answers[0], Overloaded)
    assert "usage" in answers[1]
