"""The joined rows of several calls through the model, and the answers split back.

A call that spoils the execution is found by halving: its neighbours are answered, it alone gets
the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from operator import attrgetter
from time import perf_counter_ns

import numpy as np

from fairlead.core.call import Call, Encoder
from fairlead.core.clock import now
from fairlead.core.errors import (
    DeadlineExceeded,
    FairleadError,
    ModelBadAnswer,
    ModelError,
    NotFinite,
)
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, join
from fairlead.serving.registry import Served

_rows = attrgetter("rows")

Answered = tuple[Sequence[Call], list[Array]]
"""Calls with the outputs of their joined rows."""


def execute(served: Served, calls: Sequence[Call]) -> list[Answered]:
    """Runs `calls`, which share a group, as one batch.

    Returns the answered calls with their outputs; every other call has its `error` set.
    """
    signature = served.package.signature
    encoder: Encoder = calls[0].encoder
    rows = sum(map(_rows, calls))
    inputs = [join([c.inputs[i] for c in calls], rows) for i in served.positions]
    for i in served.finite:
        if not _finite(inputs[i]):
            return _retry_finite(served, calls)
    started = perf_counter_ns()
    try:
        outputs = served.model.predict(inputs, encoder.outputs)
        _check_answer(encoder.specs, outputs, rows if signature.batched else -1)
    except FairleadError as error:
        return _halve(served, calls, error)
    except Exception as error:
        return _halve(served, calls, ModelError(f"the model failed: {type(error).__name__}"))
    share = (perf_counter_ns() - started) // max(1, rows)
    for call in calls:
        call.compute_ns = share * call.rows
    return [(calls, outputs)]


def drop_late(calls: Sequence[Call], moment: float) -> list[Call]:
    """The calls that somebody still waits for; the late ones get their error."""
    live: list[Call] = []
    for call in calls:
        if call.deadline < moment:
            call.error = DeadlineExceeded("the deadline passed while the call was waiting")
        elif not call.gone:
            live.append(call)
    return live


def _halve(served: Served, calls: Sequence[Call], error: FairleadError) -> list[Answered]:
    if len(calls) == 1:
        calls[0].error = error
        return []
    middle = len(calls) // 2
    answers: list[Answered] = []
    for half in (calls[:middle], calls[middle:]):
        live = drop_late(half, now())
        if live:
            answers += execute(served, live)
    return answers


def _finite(array: Array) -> bool:
    """Whether no element is NaN or infinite.

    A dot product with itself is finite only if every element is, and costs a tenth of looking
    at each; an overflow of large finite elements makes it look again, exactly.
    """
    return isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def _retry_finite(served: Served, calls: Sequence[Call]) -> list[Answered]:
    specs = served.package.signature.inputs
    good: list[Call] = []
    for call in calls:
        for spec, tensor in zip(specs, call.inputs, strict=True):
            if spec.missing or not spec.dtype.is_float or np.isfinite(tensor.array).all():
                continue
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(tensor.array))[0])
            row = place[0] if place else 0
            call.error = NotFinite(
                f"input {spec.name!r} holds NaN or infinity, which this model does not take",
                where=f"row {row}" + _column(spec, place),
                row=row,
            )
            break
        else:
            good.append(call)
    return execute(served, good) if good else []


def _column(spec: TensorSpec, place: tuple[int, ...]) -> str:
    if len(place) < 2:
        return ""
    return f", column {spec.columns[place[1]]!r}" if spec.columns else f", position {place[1:]}"


def _check_answer(specs: Sequence[TensorSpec], outputs: Sequence[Array], rows: int) -> None:
    """Raises ModelBadAnswer unless every output has its rows, its shape and finite numbers."""
    if len(outputs) != len(specs):
        raise ModelBadAnswer(f"the model gave {len(outputs)} outputs instead of {len(specs)}")
    for spec, output in zip(specs, outputs, strict=True):
        shape, wanted = output.shape, spec.shape
        if rows >= 0:
            right = shape[:1] == (rows,) and (shape[1:] == wanted[1:] or _fits(shape, wanted))
        else:
            right = _fits(shape, wanted)
        if not right:
            shown = [rows if rows >= 0 else wanted[0], *wanted[1:]] if wanted else []
            raise ModelBadAnswer(f"output {spec.name!r} has shape {list(shape)}, not {shown}")
        if output.dtype.kind == "f" and not spec.missing and not _finite(output):
            raise ModelBadAnswer(f"output {spec.name!r} holds NaN or infinity")


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w in (-1, s) for s, w in zip(shape, wanted, strict=True)
    )
