"""Labels that came in: all of a request or none of it, and never more than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import BodyTooLarge, FeedbackUnavailable
from fairlead.usage.feedback import FEEDBACK, FeedbackLog, Labelled, is_usage_id, read
from fairlead.usage.journal import new_writer
from fairlead.usage.segments import segments

LABEL = st.none() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)
GIVEN = st.lists(
    st.builds(Labelled, st.just("1-0-00ff00ff00ff00ff-0"), st.lists(LABEL, min_size=1)), min_size=1
)


def held(state):
    return [each for s in segments(state / FEEDBACK) for each in read(s)]


@given(given_=GIVEN)
def test_what_is_taken_is_what_is_read(tmp_path_factory, given_):
    state = tmp_path_factory.mktemp("state")
    FeedbackLog(state, "w").add("m", given_)
    assert [(m, labels) for _, m, labels in held(state)] == [("m", given_)]


def test_many_labels_are_split_into_frames_and_none_is_lost(tmp_path):
    taken = [Labelled(f"id{n}", [n, None, "x"]) for n in range(5000)]
    FeedbackLog(tmp_path, "w").add("m", taken)
    found = held(tmp_path)
    assert len(found) > 1
    assert [labelled for _, _, labels in found for labelled in labels] == taken


def test_when_too_much_waits_nothing_more_is_taken(tmp_path):
    log = FeedbackLog(tmp_path, "w", most_bytes=1000)
    labels = [Labelled("id", ["x"])]
    while sum(s.stat().st_size for s in segments(tmp_path / FEEDBACK)) <= 1000:
        log.add("m", labels)
    with pytest.raises(FeedbackUnavailable, match="more labels wait"):
        log.add("m", labels)
    size = sum(s.stat().st_size for s in segments(tmp_path / FEEDBACK))
    assert 1000 < size < 1200
    for segment in segments(tmp_path / FEEDBACK):
        segment.unlink()
    log.add("m", [Labelled("id", ["x"])])


def test_one_call_with_more_labels_than_a_segment_takes_is_refused(tmp_path):
    labels = ["x" * 1000] * 20_000
    with pytest.raises(BodyTooLarge):
        FeedbackLog(tmp_path, "w").add("m", [Labelled("id", labels)])
    assert held(tmp_path) == []


def test_a_folder_that_cannot_be_written_takes_nothing_and_says_so(tmp_path):
    (tmp_path / FEEDBACK).write_bytes(b"in the way")
    with pytest.raises(FeedbackUnavailable, match="cannot be recorded"):
        FeedbackLog(tmp_path, "w").add("m", [Labelled("id", ["x"])])


def test_the_ids_of_every_writer_have_the_form_of_a_usage_id():
    for index in (0, 7, 127):
        writer = new_writer(index)
        for number in (0, 10, 2**40):
            assert is_usage_id(f"{writer}-{number:x}")


@pytest.mark.parametrize(
    "text",
    ["", "w-0", "1-0-00ff00ff00ff00ff", "1-0-00ff00ff00ff00ff-", "1-0-00FF00ff00ff00ff-0",
     "1-0-00ff00ff00ff00ff-0\n", "1-0-00ff00ff00ff00ff-" + "f" * 16, "../-0-00ff00ff00ff00ff-0"],
)  # fmt: skip
def test_nothing_else_has_that_form(text):
    assert not is_usage_id(text)
