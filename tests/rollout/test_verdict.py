"""The verdict: given once, by rule, the same whoever looks and however often."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rollout.test_questions import CLASSES, seen

from fairlead.core.package import RolloutChoice
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.pairs import Pairs
from fairlead.rollout.verdict import (
    FALSE_ALARMS,
    GOING_ON,
    LAST_PART,
    PARTS,
    PROMOTE,
    ROLL_BACK,
    Judge,
    Verdict,
)

RULE = RolloutChoice("canary", 0.5, minutes=0)
GOOD = {"failed": 1}
WORSE = {
    "errors": {"failed": 30},
    "latency": {"slower": 2.0},
    "decisions": {"decisions": (0.7, 0, 0.3, 0)},
    "predictions": {"answers": (0.2, 0.3, 0.5)},
}


def told(judge: Judge) -> object:
    return json.loads(json.dumps(judge.to_json()))


def looked(
    judge: Judge, looks: int, elapsed_s: float = 1e6, calls: int = 200, **differs
) -> Verdict:
    """The verdict after so many seconds with as many calls of a good stable version."""
    for _ in range(looks):
        judge.look(seen(calls, **GOOD), seen(calls, **(GOOD | differs)), elapsed_s)
    return judge.verdict


@pytest.mark.parametrize("question", WORSE)
def test_a_candidate_that_is_worse_is_rolled_back_with_the_reason_in_words(question):
    verdict = looked(Judge(RULE, CLASSES), 12, **WORSE[question])
    assert verdict.outcome == ROLL_BACK
    assert verdict.reasons[0].startswith(f"{question}: ")
    assert "would come in at most one of" in verdict.reasons[0]
    assert verdict.figures[question]["evidence"] > 1 / (FALSE_ALARMS * PARTS[question])


def test_a_candidate_that_always_fails_is_rolled_back_within_the_first_calls():
    judge = Judge(replace(RULE, minutes=10), CLASSES)
    verdict = judge.look(seen(45), seen(0, failed=5), 1.0)
    assert verdict.outcome == ROLL_BACK


def test_a_candidate_that_is_no_different_is_promoted_with_its_figures():
    verdict = looked(Judge(RULE, CLASSES), 24)
    assert verdict.outcome == PROMOTE
    assert verdict.reasons[0] == "nothing is beyond its margin"
    assert verdict.figures["calls"]["candidate"] < RULE.requests
    assert len(verdict.reasons) == 5


def test_nobody_is_promoted_before_the_least_time():
    judge = Judge(replace(RULE, minutes=10), CLASSES)
    verdict = looked(judge, 40, elapsed_s=599)
    assert verdict.outcome == GOING_ON
    assert verdict.reasons[1] == "it is promoted after 10 minutes at the earliest"
    assert judge.look(Evidence(CLASSES), Evidence(CLASSES), 600).outcome == PROMOTE


def test_of_a_candidate_that_is_never_called_nothing_is_said():
    judge = Judge(RULE, CLASSES)
    for _ in range(50):
        judge.look(seen(200), Evidence(CLASSES), 1e6)
    assert judge.verdict.outcome == GOING_ON
    assert judge.verdict.reasons[0] == "0 of at most 5000 calls of the candidate were seen"


@pytest.mark.parametrize(("otherwise", "outcome"), [("promote", PROMOTE), ("rollback", ROLL_BACK)])
def test_it_is_decided_at_the_latest_after_the_calls_of_the_rule(otherwise, outcome):
    judge = Judge(replace(RULE, requests=150, otherwise=otherwise), CLASSES)
    assert looked(judge, 1, calls=140).outcome == GOING_ON
    verdict = looked(judge, 1, calls=20)
    assert verdict.outcome == outcome
    assert verdict.reasons[0] == "after 162 calls of it nothing was shown against it"


def test_the_last_look_sees_failures_that_bets_could_not_yet():
    judge = Judge(replace(RULE, requests=2100), CLASSES)
    for _ in range(10):
        verdict = judge.look(seen(200, failed=10), seen(196, failed=14), 1e6)
    assert verdict.outcome == ROLL_BACK
    assert verdict.figures["errors"]["evidence"] < 1 / (FALSE_ALARMS * PARTS["errors"])
    assert verdict.reasons[0].startswith("errors: ")


def test_a_trifle_is_no_reason_at_the_last_look_however_sure_it_is():
    judge = Judge(replace(RULE, requests=200_000, error_points=10), CLASSES)
    verdict = judge.look(seen(200_000, failed=1000), seen(200_000, failed=4000), 1e6)
    assert verdict.outcome == PROMOTE


def test_the_parts_of_the_chance_of_a_false_alarm_are_not_more_than_the_whole():
    assert sum(PARTS.values()) + LAST_PART == pytest.approx(1.0)


@given(st.sampled_from(["errors", "latency", None]), st.integers(0, 5))
def test_a_verdict_never_changes_once_it_is_given(question, more):
    judge = Judge(RULE, CLASSES)
    first = looked(judge, 24, **(WORSE[question] if question else {}))
    assert first.outcome != GOING_ON
    opposite = {} if question else {"failed": 150}
    assert looked(judge, more, **opposite) is first


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_calls_wait_for_a_whole_window_and_none_is_lost(sizes):
    judge = Judge(replace(RULE, requests=10_000), CLASSES)
    for size in sizes:
        judge.look(seen(size), seen(size), 0.0)
    waiting = judge.to_json()["waiting"]
    assert waiting[0]["calls"] + waiting[1]["calls"] < 50
    assert judge.stable.calls + waiting[0]["calls"] == sum(sizes)


@given(st.integers(0, 3), st.sampled_from([None, *WORSE]))
def test_a_judge_that_was_kept_goes_on_as_if_it_had_not_been(looks, question):
    differs = WORSE[question] if question else {}
    judge = Judge(RULE, CLASSES)
    looked(judge, looks, **differs)
    judge.look(seen(7), seen(9), 1.0)
    kept = Judge.from_json(RULE, told(judge))
    assert told(kept) == told(judge)
    assert looked(kept, 2, **differs).to_json() == looked(judge, 2, **differs).to_json()
    assert told(kept) == told(judge)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 0),
        ("logs", {question: [0.0] for question in PARTS}),
        ("bins", {"classes": 2, "edges": []}),
        ("verdict", {"outcome": "perhaps", "reasons": [], "figures": {}}),
        ("waiting", []),
    ],
)
def test_what_is_no_judge_is_refused(key, value):
    wrong = Judge(RULE, CLASSES).to_json() | {key: value}
    with pytest.raises(ValueError, match=r"."):
        Judge.from_json(RULE, wrong)


def test_evidence_in_other_bins_is_refused():
    with pytest.raises(ValueError, match="other bins"):
        Judge(RULE, CLASSES).look(Evidence(Bins(classes=2)), Evidence(CLASSES), 1.0)


def test_without_bins_nothing_is_asked_of_answers():
    judge = Judge(RULE)
    for _ in range(24):
        judge.look(seen(200, bins=None), seen(200, bins=None), 1e6)
    assert judge.verdict.outcome == PROMOTE
    assert "predictions" not in judge.verdict.figures


def test_a_shadow_is_told_how_often_it_agrees():
    judge = Judge(replace(RULE, mode="shadow"), CLASSES)
    for _ in range(24):
        pairs = Pairs(CLASSES)
        pairs.add([0] * 100, [0] * 97 + [1] * 3)
        judge.look(seen(200, **GOOD), seen(200, **GOOD), 1e6, pairs)
    assert judge.verdict.outcome == PROMOTE
    assert judge.verdict.reasons[-1].startswith("97.00% of ")
    assert judge.verdict.figures["pairs"]["calls"] >= 100
    assert Judge.from_json(judge.rule, told(judge)).verdict == judge.verdict
