"""The ledger: sums are exact, however often and wherever rolling up stops."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.usage import journal, ledger
from fairlead.usage.journal import DECISION, STATUS, Columns, Journal, segments
from fairlead.usage.ledger import Ledger

_CALL = st.tuples(
    st.integers(0, 1000), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**9),
    st.integers(0, 2), st.integers(0, 3),
)  # fmt: skip
_BATCH = st.tuples(
    st.integers(0, 2), st.sampled_from(["a", "b"]), st.integers(1, 2), st.lists(_CALL, min_size=1)
)
_STEPS = st.lists(st.sampled_from(["roll", "open"]) | _BATCH, max_size=25)


def columns(calls) -> Columns:
    return Columns(*(list(column) for column in zip(*calls, strict=True)))


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def as_sums(totals) -> dict:
    """The ledger's rows without the day, which a run over midnight may change."""
    found: Counter = Counter()
    for row in totals:
        key = row["model"], row["version"], row["status"], row["decision"]
        for name in ("requests", "rows", "bytes_in", "bytes_out", "compute_ns"):
            found[(*key, name)] += row[name]
    return +found


def expected(written) -> dict:
    found: Counter = Counter()
    for model, version, calls in written:
        for rows, bytes_in, bytes_out, compute, status, decision in calls:
            key = model, version, STATUS[status], DECISION[decision]
            found[(*key, "requests")] += 1
            found[(*key, "rows")] += rows
            found[(*key, "bytes_in")] += bytes_in
            found[(*key, "bytes_out")] += bytes_out
            found[(*key, "compute_ns")] += compute
    return +found


@settings(max_examples=40)
@given(steps=_STEPS)
def test_sums_are_exact_in_whatever_order_it_is_written_rolled_up_and_opened(
    tmp_path_factory, steps
):
    """Three writers, rolled up at any moment, by a ledger that is closed and opened at any."""
    folder = tmp_path_factory.mktemp("state")
    writers = [Journal(folder, f"w{i}") for i in range(3)]
    book, written = Ledger(folder / "ledger"), []
    for step in [*steps, "roll", "roll"]:
        if step == "roll":
            for segment in segments(folder):
                book.roll_up(segment)
        elif step == "open":
            book.close()
            book = Ledger(folder / "ledger")
        else:
            writer, model, version, calls = step
            writers[writer].append(model, version, columns(calls))
            written.append((model, version, calls))
    assert as_sums(book.totals()) == expected(written)
    book.close()
    for writer in writers:
        writer.close()


def test_rolling_up_again_adds_nothing(tmp_path):
    writer = Journal(tmp_path, "w")
    writer.append("m", 3, columns([(2, 10, 20, 30, 0, 0)] * 5))
    book = Ledger(tmp_path / "ledger")
    (segment,) = segments(tmp_path)
    assert [book.roll_up(segment) for _ in range(3)] == [5, 0, 0]
    (row,) = book.totals()
    assert row == {
        "day": row["day"], "model": "m", "version": 3, "status": "ok", "decision": "serve",
        "requests": 5, "rows": 10, "bytes_in": 50, "bytes_out": 100, "compute_ns": 150,
    }  # fmt: skip
    assert row["day"] in (today(), datetime.fromisoformat(row["day"]).date().isoformat())
    book.close()
    writer.close()


def test_a_long_segment_is_taken_in_pieces_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_BATCHES_AT_ONCE", 3)
    writer = Journal(tmp_path, "w")
    for _ in range(20):
        writer.append("m", 1, columns([(1, 0, 0, 0, 0, 0)]))
    book = Ledger(tmp_path / "ledger")
    pieces = []
    while not pieces or pieces[-1]:
        pieces.append(book.roll_up(segments(tmp_path)[0]))
    assert len(pieces) > 4
    assert sum(pieces) == 20
    assert as_sums(book.totals())[("m", 1, "ok", "serve", "requests")] == 20
    book.close()
    writer.close()


def test_a_day_is_a_day_of_utc(tmp_path, monkeypatch):
    for moment, day in ((86_399_999_999_999, "1970-01-01"), (86_400_000_000_000, "1970-01-02")):
        monkeypatch.setattr(journal, "wall_ns", lambda moment=moment: moment)
        writer = Journal(tmp_path, day)
        writer.append("m", 1, columns([(1, 0, 0, 0, 0, 0)]))
        writer.close()
    book = Ledger(tmp_path / "ledger")
    for segment in segments(tmp_path):
        book.roll_up(segment)
    assert [row["day"] for row in book.totals()] == ["1970-01-01", "1970-01-02"]
    book.close()


_DYING = """
    import os, sys
    from pathlib import Path
    from fairlead.usage.journal import segments
    from fairlead.usage.ledger import Ledger

    folder, left = Path(sys.argv[1]), int(sys.argv[2])
    book = Ledger(folder / "ledger")

    def count(statement):
        global left
        left -= 1
        if left < 0:
            os._exit(9)

    book._db.set_trace_callback(count)
    for segment in segments(folder):
        book.roll_up(segment)
    print("whole")
"""


def test_dying_before_any_statement_changes_no_sum(tmp_path):
    """A process that rolls up dies before its first statement, its second, and so on."""
    writer = Journal(tmp_path, "w")
    written = [("a", 1, [(1, 2, 3, 4, 0, 0)]), ("b", 2, [(5, 6, 7, 8, 1, 0), (1, 1, 1, 1, 2, 3)])]
    for model, version, calls in written:
        writer.append(model, version, columns(calls))
    for statements in range(30):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(_DYING), str(tmp_path), str(statements)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        book = Ledger(tmp_path / "ledger")
        sums = as_sums(book.totals())
        book.close()
        if done.stdout == "whole\n":
            break
        assert done.returncode == 9, done.stderr
        assert sums in ({}, expected(written))
    assert done.stdout == "whole\n"
    assert statements > 5
    assert sums == expected(written)
    writer.close()


def test_a_full_disk_changes_no_sum_and_is_made_good_later(tmp_path):
    writer = Journal(tmp_path, "w")
    book = Ledger(tmp_path / "ledger")
    pages = book._db.execute("PRAGMA page_count").fetchone()[0]
    book._db.execute(f"PRAGMA max_page_count = {pages}")
    written = [(f"m{n}" + "x" * 100, 1, [(1, 1, 1, 1, 0, 0)]) for n in range(200)]
    for model, version, calls in written:
        writer.append(model, version, columns(calls))
    (segment,) = segments(tmp_path)
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            book.roll_up(segment)
    assert book.totals() == []
    book._db.execute("PRAGMA max_page_count = 100000")
    assert book.roll_up(segment) == 200
    assert as_sums(book.totals()) == expected(written)
    book.close()
    writer.close()


def test_an_offset_is_forgotten_only_for_the_segment_that_is_named(tmp_path):
    for name in ("one", "two"):
        writer = Journal(tmp_path, name)
        writer.append("m", 1, columns([(1, 0, 0, 0, 0, 0)]))
        writer.close()
    book = Ledger(tmp_path / "ledger")
    one, two = segments(tmp_path)
    assert [book.roll_up(one), book.roll_up(two)] == [1, 1]
    one.unlink()
    book.forget([one.name])
    assert book.followed() == {two.name}
    assert book.roll_up(two) == 0
    assert as_sums(book.totals())[("m", 1, "ok", "serve", "requests")] == 2
    book.close()
