"""The ledger: sums are exact, however often and wherever rolling up stops, in either database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.databases import looked_at

from fairlead.core.errors import StateInvalid, StateUnavailable
from fairlead.usage import journal, ledger
from fairlead.usage.journal import DECISION, STATUS, Columns, Journal, segments
from fairlead.usage.ledger import JOURNAL, LEDGER, digest, open_ledger, place_of
from fairlead.usage.query import totals
from fairlead.usage.records import KIND_HEADER
from fairlead.usage.segments import frame
from fairlead.usage.stores.ledger import FINISHED, OLD

WHOS = [f'["key{n}","tenant{n % 2}","gold","gold@{n}"]'.encode() for n in range(3)]
_CALL = st.tuples(
    st.integers(0, 1000), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**9),
    st.integers(0, 2), st.integers(0, 3), st.sampled_from(WHOS), st.integers(0, 9),
)  # fmt: skip
_BATCH = st.tuples(
    st.integers(0, 2), st.sampled_from(["a", "b"]), st.integers(1, 2), st.lists(_CALL, min_size=1)
)
_STEPS = st.lists(st.sampled_from(["roll", "open", "remove"]) | _BATCH, max_size=25)
BY = ("key", "model", "version", "status", "decision")
QUANTITIES = ("requests", "rows", "bytes_in", "bytes_out", "withheld")
ONE = (1, 2, 3, 4, 0, 0, WHOS[0], 0)


def columns(calls) -> Columns:
    return Columns(*(list(column) for column in zip(*calls, strict=True)))


def booked(book) -> dict:
    """What the ledger holds, without the times, which a run over midnight may change."""
    found: Counter = Counter()
    for row in totals(book.store, BY):
        for name in QUANTITIES:
            found[(*(row[part] for part in BY), name)] += row[name]
        found[(*(row[part] for part in BY), "compute_ns")] += round(row["compute_ms"] * 1e6)
    return +found


def expected(written) -> dict:
    found: Counter = Counter()
    for model, version, calls in written:
        for rows, bytes_in, bytes_out, compute, status, decision, who, withheld in calls:
            key = who[2:6].decode(), model, version, STATUS[status], DECISION[decision]
            for name, value in zip(
                (*QUANTITIES, "compute_ns"), (1, rows, bytes_in, bytes_out, withheld, compute),
                strict=True,
            ):  # fmt: skip
                found[(*key, name)] += value
    return +found


def fill(state, *batches, name="w"):
    """A closed journal with these batches; its segments."""
    writer = Journal(state / JOURNAL, name)
    for batch in batches or [("m", 1, [ONE])]:
        writer.append(*batch[:2], columns(batch[2]))
    writer.close()
    return segments(state / JOURNAL)


@settings(max_examples=40)
@given(steps=_STEPS)
def test_sums_are_exact_in_whatever_order_it_is_written_rolled_up_opened_and_removed(
    tmp_path_factory, steps
):
    """Three writers, rolled up at any moment, by a ledger that is closed and opened at any."""
    state = tmp_path_factory.mktemp("state")
    writers = [Journal(state / JOURNAL, f"w{i}") for i in range(3)]
    book, written = open_ledger(state), []
    for step in [*steps, "roll", "roll"]:
        if step == "roll":
            for segment in segments(state / JOURNAL):
                book.roll_up(segment)
        elif step == "open":
            book.close()
            book = open_ledger(state)
        elif step == "remove":
            writers[0].close()
            mine = [s for s in segments(state / JOURNAL) if s.name.startswith("w0")]
            for segment in mine:
                while book.roll_up(segment):
                    pass
                book.finish(segment)
            book.remove(mine)
        else:
            writer, model, version, calls = step
            writers[writer].append(model, version, columns(calls))
            written.append((model, version, calls))
    assert booked(book) == expected(written)
    book.close()
    for writer in writers:
        writer.close()


def test_rolling_up_again_adds_nothing(tmp_path, place):
    (segment,) = fill(tmp_path, ("m", 3, [(2, 10, 20, 3_000_000, 0, 2, WHOS[1], 2)] * 5))
    with closing(open_ledger(tmp_path, place)) as book:
        assert [book.roll_up(segment) for _ in range(3)] == [5, 0, 0]
        (row,) = totals(book.store, ("key", "tenant", "plan", "price", "model", "version"))
        assert row == {
            "key": "key1", "tenant": "tenant1", "plan": "gold", "price": "gold@1", "model": "m",
            "version": 3, "requests": 5, "rows": 10, "bytes_in": 50, "bytes_out": 100,
            "compute_ms": 15.0, "withheld": 10,
            "decisions": {"serve": 0, "warn": 0, "abstain": 5, "reject": 0},
        }  # fmt: skip


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_segment_under_its_name_changes_nothing_however_often_it_is_replayed(
    tmp_path, place, times
):
    """Also by a ledger that has been opened anew, and after its sums were folded."""
    (segment,) = fill(tmp_path, *[("m", 1, [ONE] * 3)] * 4)
    raw = segment.read_bytes()
    with closing(open_ledger(tmp_path, place)) as book:
        assert book.roll_up(segment) == 12
        before = booked(book)
    for _ in range(times):
        with closing(open_ledger(tmp_path, place)) as book:
            assert book.roll_up(segment) == 0
            book.finish(segment)
            book.store.fold([segment.name])
            assert segment.read_bytes() == raw
            assert book.roll_up(segment) == 0
            assert booked(book) == before


def test_two_folders_share_a_database_and_each_follows_its_own(tmp_path, place):
    books = []
    for name in ("one", "two"):
        (segment,) = fill(tmp_path / name, name=name)
        books.append(open_ledger(tmp_path / name, place))
        assert books[-1].roll_up(segment) == 1
    assert [set(book.store.followed()) for book in books] == [
        {"one-000001.segment"},
        {"two-000001.segment"},
    ]
    assert totals(books[0].store)[0]["requests"] == 2
    for book in books:
        book.close()


def test_a_long_segment_is_taken_in_pieces_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_MOST_BYTES", 300)
    (segment,) = fill(tmp_path, *[("m", 1, [ONE])] * 20)
    with closing(open_ledger(tmp_path)) as book:
        pieces = []
        while not pieces or pieces[-1]:
            pieces.append(book.roll_up(segment))
        assert len(pieces) > 4
        assert sum(pieces) == 20
        assert totals(book.store)[0]["requests"] == 20


def test_a_piece_that_holds_names_alone_does_not_end_the_segment(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_MOST_BYTES", 1)
    (segment,) = fill(tmp_path)
    with closing(open_ledger(tmp_path)) as book:
        assert book.roll_up(segment) == 1


_DYING = """
    import os, sys
    from pathlib import Path
    from fairlead.usage.journal import segments
    from fairlead.usage.ledger import open_ledger

    state, left = Path(sys.argv[1]), int(sys.argv[2])
    book = open_ledger(state)

    def count(statement):
        global left
        left -= 1
        if left < 0:
            os._exit(9)

    book.store.database._db.set_trace_callback(count)
    for segment in segments(state / "journal"):
        book.roll_up(segment)
        book.finish(segment)
    book.remove(segments(state / "journal"))
    print("whole")
