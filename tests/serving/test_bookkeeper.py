"""The bookkeeper: every record reaches the ledger once, and only what is finished is removed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from tests.databases import Postgres

from fairlead.assembly import bookkeeper as process
from fairlead.assembly import config
from fairlead.assembly.spec import ServerSpec
from fairlead.core.clock import wall_ns
from fairlead.serving import bookkeeper, status
from fairlead.serving.bookkeeper import JOURNAL, LEDGER, Bookkeeper, Following, Runs
from fairlead.serving.machine import anonymous_file
from fairlead.usage import journal
from fairlead.usage.journal import Columns, Journal, segments
from fairlead.usage.ledger import open_ledger
from fairlead.usage.query import totals
from fairlead.usage.stores.machine import HourPrice, Stretch


def write(writer: Journal, count: int = 1) -> None:
    for _ in range(count):
        writer.append("m", 1, Columns([1], [0], [0], [0], [0], [0]))


def recorded(state) -> int:
    """Requests in the ledger, read beside whoever writes it; 0 before there is one."""
    try:
        with closing(sqlite3.connect(f"file:{state / LEDGER}?mode=ro", uri=True)) as database:
            return database.execute("SELECT coalesce(sum(requests), 0) FROM usage").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def names(state) -> set[str]:
    return {s.name for s in segments(state / JOURNAL)}


def booked(state, place) -> int:
    with closing(open_ledger(state, place)) as ledger:
        return totals(ledger.store)[0]["requests"]


def test_a_postgresql_that_goes_away_and_comes_back_has_everything_once(tmp_path, capsys):
    """It is ended like a crash while the bookkeeper is connected, and again before it begins."""
    server = Postgres()
    try:
        place, writer = server.fresh(), Journal(tmp_path / JOURNAL, "w")
        book = Bookkeeper(tmp_path, place)
        write(writer, 3)
        assert book.follow() == 3
        server.stop("immediate")
        write(writer, 2)
        assert [book.follow() for _ in range(3)] == [0, 0, 0]
        assert capsys.readouterr().err.count("bookkeeping_failed") >= 1
        beginner = Bookkeeper(tmp_path, place)
        assert beginner.follow() == 0
        server.start()
        assert book.follow() + beginner.follow() == 2
        assert booked(tmp_path, place) == 5
        book.close()
        beginner.close()
        writer.close()
    finally:
        server.remove()


@pytest.fixture
def small_segments(monkeypatch):
    """Every segment is full after two records."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 300)


def test_a_segment_of_a_writer_that_lives_is_never_removed(tmp_path):
    writer = Journal(tmp_path / JOURNAL, "alive")
    write(writer)
    book = Bookkeeper(tmp_path, kept_bytes=0, kept_segments=0)
    for _ in range(3):
        book.follow()
    assert len(names(tmp_path)) == 1
    write(writer)
    assert book.follow() == 1
    writer.close()
    book.follow()
    assert names(tmp_path) == set()
    book.close()
    assert recorded(tmp_path) == 2


def test_a_segment_is_removed_only_when_all_of_it_is_in_the_ledger(tmp_path, monkeypatch):
    """Rolling up takes several rounds here; the file stays until the last of them."""
    monkeypatch.setattr("fairlead.usage.ledger._MOST_BYTES", 150)
    writer = Journal(tmp_path / JOURNAL, "gone")
    write(writer, 10)
    writer.close()
    book = Bookkeeper(tmp_path, kept_bytes=0, kept_segments=0)
    rounds = 0
    while names(tmp_path):
        book.follow()
        rounds += 1
        assert rounds < 20
    assert rounds > 3
    book.close()
    assert recorded(tmp_path) == 10


