"""A process that is killed at any of its calls to the system loses nothing and doubles nothing.

strace ends it at the first, the second, ... call of a kind: to write a record, to write a page of
the database, to have the disk keep either.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest
from tests.usage.test_ledger import booked

from fairlead.usage.journal import read, segments
from fairlead.usage.ledger import JOURNAL, LEDGER, open_ledger

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None
    or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0,
    reason="strace is not here, or may trace nothing",
)
_WORK = """
    import sys
    from pathlib import Path
    from fairlead.usage.journal import Columns, Journal, segments
    from fairlead.usage.ledger import open_ledger

    state = Path(sys.argv[1])
    said = open(state / "said", "ab", buffering=0)
    writer, book = Journal(state / "journal", "w", power=True), open_ledger(state)
    print("begun", flush=True)
    for number in range(1, 7):
        writer.append("m", 1, Columns([number], [0], [0], [0], [0], [0]))
        said.write(b"%d\\n" % number)
        if number % 2 == 0:
            for segment in segments(state / "journal"):
                book.roll_up(segment)
    book.close()
    print("whole", flush=True)
"""
CALLS = {"write": 1, "pwrite64": 3, "fdatasync": 1}
"""Kinds of calls, and of how many of them it is killed at one."""


def work(state, *before: str) -> str:
    """What a process printed that records six calls and rolls them up, if it was let."""
    command = [*before, sys.executable, "-c", textwrap.dedent(_WORK), str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@needs_strace
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_call_it_loses_nothing_that_it_said_and_counts_nothing_twice(tmp_path, call):
    """F6."""
    ends: list[str] = []
    while "whole" not in "".join(ends):
        number = 1 + CALLS[call] * len(ends)
        state = tmp_path / str(number)
        state.mkdir()
        open_ledger(state).close()
        inject = f"inject={call}:signal=KILL:when={number}"
        tracing = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        ends.append(work(state, *tracing))
        said = len((state / "said").read_bytes().splitlines()) if (state / "said").exists() else 0
        with closing(open_ledger(state)) as book:
            found = segments(state / JOURNAL) if (state / JOURNAL).exists() else []
            for segment in found:
                while book.roll_up(segment):
                    pass
            rows = [r for s in found for _, batch in read(s) if batch for r in batch.calls.rows]
            counted = sum(n for key, n in booked(book).items() if key[-1] == "requests")
        assert rows == list(range(1, len(rows) + 1))
        assert said <= len(rows) <= said + 1, "one may be recorded that was not said yet"
        assert counted == len(rows)
        with closing(sqlite3.connect(state / LEDGER)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert number < 1000
    assert len(ends) > 5
    assert "begun\n" in ends, "it was never killed in the middle"


def test_let_alone_it_comes_to_its_end(tmp_path):
    """The control: nothing but the killing ends it early."""
    assert work(tmp_path) == "begun\nwhole\n"
