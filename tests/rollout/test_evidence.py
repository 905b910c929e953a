"""Evidence adds up in any order, travels unchanged, and holds what speaks of the version only."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from tests.rollout.made import batches, several

from fairlead.core.errors import (
    AnswerUnsure,
    BodyTooLarge,
    ContractBroken,
    DeadlineExceeded,
    FairleadError,
    Internal,
    KeyUnknown,
    ModelCrashed,
    ModelError,
    ModelNotFound,
    Overloaded,
    RequestTimeout,
    ResourceExhausted,
)
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import COLUMNS, Evidence, is_failure


def told(seen: Evidence) -> dict[str, Any]:
    return json.loads(json.dumps(seen.to_json()))


def joined(*seen: Evidence) -> dict[str, Any]:
    """What the evidence is together, the first as it was before."""
    total = Evidence.from_json(told(seen[0]))
    for each in seen[1:]:
        total.merge(each)
    return told(total)


@given(several(2))
def test_it_does_not_matter_who_is_added_to_whom(seen):
    one, other = seen
    assert joined(one, other) == joined(other, one)


@given(several(3))
def test_it_does_not_matter_which_are_added_first(seen):
    a, b, c = seen
    later = Evidence.from_json(joined(b, c))
    assert joined(a, b, c) == joined(a, later)


@given(several(1))
def test_evidence_is_the_same_after_a_journey_and_nothing_adds_nothing(seen):
    (one,) = seen
    assert told(Evidence.from_json(told(one))) == told(one)
    assert joined(Evidence(one.bins, grouped=one.grouped), one) == told(one)


@given(several(2))
def test_what_is_drained_is_all_and_nothing_stays(seen):
    one, more = seen
    before = told(one)
    assert told(one.drain()) == before
    assert told(one) == told(Evidence(one.bins, grouped=one.grouped))
    one.merge(more)
    assert told(one) == told(more)


@given(batches(), batches())
def test_two_batches_are_one(some, others):
    def counted(*parts: list[tuple[float, int, float, int]]) -> dict[str, Any]:
        seen = Evidence(Bins(classes=5), grouped=True)
        for part in parts:
            seen.add(*([list(each) for each in zip(*part, strict=True)] or [[]] * 4))
        return told(seen)

    assert counted(some, others) == counted(some + others)


def test_a_batch_that_is_not_of_one_length_is_refused():
    seen = Evidence(Bins(classes=2))
    with pytest.raises(ValueError, match="every call"):
        seen.add([0.1], [0], [])
    with pytest.raises(ValueError, match="every call"):
        seen.add([0.1], [0, 1], [1.0])
    with pytest.raises(ValueError, match="every call"):
        Evidence(grouped=True).add([0.1], [0])


def test_many_calls_are_counted_while_they_come():
    seen = Evidence()
    for _ in range(5000):
        seen.add([0.01], [0])
    assert seen.calls >= 4096
    seen.settle()
    assert seen.calls == 5000


def test_calls_of_a_group_stand_in_its_row():
    seen = Evidence(Bins(classes=2), grouped=True)
    seen.add([0.01, 0.01], [0, 3], [1, 0], [7, 7])
    seen.fail("MODEL_ERROR", 7)
    seen.settle()
    row = seen.groups[7]
    assert (row[COLUMNS["calls"]].tolist(), row[COLUMNS["errors"]].tolist()) == ([3], [1])
    assert row[COLUMNS["decisions"]].tolist() == [1, 0, 0, 1]
    assert row[COLUMNS["predictions"]].tolist()[:3] == [1, 1, 0]
    assert row[COLUMNS["latency"]].sum() == 2
    assert seen.groups.sum() == row.sum()


def test_kinds_of_errors_are_bounded_and_none_is_lost():
    seen = Evidence()
    for i in range(500):
        seen.fail(f"ERROR_{i}")
    assert len(seen.errors) <= 64
    assert seen.failed == seen.calls == 500


@pytest.mark.parametrize("wrong", [Evidence(Bins(classes=2)), Evidence(grouped=True)])
def test_evidence_in_other_bins_is_refused(wrong):
    with pytest.raises(ValueError, match="other bins"):
        Evidence().merge(wrong)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("calls", 3),
        ("calls", -1),
        ("calls", 2.0),
        ("latencies", [[999_999], [2]]),
        ("latencies", [[-1], [2]]),
        ("latencies", [[5], []]),
        ("latencies", [[5], ["2"]]),
        ("decisions", [[5], [2]]),
        ("errors", {"a": -1}),
        ("errors", {str(i): 1 for i in range(100)}),
        ("bins", {"classes": 0, "edges": []}),
        ("groups", [[0], [1]]),
    ],
)
def test_what_is_no_evidence_is_refused(key, value):
    good = Evidence()
    good.add([0.1, 0.1], [0, 1])
    wrong = copy.deepcopy(told(good))
    wrong[key] = value
    with pytest.raises(ValueError, match=r"."):
        Evidence.from_json(wrong)


@pytest.mark.parametrize(
    "error", [ModelError, ModelCrashed, Internal, Overloaded, DeadlineExceeded]
)
def test_a_fault_of_the_model_or_the_server_speaks_against_the_version(error: type[FairleadError]):
    assert is_failure(error("x"))


@pytest.mark.parametrize(
    "error",
    [
        ContractBroken,
        AnswerUnsure,
        BodyTooLarge,
        KeyUnknown,
        ModelNotFound,
        ResourceExhausted,
        RequestTimeout,
    ],
)
def test_a_fault_of_the_caller_and_a_decision_do_not(error: type[FairleadError]):
    assert not is_failure(error("x"))