@pytest.mark.usefixtures("small_segments")
def test_segments_of_earlier_servers_are_rolled_up_and_then_removed(tmp_path):
    for server in range(5):
        writer = Journal(tmp_path / JOURNAL, f"server{server}")
        write(writer, 6)
        writer.close()
    left = names(tmp_path)
    assert len(left) == 15
    book = Bookkeeper(tmp_path, kept_segments=4)
    while book.follow():
        pass
    book.follow()
    assert len(names(tmp_path)) == 4
    book.close()
    assert recorded(tmp_path) == 30
    for _ in range(2):
        book = Bookkeeper(tmp_path, kept_segments=4)
        assert book.follow() == 0
        book.close()
    assert recorded(tmp_path) == 30


@pytest.mark.usefixtures("small_segments")
def test_the_newest_finished_segments_are_kept_up_to_their_bytes(tmp_path):
    writer = Journal(tmp_path / JOURNAL, "w")
    write(writer, 40)
    writer.close()
    for age, segment in enumerate(reversed(segments(tmp_path / JOURNAL))):
        os.utime(segment, ns=(10**18 - age, 10**18 - age))
    whole = segments(tmp_path / JOURNAL)
    book = Bookkeeper(tmp_path, kept_bytes=sum(s.stat().st_size for s in whole[-3:]))
    while book.follow():
        pass
    book.follow()
    assert names(tmp_path) == {s.name for s in whole[-3:]}
    book.close()


def followed(state) -> set[str]:
    with closing(open_ledger(state)) as ledger:
        return {*ledger.store.followed()}


def test_what_was_removed_leaves_no_trace_that_grows(tmp_path):
    for number in range(4):
        writer = Journal(tmp_path / JOURNAL, f"w{number}")
        write(writer)
        writer.close()
    book = Bookkeeper(tmp_path, kept_segments=1)
    book.follow()
    book.follow()
    book.close()
    assert followed(tmp_path) == names(tmp_path)
    with closing(open_ledger(tmp_path)) as ledger:
        assert ledger.store.links() == {}


def test_a_segment_that_somebody_else_removed_stays_in_the_ledger_as_one_that_is_gone(tmp_path):
    writer = Journal(tmp_path / JOURNAL, "w")
    write(writer, 3)
    writer.close()
    book = Bookkeeper(tmp_path)
    book.follow()
    book.close()
    (segment,) = segments(tmp_path / JOURNAL)
    segment.unlink()
    book = Bookkeeper(tmp_path)
    book.follow()
    book.close()
    assert followed(tmp_path) == {segment.name}
    assert recorded(tmp_path) == 3


def test_a_ledger_that_is_away_is_told_once_and_caught_up_with_when_it_is_back(tmp_path, capsys):
    """A folder stands where its database should be; predictions are journalled meanwhile."""
    writer = Journal(tmp_path / JOURNAL, "w")
    write(writer)
    (tmp_path / LEDGER).mkdir()
    book = Bookkeeper(tmp_path)
    assert [book.follow() for _ in range(3)] == [0, 0, 0]
    assert capsys.readouterr().err.count("bookkeeping_failed") == 1
    write(writer)
    (tmp_path / LEDGER).rmdir()
    assert book.follow() == 2
    writer.close()
    book.close()


def test_a_segment_that_cannot_be_read_holds_up_no_other(tmp_path, capsys):
    """It is told once, not twice a second for ever."""
    writer = Journal(tmp_path / JOURNAL, "z")
    write(writer, 2)
    (tmp_path / JOURNAL / "a.segment").mkdir()
    book = Bookkeeper(tmp_path)
    assert [book.follow() for _ in range(4)] == [2, 0, 0, 0]
    assert capsys.readouterr().err.count("bookkeeping_failed") == 1
    (tmp_path / JOURNAL / "a.segment").rmdir()
    writer.close()
    book.close()


def run(state, pipe: int) -> subprocess.Popen[bytes]:
    """The process, with the orders that a server gives it."""
    pages = status.create(1)
    spec = ServerSpec(config.load({}, {}, None), [], str(state), -1, pages, 1.5)
    told = anonymous_file(json.dumps(spec.to_json()).encode())
    try:
        return subprocess.Popen(
            [sys.executable, "-m", process.__name__, str(told), str(pipe)],
            pass_fds=[told, pipe, pages],
        )
    finally:
        os.close(told)
        os.close(pages)


