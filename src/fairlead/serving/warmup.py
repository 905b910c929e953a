"""The first predictions of a version: they warm it, measure it and choose how it is run."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import DTYPES, Array
from fairlead.serving.batcher import INLINE_LIMIT_S, Plan

_LEAST_RUNS, _MOST_RUNS, _ENOUGH_S = 5, 50, 0.3
_JOINED = 8
_WORTH_JOINING = 0.8


def warm(package: Package, model: LoadedModel, example: dict[str, Any]) -> Plan:
    """Predicts example rows until the time settles, and returns the plan they suggest.

    Raises LoadFailed when the model cannot answer its own example.
    """
    one = example_inputs(package.signature, example)
    outputs = tuple(range(len(package.signature.outputs)))
    try:
        single = _time(model, one, outputs)
        if not package.signature.batched:
            return _plan(package, single, joins=False)
        joined = [np.concatenate([array] * _JOINED) for array in one]
        together = _time(model, joined, outputs)
    except FairleadError as error:
        if example.get("inputs"):
            raise LoadFailed(
                f"the model does not answer its own example: {error.what}",
                where=f"{package.name} version {package.version}",
            ) from error
        # Rows of zeros are no real rows: a model may refuse them and still be good.
        return Plan(inline=False, max_rows=package.limits.max_batch, slots=1)
    joins = together < single * _JOINED * _WORTH_JOINING
    return _plan(package, single, joins=joins, each=together / _JOINED)


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


def _plan(package: Package, single: float, *, joins: bool, each: float = 0.0) -> Plan:
    most = package.limits.max_batch if joins else 1
    apart = package.isolated or single > INLINE_LIMIT_S / 2
    if apart:
        slots = 1 if package.isolated else max(1, len(os.sched_getaffinity(0)))
        return Plan(inline=False, max_rows=most, slots=slots)
    # As many rows as the loop may spend on one execution.
    affordable = int(INLINE_LIMIT_S / max(each, 1e-7)) if joins else 1
    return Plan(inline=True, max_rows=max(1, min(most, affordable)), slots=1)
