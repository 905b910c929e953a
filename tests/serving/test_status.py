"""Status pages: no torn page is ever read, no stale one speaks, no count is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving import any_json, status
from fairlead.serving.status import FRESH_NS, PAGE, StatusPages, create, merge

_COUNTS = st.dictionaries(
    st.sampled_from(["a/1", "b/2"]),
    st.fixed_dictionaries(
        {
            "rows": st.integers(0, 100),
            "total": st.integers(0, 100),
            "seconds": st.lists(st.integers(0, 9), min_size=3, max_size=3),
            "outcomes": st.dictionaries(st.sampled_from("xyz"), st.integers(1, 9)),
        }
    ),
)
_PAGES = st.lists(
    st.fixed_dictionaries(
        {"stats": _COUNTS, "refusals": st.dictionaries(st.sampled_from("pq"), st.integers(1, 9))}
    ),
    max_size=4,
)


@pytest.fixture(params=[None, any_json], ids=["plain", "fast"])
def pages(request):
    handle = create(2)
    yield StatusPages(handle, request.param)
    os.close(handle)


def page(**more) -> dict:
    return {"models": {}, "stats": {}, "refusals": {}} | more


def test_a_page_is_read_as_it_was_written(pages):
    assert (pages.count, pages.fresh()) == (2, [])
    pages.publish(1, page(connections=3))
    assert pages.read(0) is None
    assert pages.read(1) == page(connections=3)
    pages.publish(1, page(connections=4))
    assert pages.fresh() == [page(connections=4)]


@pytest.mark.parametrize("writes", [None, any_json], ids=["plain", "fast"])
def test_a_page_holds_whatever_a_folder_may_be_called(pages, writes):
    handle = os.dup(pages._handle)
    content = page(
        models={
            "m/1": {"state": "ready", "folder": os.fsdecode(b"/mod\xe9les/\xc3\xa9"), "n": 2**70}
        }
    )
    StatusPages(handle, writes).publish(0, content)
    assert pages.read(0) == content
    os.close(handle)


def test_a_page_whose_heartbeat_is_old_does_not_speak(pages, monkeypatch):
    pages.publish(0, page())
    beat = pages.beat_ns(0)
    monkeypatch.setattr(status, "monotonic_ns", lambda: beat + FRESH_NS)
    assert pages.fresh() == [page()]
    monkeypatch.setattr(status, "monotonic_ns", lambda: beat + FRESH_NS + 1)
    assert pages.fresh() == []
    pages.publish(0, page())
    assert pages.fresh() == [page()]


def test_a_page_that_is_being_written_is_not_read(pages):
    pages.publish(0, page())
    sequence, beat, size = status._HEAD.unpack_from(pages._map, status._start(0))
    status._HEAD.pack_into(pages._map, status._start(0), sequence + 1, beat, size)
    assert pages.read(0) is None
    pages.publish(0, page(again=1))
    assert pages.read(0) == page(again=1)


_WRITER = """
    import sys
    from fairlead.serving.status import StatusPages

    pages = StatusPages(int(sys.argv[1]))
    for number in range(10**9):
        filler = chr(97 + number % 26) * (number % 5 * 20_000)
        pages.publish(0, {"number": number, "filler": filler, "again": number})
