"""A version that is asked beside another: with the same inputs, and by the same rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from tests.models import spec
from tests.serving.parts import DOUBLE, Model, call, serve
from tests.serving.test_quarantine import POISON, Mortal

from fairlead.core.call import Call
from fairlead.core.errors import InputQuarantined, NotFinite
from fairlead.core.package import RolloutChoice
from fairlead.core.signature import Signature
from fairlead.serving.execute import execute
from fairlead.serving.quarantine import let_in
from fairlead.serving.served import Served
from fairlead.serving.trial import Trial


def shadowed(candidate: Any, rows: list[Any], signature: Signature = DOUBLE) -> tuple[Served, Call]:
    """A candidate, and the call it is asked with beside one of these rows."""
    stable, beside = serve(Model(np.nan_to_num), signature), serve(candidate)
    beside.package = replace(beside.package, version=2, rollout=RolloutChoice("shadow", 1.0))
    asked: list[Call] = []
    beside.submit = asked.append
    trial = Trial("r", stable, beside, "w")
    one = call(stable, *rows)
    assert trial.of(one) is stable
    trial.note(stable, [one], execute(stable, [one]))
    return beside, asked[0]


def test_inputs_a_shadow_died_of_are_refused_to_its_callers_and_others_are_not():
    beside, shadow = shadowed(Mortal(), [[POISON, 2]])
    assert execute(beside, [shadow]) == []
    assert shadow.crashes == 2
    same, other = call(beside, [POISON, 2]), call(beside, [3, 4])
    assert let_in(beside, [same, other]) == [other]
    assert isinstance(same.error, InputQuarantined)


def test_a_shadow_that_takes_no_gaps_says_so_of_the_row_that_has_one():
    gappy = replace(spec("x", "FP32", (-1, 2)), missing=True)
    beside, shadow = shadowed(Model(), [[1, np.nan]], Signature((gappy,), DOUBLE.outputs))
    assert execute(beside, [shadow]) == []
    assert isinstance(shadow.error, NotFinite)