"""


def test_dying_before_any_statement_of_rolling_up_or_removing_changes_no_sum(tmp_path):
    """A process dies before its first statement, its second, and so on; the next goes on."""
    written = [
        ("a", 1, [(1, 2, 3, 4, 0, 0, WHOS[0], 0)]),
        ("b", 2, [(5, 6, 7, 8, 1, 0, WHOS[1], 1), (1, 1, 1, 1, 2, 3, WHOS[1], 1)]),
    ]
    fill(tmp_path, *written)
    for statements in range(80):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(_DYING), str(tmp_path), str(statements)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.stdout == "whole\n":
            break
        assert done.returncode == 9, done.stderr
        with closing(open_ledger(tmp_path)) as book:
            assert booked(book) in ({}, expected(written))
    assert done.stdout == "whole\n"
    assert statements > 10
    with closing(open_ledger(tmp_path)) as book:
        book.tidy(tmp_path / JOURNAL)
        assert booked(book) == expected(written)
        assert book.store.followed() == {}
    assert segments(tmp_path / JOURNAL) == []


def test_a_removal_that_was_cut_short_is_ended_by_the_next(tmp_path, place):
    (segment,) = fill(tmp_path)
    with closing(open_ledger(tmp_path, place)) as book:
        book.roll_up(segment)
        book.finish(segment)
        book.store.fold([segment.name])
    with closing(open_ledger(tmp_path, place)) as book:
        book.tidy(tmp_path / JOURNAL)
        assert not segment.exists()
        assert book.store.followed() == {}
        assert totals(book.store)[0]["requests"] == 1


def test_a_full_disk_changes_no_sum_and_is_made_good_later(tmp_path):
    written = [(f"m{n}" + "x" * 100, 1, [ONE]) for n in range(200)]
    (segment,) = fill(tmp_path, *written)
    with closing(open_ledger(tmp_path)) as book:
        database = book.store.database
        pages = database.rows("PRAGMA page_count")[0][0]
        database.rows(f"PRAGMA max_page_count = {pages}")
        for _ in range(2):
            with pytest.raises(StateUnavailable, match="full"):
                book.roll_up(segment)
        assert booked(book) == {}
        database.rows("PRAGMA max_page_count = 100000")
        assert book.roll_up(segment) == 200
        assert booked(book) == expected(written)


def test_a_finished_segment_is_kept_with_its_hash(tmp_path, place):
    (segment,) = fill(tmp_path)
    with closing(open_ledger(tmp_path, place)) as book:
        book.roll_up(segment)
        book.finish(segment)
        (known,) = book.store.followed().values()
        assert (known.state, known.sha256) == (FINISHED, digest(segment))
        assert (known.reached, known.events) == (segment.stat().st_size, 1)


def test_a_segment_of_a_newer_format_is_refused_and_nothing_of_it_counts(tmp_path, place):
    (tmp_path / JOURNAL).mkdir()
    segment = tmp_path / JOURNAL / "x-000001.segment"
    segment.write_bytes(frame(KIND_HEADER, b'{"format": 99}'))
    with closing(open_ledger(tmp_path, place)) as book:
        with pytest.raises(StateInvalid):
            book.roll_up(segment)
        assert book.store.followed() == {}


def pages(book) -> int:
    """Of a SQLite file; PostgreSQL keeps the space for what comes next."""
    try:
        return book.store.database.rows("PRAGMA page_count")[0][0]
    except StateInvalid:
        return 0


def test_months_older_than_usage_is_kept_are_dropped_and_their_space_is_given_back(
    tmp_path, place, postgres, monkeypatch
):
    days = [datetime(2026, month, day, 23, 59, tzinfo=UTC) for month, day in ((8, 31), (9, 1))]
    for number, day in enumerate(days):
        monkeypatch.setattr(journal, "wall_ns", lambda day=day: int(day.timestamp()) * 10**9)
        for many in range(40 if number == 0 else 1):
            fill(
                tmp_path, *[(f"m{n}", many + 1, [ONE]) for n in range(50)], name=f"w{number}-{many}"
            )
    with closing(open_ledger(tmp_path, place)) as book:
        for segment in segments(tmp_path / JOURNAL):
            book.roll_up(segment)
            book.finish(segment)
        book.remove(segments(tmp_path / JOURNAL))
        before = pages(book)
        now = datetime(2026, 11, 15, tzinfo=UTC)
        assert book.forget_months(now, 76) == 0, "August is not whole months ago"
        assert book.forget_months(now, 60) == 40 * 50
        assert book.forget_months(now, 60) == 0
        assert [row["month"] for row in totals(book.store, ("month",))] == ["2026-09"]
        assert pages(book) < before * 0.8 or isinstance(place, str)
    assert looked_at(place, postgres, "SELECT count(*) FROM usage") == [(50,)]


def test_which_folder_it_is_is_drawn_once(tmp_path):
    assert place_of(tmp_path / "a") == place_of(tmp_path / "a") != place_of(tmp_path / "b")


_FORMAT_1 = """
CREATE TABLE format (version INTEGER NOT NULL);
INSERT INTO format VALUES (1);
CREATE TABLE segment (name TEXT PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE segment_model (
    segment TEXT NOT NULL, id INTEGER NOT NULL, model TEXT NOT NULL, PRIMARY KEY (segment, id));
CREATE TABLE usage (
    day TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
    status TEXT NOT NULL, decision TEXT NOT NULL,
    requests INTEGER NOT NULL, rows INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL, compute_ns INTEGER NOT NULL,
    PRIMARY KEY (day, model, version, status, decision)) WITHOUT ROWID;
INSERT INTO usage VALUES ('2026-10-31', 'iris', 1, 'ok', 'serve', 5, 6, 7, 8, 1000000);
INSERT INTO usage VALUES ('2026-11-01', 'iris', 2, 'failed', 'warn', 1, 1, 1, 1, 0);
INSERT INTO segment_model VALUES ('1-0-aa-000001.segment', 0, 'iris');
"""


def test_a_ledger_of_the_first_format_is_taken_over_whole_with_a_copy_beside_it(tmp_path):
    (segment,) = fill(tmp_path, name="1-0-aa")
    with closing(sqlite3.connect(tmp_path / LEDGER)) as old:
        old.executescript(_FORMAT_1)
        size = segment.stat().st_size
        old.execute("INSERT INTO segment VALUES (?, ?)", (segment.name, size))
        old.commit()
    (tmp_path / LEDGER).chmod(0o600)
    with closing(open_ledger(tmp_path)) as book:
        assert book.roll_up(segment) == 0, "what was rolled up is not rolled up again"
        assert book.store.followed()[segment.name].state == OLD
        rows = totals(book.store, ("day", "model", "version", "status", "decision"))
    assert [
        (*map(row.get, ("day", "version", "status", "decision", "requests")),) for row in rows
    ] == [
        ("2026-10-31", 1, "ok", "serve", 5),
        ("2026-11-01", 2, "failed", "warn", 1),
    ]
    assert (rows[0]["compute_ms"], rows[0]["rows"]) == (1.0, 6)
    assert (tmp_path / "ledger.before-format-2.sqlite").exists()
