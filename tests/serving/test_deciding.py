"""What becomes of rows that are unlike the training rows, by model and by key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.serving.parts import call, serve

from fairlead.core.decision import ABSTAINED, REJECTED, SERVED, WARNED, Verdicts
from fairlead.core.package import GuardChoice
from fairlead.serving.deciding import CODES, concerns, decide


def calls_of(model: str, *keys: str):
    """Calls of one row each to a model with this action, by keys with those."""
    made = serve(None)
    made.package = replace(made.package, guards=GuardChoice(novelty=model))
    found = [call(made, [1.0, 2.0]) for _ in keys]
    for one, key in zip(found, keys, strict=True):
        one.caller = replace(one.caller, novelty=key)
    return found


def judged(model: str, *novel: bool) -> Verdicts:
    """What the guard has said of a row each."""
    said = Verdicts(np.zeros(len(novel), np.uint8), novel=np.array(novel))
    for row in np.flatnonzero(novel):
        said.set(int(row), CODES[model], ["strange"])
    return said


@pytest.mark.parametrize("model", ["reject", "abstain", "warn", "shadow"])
@pytest.mark.parametrize("key", ["", "reject", "abstain", "warn", "shadow"])
def test_a_keys_action_takes_the_place_of_the_models_for_novel_rows_alone(model, key):
    calls = calls_of(model, key, key)
    said = judged(model, True, False)
    assert concerns(calls, said) == (bool(key) or model != "shadow")
    decide(calls, [np.ones(2)], said, spoken=True)
    assert said.codes.tolist() == [CODES[key or model], SERVED]
    assert [one.decision for one in calls] == said.codes.tolist()
    assert said.worst == CODES[key or model]


def test_what_has_another_reason_stays_whatever_the_key_says():
    calls = calls_of("warn", "shadow", "shadow")
    said = judged("warn", True, True)
    said.set(0, ABSTAINED, ["not sure enough"])
    decide(calls, [np.ones(2)], said, spoken=True)
    assert said.codes.tolist() == [ABSTAINED, SERVED]


def test_neighbours_of_other_keys_are_judged_as_the_model_says():
    calls = calls_of("reject", "shadow", "", "warn")
    said = judged("reject", True, True, True)
    outputs = decide(calls, [np.ones(3)], said, spoken=False)
    assert said.codes.tolist() == [SERVED, REJECTED, WARNED]
    assert [one.error is not None for one in calls] == [False, True, False]
    assert outputs[0].tolist() == [1.0, 0.0, 1.0]