"""


def test_another_process_never_shows_a_torn_page():
    """It writes pages of very different lengths as fast as it can; each holds its number twice."""
    handle = create(1)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(handle)], pass_fds=[handle]
    )
    pages = StatusPages(handle)
    seen: set[int] = set()
    try:
        while len(seen) < 300:
            assert process.poll() is None
            read = pages.read(0)
            if read is not None:
                assert read["number"] == read["again"]
                assert len(set(read["filler"])) <= 1
                seen.add(read["number"])
    finally:
        process.kill()
        process.wait()
        os.close(handle)


def test_a_content_too_large_for_its_page_loses_what_matters_least():
    handle = create(1)
    pages = StatusPages(handle)
    models = {f"m{n}/1": {"state": "ready", "reason": ""} for n in range(10)}
    pages.publish(0, page(models=models, stats={"m/1": "x" * PAGE}))
    assert pages.read(0) == page(models=models)
    wordy = {key: {"state": "failed", "reason": "r" * PAGE} for key in models}
    pages.publish(0, page(models=wordy))
    assert pages.read(0) == page(models={k: {"state": "failed", "reason": ""} for k in models})
    pages.publish(0, page(models={"m" * PAGE: {"state": "ready", "reason": ""}}))
    assert pages.read(0) == page()
    os.close(handle)


# --- counts -------------------------------------------------------------------------------


@given(_PAGES)
def test_merging_adds_every_number_whatever_the_order(pages):
    merged = merge(pages)
    assert merge(reversed(pages)) == merged
    assert merge([merge(pages[:2]), merge(pages[2:])]) == merged
    for key in ("a/1", "b/2"):
        has = [p["stats"][key] for p in pages if key in p["stats"]]
        if not has:
            assert key not in merged["stats"]
            continue
        assert merged["stats"][key]["rows"] == sum(s["rows"] for s in has)
        assert merged["stats"][key]["seconds"] == [
            sum(column) for column in zip(*[s["seconds"] for s in has], strict=True)
        ]
        for outcome in "xyz":
            assert merged["stats"][key]["outcomes"].get(outcome, 0) == sum(
                s["outcomes"].get(outcome, 0) for s in has
            )


@given(_PAGES)
def test_merging_changes_none_of_the_pages(pages):
    before = json.dumps(pages)
    merge(pages)
    assert json.dumps(pages) == before


def test_the_counts_of_a_dead_worker_stay_and_its_page_is_free(pages):
    pages.publish(0, page(refusals={"X": 2}, stats={"m/1": {"rows": 5}}))
    pages.publish(1, page(refusals={"X": 1, "Y": 1}))
    for _ in range(3):
        pages.bury(0)
        counts = pages.counts()
    assert counts["refusals"] == {"X": 3, "Y": 1}
    assert counts["stats"] == {"m/1": {"rows": 5}}
    assert (pages.read(0), pages.beat_ns(0)) == (None, 0)
    pages.publish(0, page(refusals={"X": 4}))
    assert pages.counts()["refusals"] == {"X": 7, "Y": 1}
    pages.bury(0)
    pages.bury(1)
    assert pages.counts()["refusals"] == {"X": 7, "Y": 1}
    assert pages.fresh() == []


def test_what_workers_died_of_is_counted_by_version(pages):
    pages.bury(0, ["m/1", "n/2"])
    pages.publish(1, page(refusals={"X": 1}))
    pages.bury(1, ["m/1"])
    assert pages.crashed() == pages.counts()["crashes"] == {"m/1": 2, "n/2": 1}
    assert pages.counts()["refusals"] == {"X": 1}


def test_what_a_page_says_leaves_the_marks_alone(pages):
    pages.marks(0).take("m/1").__enter__()
    pages.publish(0, page(stats={"n" * PAGE: {}}))
    pages.publish(1, page())
    assert pages.marks(0).blamed == ["m/1"]
    assert pages.marks(1).blamed == []


def test_the_counts_of_a_silent_worker_are_not_left_out(pages, monkeypatch):
    """A total that falls when a worker is busy for a second would look like a restart."""
    pages.publish(0, page(refusals={"X": 2}))
    beat = pages.beat_ns(0)
    monkeypatch.setattr(status, "monotonic_ns", lambda: beat + 5 * FRESH_NS)
    assert pages.fresh() == []
    assert pages.counts()["refusals"] == {"X": 2}


def test_a_page_that_was_freed_never_goes_back_to_an_earlier_number(pages):
    """A reader that was paused meanwhile would take a new page for the one that it began."""
    seen = set()
    for _ in range(3):
        pages.publish(0, page())
        pages.bury(0)
        sequence = status._HEAD.unpack_from(pages._map, status._start(0))[0]
        assert sequence % 2 == 0
        assert sequence not in seen
        seen.add(sequence)


def test_counts_of_workers_for_which_room_was_made_since_are_told(pages):
    """While workers change, who has mapped the pages before tells no smaller total."""
    pages.publish(0, page(refusals={"p": 3}))
    status.grow(pages._handle, 4)
    StatusPages(pages._handle).publish(3, page(refusals={"p": 4}))
    assert pages.counts()["refusals"] == {"p": 7}
    assert len(pages.fresh()) == 1, "they speak to those that came with them"
