"""Sums over many thousand records are those that one would get by adding record after record."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import StateInvalid
from fairlead.usage import journal
from fairlead.usage.journal import DECISION, STATUS, Columns, Journal, read, segments
from fairlead.usage.records import KIND_BATCH, KIND_HEADER, Names
from fairlead.usage.segments import frame
from fairlead.usage.sums import QUARTER_NS, counted, summed

_U32 = st.integers(0, 2**32 - 1)
_WHO = st.sampled_from([f'["key{n}","t","gold","gold@{n}"]'.encode() for n in range(3)])
_CALL = st.tuples(
    _U32, _U32, _U32, st.integers(0, 2**50), st.integers(0, 2), st.integers(0, 3), _WHO, _U32
)
_BATCH = st.tuples(
    st.integers(0, 4 * QUARTER_NS),
    st.sampled_from(["a", "b"]),
    st.integers(0, 2**40),
    st.lists(_CALL, min_size=1, max_size=4),
)


def written(folder, batches):
    """A segment that holds these batches, each at its time."""
    writer = Journal(folder, "w")
    for wall, model, version, calls in batches:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(journal, "wall_ns", lambda wall=wall: wall)
            writer.append(model, version, Columns(*map(list, zip(*calls, strict=True))))
    writer.close()
    return segments(folder)[0]


def one_by_one(segment):
    """The sums, record after record."""
    found: dict = {}
    for _, batch in read(segment):
        for r in batch.records() if batch else ():
            who = json.dumps([r.key, r.tenant, r.plan, r.price], separators=(",", ":")).encode()
            status, decision = STATUS.index(r.status), DECISION.index(r.decision)
            key = r.wall_ns // QUARTER_NS, r.model, r.version, who, status, decision
            values = found.setdefault(key, [0] * 6)
            for place, value in enumerate(
                (1, r.rows, r.bytes_in, r.bytes_out, r.compute_ns, r.withheld)
            ):
                values[place] += value
    return found


@given(batches=st.lists(_BATCH, min_size=1, max_size=12), most=st.integers(1, 2000))
def test_sums_are_those_of_the_records_wherever_a_stretch_ends(tmp_path_factory, batches, most):
    segment = written(tmp_path_factory.mktemp("journal"), batches)
    found: dict = {}
    offset, count, names = 0, 0, Names()
    while (part := summed(segment, offset, names, most)).reached > offset:
        offset = part.reached
        count += part.count
        for key, values in part.sums.items():
            known = found.get(key, [0] * 6)
            found[key] = [a + b for a, b in zip(known, values, strict=True)]
    assert found == one_by_one(segment)
    assert count == sum(len(calls) for *_, calls in batches) == counted(segment, 0)
    assert offset == segment.stat().st_size


def test_it_ends_before_a_torn_or_damaged_frame(tmp_path):
    call = (1, 2, 3, 4, 0, 0, b'["","","",""]', 9)
    segment = written(tmp_path, [(0, "m", 1, [call])] * 3)
    raw = segment.read_bytes()
    ends = [after for after, _ in read(segment)]
    for cut in range(len(raw)):
        segment.write_bytes(raw[:cut])
        whole = max((end for end in ends if end <= cut), default=0)
        found = summed(segment, 0, Names())
        assert found.reached == whole
        assert sum(values[0] for values in found.sums.values()) == found.count
        bad = bytearray(raw)
        bad[cut] ^= 0x40
        segment.write_bytes(bad)
        assert summed(segment, 0, Names()).reached == max((e for e in ends if e <= cut), default=0)


def test_a_frame_that_is_larger_than_a_stretch_is_taken_whole(tmp_path):
    calls = [(1, 2, 3, 4, 0, 0, b'["","","",""]', 9)] * 500
    segment = written(tmp_path, [(0, "m", 1, calls)])
    names, offset = Names(), 0
    while (part := summed(segment, offset, names, 16)).reached > offset:
        offset = part.reached
    assert part.reached == segment.stat().st_size


def test_a_frame_that_claims_to_be_endless_is_not_waited_for(tmp_path):
    segment = tmp_path / "x.segment"
    segment.write_bytes(struct.pack("<HHII", 0xFA1E, KIND_BATCH, 2**32 - 1, 0) + b"x" * 99)
    assert summed(segment, 0, Names()).reached == 0


def test_records_of_the_first_format_are_summed_as_of_nobody(tmp_path):
    head = struct.pack("<QQQHH", 2 * QUARTER_NS, 7, 5, 0, 2)
    batch = head + struct.pack("<6I2Q4B", 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 2)
    segment = tmp_path / "old.segment"
    segment.write_bytes(frame(2, b"\0\0iris") + frame(1, batch))
    assert summed(segment, 0, Names()).sums == one_by_one(segment)
    assert counted(segment, 0) == 2
    assert {key[:4] for key in one_by_one(segment)} == {(2, "iris", 5, b'["","","",""]')}


def test_a_newer_format_is_refused(tmp_path):
    segment = tmp_path / "new.segment"
    segment.write_bytes(frame(KIND_HEADER, json.dumps({"format": 9}).encode()))
    with pytest.raises(StateInvalid):
        summed(segment, 0, Names())
