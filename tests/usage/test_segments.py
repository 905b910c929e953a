"""Segments: whole frames, or none; one writer, and nothing added once it has gone on."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.usage import segments as module
from fairlead.usage.segments import SegmentLog, frame, frames, remove, sealed, segments

CONTENTS = st.lists(st.tuples(st.integers(1, 9), st.binary(max_size=40)), max_size=8)


def held(folder) -> list[bytes]:
    return [content for s in segments(folder) for _, _, content in frames(s)]


@given(contents=CONTENTS, cut=st.integers(0, 400))
def test_of_a_torn_segment_whole_frames_are_read_and_nothing_else(tmp_path_factory, contents, cut):
    file = tmp_path_factory.mktemp("torn") / "w-1.segment"
    whole = b"".join(frame(kind, content) for kind, content in contents)
    file.write_bytes(whole[:cut])
    found = [(kind, content) for _, kind, content in frames(file)]
    assert found == contents[: len(found)]
    reached = [after for after, _, _ in frames(file)]
    assert all(after <= cut for after in reached)
    if cut >= len(whole):
        assert found == contents


@given(place=st.integers(0, 200), byte=st.integers(1, 255))
def test_a_damaged_byte_ends_the_segment_before_its_frame(tmp_path_factory, place, byte):
    file = tmp_path_factory.mktemp("damaged") / "w-1.segment"
    written = [bytes([n]) * 20 for n in range(5)]
    raw = bytearray(b"".join(frame(1, content) for content in written))
    place %= len(raw)
    raw[place] ^= byte
    file.write_bytes(raw)
    size = len(raw) // 5
    assert [content for _, _, content in frames(file)] == written[: place // size]


def test_every_segment_begins_with_its_opening(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 30)
    log = SegmentLog(tmp_path, "w", lambda: frame(7, b"opening"))
    for number in range(4):
        log.append(frame(1, b"%d" % number * 20))
    log.close()
    kinds = [[kind for _, kind, _ in frames(s)] for s in segments(tmp_path)]
    assert kinds == [[7, 1]] * 4


def test_a_segment_is_sealed_when_its_writer_has_gone_on(tmp_path):
    log = SegmentLog(tmp_path, "w")
    log.append(frame(1, b"x"))
    [segment] = segments(tmp_path)
    assert not sealed(segment)
    log.close()
    assert sealed(segment)


def test_a_segment_that_is_too_old_is_ended_also_when_nothing_more_comes(tmp_path, monkeypatch):
    clock = [10**18]
    monkeypatch.setattr(module, "wall_ns", lambda: clock[0])
    log = SegmentLog(tmp_path, "w", oldest_s=60)
    log.append(frame(1, b"old"))
    log.rest()
    [segment] = segments(tmp_path)
    assert not sealed(segment)
    clock[0] += 61 * 10**9
    log.rest()
    assert sealed(segment)
    log.append(frame(1, b"new"))
    assert held(tmp_path) == [b"old", b"new"]
    assert len(segments(tmp_path)) == 2


def test_what_could_not_be_written_whole_is_refused_and_the_next_begins_clean(
    tmp_path, monkeypatch
):
    log = SegmentLog(tmp_path, "w")
    log.append(frame(1, b"first"))
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    with pytest.raises(OSError, match="disk full"):
        log.append(frame(1, b"torn"))
    monkeypatch.undo()
    log.append(frame(1, b"after"))
    assert held(tmp_path) == [b"first", b"after"]


def test_removed_segments_are_gone_and_twice_is_no_error(tmp_path):
    log = SegmentLog(tmp_path, "w")
    log.append(frame(1, b"x"))
    log.close()
    gone = segments(tmp_path)
    remove(gone)
    remove(gone)
    assert segments(tmp_path) == []
