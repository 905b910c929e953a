"""The first predictions of a version: they warm it, measure it and choose how it is run."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, ToldModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import DTYPES, Array
from fairlead.serving.batcher import INLINE_LIMIT_S, Plan
from fairlead.serving.execute import check_answer
from fairlead.serving.machine import usable_cores

_LEAST_RUNS, _MOST_RUNS, _ENOUGH_S = 5, 50, 0.3
_JOINED = (2, 4, 8)
_WORTH_JOINING = 0.97
"""Joining more rows must bring the time of each below this part of what fewer took."""
_ALONE = Plan(inline=False, max_rows=1, slots=1)
"""For a model that is told more of a call than its tensors: no two calls may be joined."""
_LONGEST_TRIAL_S = 1.0
_LONGEST_BATCH_S = 0.05
"""How long rows that wait in one batch should wait for each other, where that is a choice."""


def warm(package: Package, model: LoadedModel, example: dict[str, Any]) -> Plan:
    """Predicts example rows until the time settles, and returns the plan they suggest.

    Raises LoadFailed when the model cannot answer its own example.
    """
    signature = package.signature
    one = example_inputs(signature, example)
    outputs = tuple(range(len(signature.outputs)))
    try:
        if package.decoupled or package.takes:
            answers = cast("ToldModel", model).ask(one, outputs, {})
            answers.next()
            answers.close()
            return _ALONE
        if example.get("inputs"):
            answer = model.predict(one, outputs)
            check_answer(signature.outputs, answer, 1 if signature.batched else -1)
        single = _time(model, one, outputs)
        if not signature.batched:
            return _plan(package, model, single)
        joined, each = _join(model, one, outputs, single)
    except FairleadError as error:
        if example.get("inputs"):
            raise LoadFailed(
                f"the model does not answer its own example: {error.what}",
                where=f"{package.name} version {package.version}",
            ) from error
        # Rows of zeros are no real rows: a model may refuse them and still be good.
        if package.takes:
            return _ALONE
        most = package.limits.max_batch if signature.batched else 1
        return Plan(inline=False, max_rows=most, slots=1)
    return _plan(package, model, single, joined, each)


def _join(
    model: LoadedModel, one: list[Array], outputs: tuple[int, ...], single: float
) -> tuple[int, float]:
    """How many rows of those tried are best joined, and the seconds that each then takes."""
    best, each = 1, single
    for rows in _JOINED:
        if each * rows > _LONGEST_TRIAL_S:
            break
        spent = _time(model, [np.concatenate([array] * rows) for array in one], outputs) / rows
        if spent < each * _WORTH_JOINING:
            best, each = rows, spent
    return best, each


def example_inputs(signature: Signature, example: dict[str, Any]) -> list[Array]:
    """One row of inputs: the package's own example, or zeros and empty text."""
    by_name = {t["name"]: t for t in example.get("inputs", ())}
    found: list[Array] = []
    for spec in signature.inputs:
        given = by_name.get(spec.name)
        if given is not None:
            array = np.array(given["data"], dtype=spec.dtype.numpy).reshape(given["shape"])
            found.append(array[:1] if signature.batched else array)
        else:
            shape = [1 if d == -1 else d for d in spec.shape]
            fill = "" if spec.dtype is DTYPES["BYTES"] else 0
            found.append(np.full(shape, fill, dtype=spec.dtype.numpy))
    return found


def _time(model: LoadedModel, inputs: list[Array], outputs: tuple[int, ...]) -> float:
    """Median seconds of one predict, after the first."""
    model.predict(inputs, outputs)
    began = now()
    times: list[float] = []
    while len(times) < _LEAST_RUNS or (len(times) < _MOST_RUNS and now() - began < _ENOUGH_S):
        start = now()
        model.predict(inputs, outputs)
        times.append(now() - start)
    return sorted(times)[len(times) // 2]


def _plan(
    package: Package, model: LoadedModel, single: float, joined: int = 1, each: float = 0.0
) -> Plan:
    """single: seconds of one row alone; each: of a row when `joined` go together."""
    most, asked = package.limits.max_batch, package.limits.threads
    if joined < _JOINED[-1]:
        # Where the most that was tried is not the best, more is not either.
        most = min(most, joined)
    # What an input can prolong is never run where it would hold up everyone else.
    endless: bool = getattr(model, "endless", False)
    if package.isolated or endless or single > INLINE_LIMIT_S / 2 or asked > 1:
        slots = 1 if package.isolated else asked or usable_cores()
        most = min(most, max(joined, _rows_within(_LONGEST_BATCH_S, single, joined, each)))
        return Plan(inline=False, max_rows=most, slots=slots)
    # As many rows as the loop may spend on one execution.
    affordable = int(INLINE_LIMIT_S / max(each, 1e-7)) if joined > 1 else 1
    return Plan(inline=True, max_rows=max(1, min(most, affordable)), slots=1)


def _rows_within(seconds: float, single: float, joined: int, each: float) -> int:
    """How many rows may be joined within some seconds, from what one and what several took."""
    if joined == 1:
        return 1
    further = max((each * joined - single) / (joined - 1), 1e-7)
    return int((seconds - single) / further) + 1
