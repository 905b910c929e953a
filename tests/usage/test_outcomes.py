"""The outcome log: what was predicted comes back, call by call, and says what it means."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.usage.outcomes import OUTCOMES, OutcomeLog, about_of, owner_of, read
from fairlead.usage.segments import frame, segments

ABOUT = {"model": "m", "version": 3, "kind": "classes", "classes": ["a", "b"], "days": 30}
CALLS = st.lists(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 3)), max_size=4), max_size=6)


def segment(state):
    [found] = segments(state / OUTCOMES / "m" / "3")
    return found


def keep(log, calls, first=0):
    """Keeps calls, each a list of (predicted, decision) by row; they are numbered two apart."""
    rows = [row for call in calls for row in call]
    log.append(
        [(first + 2 * number, 7 + number, len(call)) for number, call in enumerate(calls)],
        struct.pack(f"<{len(rows)}d", *(p for p, _ in rows)),
        struct.pack(f"<{len(rows)}f", *([0.5] * len(rows))),
        bytes(d for _, d in rows),
    )


@given(calls=CALLS)
def test_what_is_kept_of_a_call_is_what_is_found_by_its_number(tmp_path_factory, calls):
    state = tmp_path_factory.mktemp("state")
    log = OutcomeLog(state, "w", ABOUT)
    keep(log, calls, first=10)
    log.close()
    [kept] = [kept for _, kept in read(segment(state)) if kept is not None]
    for number, call in enumerate(calls):
        found = kept.of(10 + 2 * number)
        assert [*zip(found.predicted, found.decision, strict=True)] == call
        assert [*found.confidence] == [0.5] * len(call)
        assert found.owner == 7 + number
        assert kept.of(10 + 2 * number + 1) is None
    assert kept.of(9) is None


def test_calls_that_were_kept_before_they_had_owners_are_anybodys(tmp_path):
    file = tmp_path / "w-1.segment"
    columns = struct.pack("<QIIQI", 5, 1, 1, 9, 1) + struct.pack("<df", 1.0, 0.5) + b"\0"
    file.write_bytes(frame(2, columns))
    [(_, kept)] = read(file)
    *columns, owner = kept.of(9)
    assert (owner, [[*column] for column in columns]) == (0, [[1.0], [0.5], [0]])


def test_nobody_and_every_tenant_are_told_apart():
    owners = [owner_of(name) for name in ("", "acme", "beta")]
    assert owners[0] == 0
    assert len({*owners}) == 3


def test_a_segment_says_what_its_rows_mean(tmp_path):
    log = OutcomeLog(tmp_path, "w", ABOUT)
    keep(log, [[(1.0, 0)]])
    assert about_of(segment(tmp_path)) == ABOUT


def test_a_segment_without_its_first_frame_means_nothing(tmp_path):
    file = tmp_path / "w-1.segment"
    file.write_bytes(b"")
    assert about_of(file) is None


def test_reading_goes_on_from_where_it_ended(tmp_path):
    log = OutcomeLog(tmp_path, "w", ABOUT)
    keep(log, [[(1.0, 0)]], first=0)
    *_, (offset, _) = read(segment(tmp_path))
    keep(log, [[(0.0, 0)]], first=7)
    assert [[*kept.sequences] for _, kept in read(segment(tmp_path), offset)] == [[7]]


def test_more_rows_than_a_segment_takes_are_refused(tmp_path):
    log = OutcomeLog(tmp_path, "w", ABOUT)
    rows = 2_000_000
    with pytest.raises(ValueError, match="2000000 rows"):
        log.append([(0, 0, rows)], bytes(8 * rows), bytes(4 * rows), bytes(rows))
