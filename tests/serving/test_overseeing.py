"""How a server does: readings of its pages, and the figures between two of them."""

from __future__ import annotations

import os

import pytest

from fairlead.serving.observe import OK
from fairlead.serving.overseeing import Overseeing, figures
from fairlead.serving.status import StatusPages, create


@pytest.fixture
def pages():
    handle = create(4)
    yield StatusPages(handle)
    os.close(handle)


def page(number: int, **more) -> dict:
    about = {"process": f"worker {number}", "pid": 100 + number, "began": 1.0, "memory": 1 << 20}
    stands = {"accepting": True, "settled": True, "connections": 0, "queued": 0}
    return {**about, **stands, "models": {}, "stats": {}, "refusals": {}, "lines_lost": {}} | more


def counted(calls: int) -> dict:
    return {
        "outcomes": {OK: calls},
        "decisions": {"serve": calls},
        "seconds": [calls, 0],
        "waits": [calls, 0],
        "rows": calls,
    }


def desk(pages: StatusPages, workers: int) -> Overseeing:
    return Overseeing(pages, {}, dict, dict, workers)


def listed(reading: dict) -> list[tuple[str, str]]:
    return [(one["process"], one["state"]) for one in figures(reading, reading)["workers"]]


def test_workers_that_have_not_begun_are_told_of_and_places_of_nobody_are_not(pages):
    overseeing = desk(pages, 2)
    starting = [("worker 0", "starting"), ("worker 1", "starting")]
    assert listed(overseeing.reading()) == starting
    pages.publish(2, page(2))
    assert listed(overseeing.reading()) == [starting[0], ("worker 2", "ready")]
    pages.publish(3, page(3))
    assert listed(overseeing.reading()) == [("worker 2", "ready"), ("worker 3", "ready")]


def test_what_was_done_between_two_readings_is_told_of_each_version(pages):
    overseeing = desk(pages, 1)
    readings = []
    for calls in (3, 10):
        pages.publish(0, page(0, stats={"total/1": counted(calls)}))
        readings.append(overseeing.reading())
    (told,) = figures(*readings)["models"]
    assert (told["requests"], told["failed_share"], told["decisions"]) == (10, 0.0, {"serve": 1.0})
    assert told["p50_s"] is not None


@pytest.mark.parametrize("later", [{}, {"total/1": counted(1)}])
def test_counts_that_are_gone_or_fewer_are_none(pages, later):
    """What ended long ago is forgotten, and may begin anew."""
    overseeing = desk(pages, 1)
    state = {"total/1": {"state": "ready", "reason": ""}}
    pages.publish(0, page(0, models=state, stats={"total/1": counted(3)}))
    before = overseeing.reading()
    pages.publish(0, page(0, models=state, stats=later))
    (told,) = figures(before, overseeing.reading())["models"]
    assert (told["requests_per_s"], told["p99_s"], told["failed_share"]) == (0.0, None, None)
