"""The journal: what was acknowledged is there, whatever happens to the writer or its disk."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import JournalUnavailable, StateInvalid
from fairlead.usage import journal
from fairlead.usage.journal import Columns, Journal, read, sealed, segments
from fairlead.usage.records import KIND_HEADER, NOBODY, Names, Who, header_of
from fairlead.usage.segments import frame, frames

_U32, _U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
_WHO = st.tuples(*[st.text(max_size=8)] * 4).map(lambda who: json.dumps(who).encode())
_CALL = st.tuples(_U32, _U32, _U32, _U64, st.integers(0, 2), st.integers(0, 3), _WHO, _U32)
_CALLS = st.lists(_CALL, min_size=1, max_size=5).map(
    lambda calls: Columns(*(list(column) for column in zip(*calls, strict=True)))
)
_BATCHES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "m" * 128]), st.integers(0, 10**18), _CALLS), max_size=8
)


def one(rows: int = 1, **more: int) -> Columns:
    """The columns of one call."""
    call = dict.fromkeys(Columns._fields[:-2], 0) | {"rows": rows} | more
    return Columns(**{name: [value] for name, value in call.items()})


def by(*whos: bytes) -> Columns:
    """The columns of one call of each."""
    ones = [1] * len(whos)
    return Columns(ones, ones, ones, ones, [0] * len(whos), [0] * len(whos), whos)


def named(number: int) -> bytes:
    return json.dumps([f"key{number}", "tenant", "gold", "gold@3"]).encode()


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
    names = Names()
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
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 500)
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
    writer.append(
        "m", 1, Columns(*([list(range(count))] * 4 + [[0] * count] * 2), [named(1)] * count)
    )
    writer.append("m", 1, one())
    writer.close()
    found = batches(tmp_path)
    assert [len(b.calls.rows) for b in found] == [65_535, count - 65_535, 1]
    assert [b.sequence for b in found] == [0, 65_535, count]
    assert rows(tmp_path) == [*range(count), 1]
    assert [{*b.calls.who} for b in found] == [{named(1)}, {named(1)}, {NOBODY}]


def test_more_models_than_a_segment_names_go_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_MOST_NAMES", 3)
    writer = Journal(tmp_path, "w")
    for number in range(8):
        writer.append(f"m{number}", 1, one(rows=number))
    writer.close()
    assert [b.model for b in batches(tmp_path)] == [f"m{n}" for n in range(8)]
    assert len(segments(tmp_path)) == 3


def test_more_callers_than_a_segment_names_go_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_MOST_NAMES", 3)
    writer = Journal(tmp_path, "w")
    for number in range(4):
        writer.append("m", 1, by(named(2 * number), named(2 * number + 1)))
    with pytest.raises(JournalUnavailable):
        writer.append("m", 1, by(*map(named, range(4))))
    writer.append("m", 1, by(named(7), named(6), named(9)))
    writer.close()
    assert [who for b in batches(tmp_path) for who in b.calls.who] == [
        *map(named, [0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 9])
    ]
    assert len(segments(tmp_path)) == 4


def test_who_called_is_told_with_each_record(tmp_path):
    writer = Journal(tmp_path, "w")
    writer.append("m", 3, by(named(1), NOBODY))
    writer.append("m", 3, one())
    writer.close()
    found = [record for batch in batches(tmp_path) for record in batch.records()]
    told = [Who(r.key, r.tenant, r.plan, r.price) for r in found]
    assert told == [
        Who("key1", "tenant", "gold", "gold@3"),
        Who("", "", "", ""),
        Who("", "", "", ""),
    ]


@pytest.mark.parametrize("calls", [1, 8, 64])
def test_a_record_takes_at_most_64_bytes_of_a_full_segment(tmp_path, monkeypatch, calls):
    """With a hundred callers, and also when no two calls are ever executed together."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1 << 20)
    writer = Journal(tmp_path, journal.new_writer(0))
    whos = [json.dumps([f"k_{n:020}", f"t{n % 9}", "gold", "gold@3"]).encode() for n in range(100)]
    count = 0
    while len(segments(tmp_path)) < 2:
        writer.append("fraud", 1, by(*(whos[(count + n) % 100] for n in range(calls))))
        count += calls
    writer.close()
    assert segments(tmp_path)[0].stat().st_size / (count - calls) <= 64


def test_each_segment_names_the_hash_of_the_one_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 500)
    writer = Journal(tmp_path, "w")
    for number in range(40):
        writer.append(f"m{number}", 1, one())
    writer.close()
    previous, digest = "", ""
    for number, segment in enumerate(segments(tmp_path), 1):
        _, kind, content = next(frames(segment))
        header = header_of(content)
        assert kind == KIND_HEADER
        assert header == (2, "w", number, previous, digest)
        previous, digest = segment.name, sha256(segment.read_bytes()).hexdigest()
    assert number > 3


def test_a_segment_of_the_first_format_is_still_read(tmp_path):
    batch = struct.pack("<QQQHH", 10, 7, 5, 0, 2) + struct.pack(
        "<6I2Q4B", 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3
    )
    segment = tmp_path / "old.segment"
    segment.write_bytes(frame(2, b"\0\0iris") + frame(1, batch))
    ((_, name), (_, found)) = read(segment)
    assert name is None
    assert (found.sequence, found.wall_ns, found.model, found.version) == (7, 10, "iris", 5)
    columns = [[1, 2], [3, 4], [5, 6], [7, 8], [0, 1], [2, 3], [NOBODY] * 2, [0, 0]]
    assert [list(column) for column in found.calls] == columns


@pytest.mark.parametrize("newer", ["header", "frame"])
def test_a_segment_of_a_newer_format_is_refused(tmp_path, newer):
    about = json.dumps({"format": 3, "of": "the future"}).encode()
    segment = tmp_path / "new.segment"
    segment.write_bytes(frame(KIND_HEADER, about) if newer == "header" else frame(99, b""))
    with pytest.raises(StateInvalid):
        list(read(segment))


def test_with_power_the_disk_has_each_record_before_append_returns(tmp_path, monkeypatch):
    synced: list[int] = []
    fdatasync = os.fdatasync

    def watching(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        fdatasync(handle)

    monkeypatch.setattr(os, "fdatasync", watching)
    writer = Journal(tmp_path, "w", power=True)
    sizes = []
    for _ in range(3):
        writer.append("m", 1, one())
        sizes.append(segments(tmp_path)[0].stat().st_size)
    writer.close()
    assert synced == sizes


def test_a_disk_that_fails_to_keep_a_record_refuses_it_and_the_next_segment_is_begun(
    tmp_path, monkeypatch
):
    writer = Journal(tmp_path, "w", power=True)
    writer.append("m", 1, one())

    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        with pytest.raises(JournalUnavailable, match="Input/output error"):
            writer.append("m", 1, one(rows=2))
    writer.append("m", 1, one(rows=3))
    writer.close()
    assert len(segments(tmp_path)) == 2
    assert rows(tmp_path)[-1] == 3


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