def test_a_bookkeeper_that_is_ended_rolls_up_the_rest_first(tmp_path):
    life, alive = os.pipe()
    writer = Journal(tmp_path / JOURNAL, "w")
    write(writer)
    running = run(tmp_path, life)
    while recorded(tmp_path) == 0:
        assert running.poll() is None
    write(writer, 500)
    running.terminate()
    assert running.wait(timeout=30) == 0
    assert recorded(tmp_path) == 501
    writer.close()
    os.close(life)
    os.close(alive)


def test_a_bookkeeper_ends_when_the_supervisor_is_gone(tmp_path):
    life, alive = os.pipe()
    (tmp_path / JOURNAL).mkdir()
    running = run(tmp_path, life)
    os.close(life)
    os.close(alive)
    assert running.wait(timeout=5) == 1


def test_a_damaged_database_of_live_accuracy_costs_no_line_of_the_ledger(tmp_path, capsys):
    writer = Journal(tmp_path / JOURNAL, journal.new_writer(0))
    write(writer)
    writer.close()
    (tmp_path / "accuracy.sqlite").write_bytes(b"no database at all" * 500)
    following = Following(tmp_path)
    following.start()
    following.end()
    assert recorded(tmp_path) == 1
    assert capsys.readouterr().err.count("bookkeeping_failed") == 1


def test_why_it_ended_is_said_before_it_ends(tmp_path):
    program = """
import sys
from pathlib import Path
from fairlead.serving.bookkeeper import Following
from fairlead.serving.log import write_apart

def make(folder):
    raise RuntimeError("there is no such folder")

write_apart()
following = Following(Path(sys.argv[1]), make)
following.start()
following.join()
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["error"] == "RuntimeError('there is no such folder')"


def stretches(state) -> list[Stretch]:
    with closing(open_ledger(state)) as ledger:
        return ledger.machine.stretches()


def test_how_long_the_server_runs_and_at_which_price_is_on_record_from_its_first_round(tmp_path):
    price = HourPrice(10**11, "attic", "", "the owner", "", "high", "")
    book = Bookkeeper(tmp_path, runs=Runs(4, price))
    before = wall_ns()
    book.follow()
    [began] = stretches(tmp_path)
    assert (began.workers, began.price) == (4, price)
    assert began.began_ns >= before
    book.follow()
    book.close()  # what is not on record yet is noted at the end
    [whole] = stretches(tmp_path)
    assert whole.began_ns == began.began_ns
    assert whole.until_ns > began.until_ns


def test_a_command_that_rolls_up_what_is_left_is_no_server_that_ran(tmp_path):
    book = Bookkeeper(tmp_path)
    book.follow()
    book.close()
    assert stretches(tmp_path) == []


def test_how_long_it_ran_while_the_database_was_away_is_noted_when_it_is_back(tmp_path):
    """A folder stands where the database would be made."""
    (tmp_path / LEDGER).mkdir()
    book = Bookkeeper(tmp_path, runs=Runs(1, HourPrice(1, "", "", "x", "", "high", "")))
    before = wall_ns()
    book.follow()
    back = wall_ns()
    (tmp_path / LEDGER).rmdir()
    book.follow()
    book.close()
    [whole] = stretches(tmp_path)
    assert before <= whole.began_ns <= back < whole.until_ns


def test_memory_that_nobody_uses_is_given_back_once_a_minute(tmp_path, monkeypatch):
    given, wall = [], [wall_ns()]
    monkeypatch.setattr(bookkeeper, "trim", lambda: given.append(wall[0]))
    monkeypatch.setattr(bookkeeper, "wall_ns", lambda: wall[0])
    with closing(Bookkeeper(tmp_path)) as book:
        for _ in range(130):
            book.follow()
            wall[0] += 10**9
    assert len(given) == 3
