"""The journal: what was acknowledged is there, whatever happens to the writer or its disk."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import JournalUnavailable
from fairlead.usage import journal
from fairlead.usage.journal import Columns, Journal, read, sealed, segments

_U32, _U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
_CALLS = st.lists(
    st.tuples(_U32, _U32, _U32, _U64, st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=5
).map(lambda calls: Columns(*(list(column) for column in zip(*calls, strict=True))))
_BATCHES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "m" * 128]), st.integers(0, 10**18), _CALLS), max_size=8
)


def one(rows: int = 1, **more: int) -> Columns:
    """The columns of one call."""
    call = dict.fromkeys(Columns._fields, 0) | {"rows": rows} | more
    return Columns(**{name: [value] for name, value in call.items()})


def batches(folder: Path):
    return [batch for s in segments(folder) for _, batch in read(s) if batch is not None]


def rows(folder: Path) -> list[int]:
    """The rows of every recorded call, in order."""
    return [r for batch in batches(folder) for r in batch.calls.rows]


@given(written=_BATCHES)
def test_what_is_appended_is_what_is_read(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("journal")
    writer = Journal(folder, "w")
    for model, version, calls in written:
        writer.append(model, version, calls)
    found = batches(folder)
    assert [(b.model, b.version) for b in found] == [(m, v) for m, v, _ in written]
    for batch, (_, _, calls) in zip(found, written, strict=True):
        assert [list(column) for column in batch.calls] == [list(column) for column in calls]
    writer.close()


@given(written=_BATCHES)
def test_calls_are_numbered_without_a_gap(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("journal")
    writer = Journal(folder, "w")
    for model, version, calls in written:
        writer.append(model, version, calls)
    writer.close()
    records = [record for batch in batches(folder) for record in batch.records()]
    assert [record.sequence for record in records] == list(range(len(records)))
    assert all(record.status in journal.STATUS for record in records)
    assert all(record.decision in journal.DECISION for record in records)


def test_a_tail_torn_at_any_byte_costs_only_the_frame_it_tears(tmp_path):
    writer = Journal(tmp_path / "whole", "w")
    for number in range(4):
        writer.append("m" if number % 2 else "n", 1, one(rows=number))
    writer.close()
    raw = segments(tmp_path / "whole")[0].read_bytes()
    torn = tmp_path / "torn.segment"
    torn.write_bytes(raw)
    ends = {after: batch.sequence + len(batch.calls.rows) for after, batch in read(torn) if batch}
    for cut in range(len(raw) + 1):
        torn.write_bytes(raw[:cut])
        whole = max((calls for end, calls in ends.items() if end <= cut), default=0)
        found = [b.calls.rows[0] for _, b in read(torn) if b is not None]
        assert found == list(range(whole))


def test_a_damaged_byte_ends_the_segment_before_it(tmp_path):
    writer = Journal(tmp_path, "w")
    for number in range(3):
        writer.append("m", 1, one(rows=number))
    writer.close()
    segment = segments(tmp_path)[0]
    raw = segment.read_bytes()
    for place in range(len(raw)):
        bad = bytearray(raw)
        bad[place] ^= 0x40
        segment.write_bytes(bad)
        found = rows(tmp_path)
        assert found == list(range(len(found)))
        assert len(found) < 3


@given(raw=st.binary(max_size=300))
def test_any_bytes_can_be_read(tmp_path_factory, raw):
    segment = tmp_path_factory.mktemp("journal") / "x.segment"
    segment.write_bytes(raw)
    assert list(read(segment)) == []


def test_reading_goes_on_where_it_stopped(tmp_path):
    writer = Journal(tmp_path, "w")
    names: dict[int, str] = {}
    offset, found = 0, []
    for number in range(5):
        writer.append("m", 1, one(rows=number))
        for after, batch in read(segments(tmp_path)[0], offset, names):
            offset = after
            if batch is not None:
                found.append((batch.model, batch.calls.rows[0]))
    assert found == [("m", number) for number in range(5)]
    writer.close()


def test_a_full_segment_is_followed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 200)
    writer = Journal(tmp_path, "w")
    for number in range(20):
        writer.append("m", 1, one(rows=number))
    assert len(segments(tmp_path)) > 3
    assert rows(tmp_path) == list(range(20))
    assert [sealed(s) for s in segments(tmp_path)] == [True] * (len(segments(tmp_path)) - 1) + [
        False
    ]
    writer.close()
    assert all(map(sealed, segments(tmp_path)))


def test_more_calls_than_a_frame_counts_are_still_one_append(tmp_path):
    count = 70_000
    writer = Journal(tmp_path, "w")
    writer.append("m", 1, Columns(*([list(range(count))] * 4 + [[0] * count] * 2)))
    writer.append("m", 1, one())
    writer.close()
    found = batches(tmp_path)
    assert [len(b.calls.rows) for b in found] == [65_535, count - 65_535, 1]
    assert [b.sequence for b in found] == [0, 65_535, count]
    assert rows(tmp_path) == [*range(count), 1]


def test_more_models_than_a_segment_names_go_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_MOST_NAMES", 3)
    writer = Journal(tmp_path, "w")
    for number in range(8):
        writer.append(f"m{number}", 1, one(rows=number))
    writer.close()
    assert [b.model for b in batches(tmp_path)] == [f"m{n}" for n in range(8)]
    assert len(segments(tmp_path)) == 3


def test_a_segment_is_never_visible_and_unlocked_while_its_writer_lives(tmp_path, monkeypatch):
    """The lock is taken before the segment has its name."""
    seen: list[bool] = []
    flock = fcntl.flock

    def watching(handle: int, how: int) -> None:
        seen.append(segments(tmp_path) == [])
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", watching)
    writer = Journal(tmp_path, "w")
    writer.append("m", 1, one())
    assert seen == [True]
    assert [sealed(s) for s in segments(tmp_path)] == [False]
    writer.close()


def test_no_two_writers_have_a_name_in_common_even_when_the_clock_stands_still(monkeypatch):
    monkeypatch.setattr(journal, "wall_ns", lambda: 0)
    names = {journal.new_writer(0) for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.replace("-", "").isalnum() for name in names)


def test_a_name_that_is_taken_is_not_written_over(tmp_path):
    for _ in range(2):
        writer = Journal(tmp_path, "same")
        (tmp_path / ".same-000001.segment").write_bytes(b"of another")
        with pytest.raises(JournalUnavailable):
            writer.append("m", 1, one())
        writer.append("m", 1, one())
        writer.close()
        (tmp_path / "same-000002.segment").rename(tmp_path / f"{os.urandom(4).hex()}.segment")
    assert rows(tmp_path) == [1, 1]


# --- a disk that is full ------------------------------------------------------------------

_FULL_DISK = """
    import resource, signal, sys
    from pathlib import Path
    from fairlead.core.errors import JournalUnavailable
    from fairlead.usage.journal import Columns, Journal

    most = int(sys.argv[2])
    writer = Journal(Path(sys.argv[1]), "w")
    acknowledged, refused = [], 0

    def append(number):
        global refused
        try:
            writer.append("m", 1, Columns([number], [0], [0], [0], [0], [0]))
            acknowledged.append(number)
        except JournalUnavailable as error:
            refused += 1
            assert error.id == "FRL-1504"

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    for number in range(12):
        append(number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = refused
    for number in range(12, 16):
        append(number)
    assert refused == before, "it recovers without a restart"
    print(refused, *acknowledged)
"""


@pytest.mark.parametrize("most", [1, 30, 100, 101, 140, 200, 333])
def test_a_full_disk_refuses_and_what_was_acknowledged_is_there(tmp_path, most):
    """The largest file is bounded so that a write is cut short, then refused; then it is not."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FULL_DISK), str(tmp_path), str(most)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    refused, *acknowledged = map(int, done.stdout.split())
    assert refused > 0
    assert rows(tmp_path) == acknowledged
    assert acknowledged[-4:] == [12, 13, 14, 15]


def test_a_folder_that_has_gone_refuses_and_recovers_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 60)
    folder = tmp_path / "journal"
    writer = Journal(folder, "w")
    writer.append("m", 1, one(rows=1))
    folder.rename(tmp_path / "away")
    with pytest.raises(JournalUnavailable):
        writer.append("m", 1, one(rows=2))
    (tmp_path / "away").rename(folder)
    writer.append("m", 1, one(rows=3))
    writer.close()
    assert rows(folder) == [1, 3]


def test_no_descriptor_left_refuses_and_recovers_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 60)
    writer = Journal(tmp_path, "w")
    writer.append("m", 1, one(rows=1))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Zero: what is open stays open, and nothing more can be opened, whatever number is free.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(JournalUnavailable):
            writer.append("m", 1, one(rows=2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    writer.append("m", 1, one(rows=3))
    writer.close()
    assert rows(tmp_path) == [1, 3]


# --- a writer that dies -------------------------------------------------------------------

_WRITER = """
    import sys
    from pathlib import Path
    from fairlead.usage.journal import Columns, Journal

    writer = Journal(Path(sys.argv[1]), "w")
    for number in range(10**9):
        writer.append("m", 1, Columns([number], [0], [0], [0], [0], [0]))
        print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_said_and_its_segment_is_sealed(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "50\n":
            assert [sealed(s) for s in segments(tmp_path)] == [False]
            process.send_signal(signal.SIGKILL)
            break
    said = [50, *map(int, process.stdout.read().splitlines())]
    process.wait()
    process.stdout.close()
    found = rows(tmp_path)
    assert found[: said[-1] + 1] == list(range(said[-1] + 1))
    assert len(found) <= said[-1] + 2
    assert [sealed(s) for s in segments(tmp_path)] == [True]
