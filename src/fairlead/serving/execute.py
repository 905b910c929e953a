"""The joined rows of several calls through the model, and the answers split back.

A call that spoils the execution is found by halving: its neighbours are answered, it alone gets
the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from operator import attrgetter
from time import perf_counter_ns
from typing import cast

import numpy as np

from fairlead.core.call import Batch, Call, Encoder
from fairlead.core.clock import now
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    ContractBroken,
    DeadlineExceeded,
    FairleadError,
    ModelBadAnswer,
    ModelCrashed,
    ModelError,
    ModelFailed,
    ModelHung,
    NotFinite,
    Overloaded,
)
from fairlead.core.promises import ToldModel
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, join
from fairlead.guards.contract import REFUSE, Breach
from fairlead.serving.answered import Answered
from fairlead.serving.quarantine import cleared, crashed
from fairlead.serving.sequences import Sequences, said_of
from fairlead.serving.served import Served

_rows = attrgetter("rows")


def execute(
    served: Served, calls: Sequence[Call], begin: Callable[[], None] | None = None
) -> list[Answered]:
    """Runs `calls`, which share a group, as one batch.

    begin: called before every prediction, so that each has the whole time budget.
    Returns the answered calls with their outputs; every other call has its `error` set.
    """
    signature = served.package.signature
    encoder: Encoder = calls[0].encoder
    rows = sum(map(_rows, calls))
    try:
        inputs = _joined(served, calls, rows)
    except FairleadError as error:
        return _halve(served, calls, begin, error, 0)
    for i in served.finite:
        if not _finite(inputs[i]):
            return _retry_finite(served, calls, begin)
    guarding, verdicts = served.guarding, None
    if guarding is not None:
        breaches = guarding.breaches(inputs)
        if any([breach.action == REFUSE for breach in breaches]):
            return _retry_contract(served, calls, breaches, begin)
        verdicts = guarding.before(inputs, rows, breaches, told=encoder.decides)
    if begin is not None:
        begin()
    started = perf_counter_ns()
    try:
        source = served.source  # once: a rollout may end meanwhile
        wanted = served.wanted(encoder.outputs, source)
        outputs = _predicted(served, calls, inputs, wanted)
        outputs, predicted = _told_apart(served, encoder.outputs, wanted, outputs, source)
        if guarding is not None and verdicts is not None:
            outputs = guarding.after(verdicts, encoder.outputs, outputs)
        check_answer(encoder.specs, outputs, rows if signature.batched else -1)
    except Exception as error:
        return _failed(served, calls, begin, error, perf_counter_ns() - started)
    if served.quarantine:
        cleared(served.quarantine, calls)
    _share_out(calls, perf_counter_ns() - started)
    return [Answered(calls, inputs, outputs, verdicts, predicted)]


def _joined(served: Served, calls: Sequence[Call], rows: int) -> list[Array]:
    """The inputs of calls as the model takes them. Raises what is wrong with pictures and texts."""
    prepare = calls[0].prepare
    if prepare is not None:
        return prepare(calls, rows)
    return [join([c.inputs[i] for c in calls], rows) for i in served.positions]


def _predicted(
    served: Served, calls: Sequence[Call], inputs: list[Array], wanted: tuple[int, ...]
) -> list[Array]:
    """The model's outputs; one that is told more than tensors is asked for one call at a time."""
    if not served.package.takes:
        if served.mark is None:
            return served.model.predict(inputs, wanted)
        with served.mark:
            return served.model.predict(inputs, wanted)
    told = cast("ToldModel", served.model)
    try:
        found = told.ask(inputs, wanted, said_of(served, calls[0])).next()
    except (ModelCrashed, ModelHung):
        served.derived("sequences", lambda _: Sequences()).clear()
        raise
    if found is None:
        raise ModelBadAnswer("the model gave no answer")
    return found


def checked(served: Served, call: Call) -> tuple[list[Array], Verdicts | None]:
    """The inputs of one call and what the guards say before anything is asked of the model.

    Raises what is wrong with them.
    """
    inputs = _joined(served, [call], call.rows)
    if not all(_finite(inputs[i]) for i in served.finite):
        _retry_finite(served, [call], None)
    guarding, verdicts = served.guarding, None
    if guarding is not None and call.error is None:
        breaches = guarding.breaches(inputs)
        if any(breach.action == REFUSE for breach in breaches):
            _retry_contract(served, [call], breaches, None)
        else:
            verdicts = guarding.before(inputs, call.rows, breaches)
    if call.error is not None:
        raise call.error
    return inputs, verdicts


def _share_out(calls: Sequence[Call], spent_ns: int) -> None:
    """Never 0: that is the mark of a call that was not executed."""
    rows = sum(map(_rows, calls))
    share = max(1, spent_ns // max(1, rows))
    batch = Batch(now() - spent_ns / 1e9, spent_ns, rows)
    for call in calls:
        call.compute_ns = share * max(1, call.rows)
        call.batch = batch


def _told_apart(
    served: Served,
    asked: tuple[int, ...],
    wanted: tuple[int, ...],
    outputs: list[Array],
    source: int | None,
) -> tuple[list[Array], Array | None]:
    """The outputs for callers and guards, and the one that is kept whole, if any."""
    if source not in wanted or len(outputs) != len(wanted):
        return outputs, None
    kept = outputs[wanted.index(source)]
    return (outputs if served.guarding is not None else outputs[: len(asked)]), kept


def drop_late(calls: Sequence[Call], moment: float, since: float = 0.0) -> list[Call]:
    """The calls that somebody still waits for; the late ones get their error.

    since: a call that has waited since before this moment has waited too long.
    """
    live: list[Call] = []
    for call in calls:
        if call.deadline < moment:
            call.error = DeadlineExceeded("the deadline passed while the call was waiting")
        elif call.received < since:
            call.error = Overloaded(
                f"the call waited {moment - call.received:.1f} s for its model, which has more "
                "to do than it can",
                fix="Try again in a second",
            )
        elif call.gone:
            call.error = DeadlineExceeded("the caller left while the call was waiting")
        else:
            live.append(call)
    return live


def _failed(
    served: Served,
    calls: Sequence[Call],
    begin: Callable[[], None] | None,
    error: Exception,
    spent_ns: int,
) -> list[Answered]:
    """The execution failed: a call whose process died may be tried again, the others apart."""
    if isinstance(error, ModelCrashed) and crashed(served, calls):
        return execute(served, calls, begin)
    ours = isinstance(error, FairleadError)
    told = error if ours else ModelError(f"the model failed: {type(error).__name__}")
    return _halve(served, calls, begin, told, spent_ns)


def _halve(
    served: Served,
    calls: Sequence[Call],
    begin: Callable[[], None] | None,
    error: FairleadError,
    spent_ns: int,
) -> list[Answered]:
    callers = {call.caller.tenant or call.caller.account for call in calls}
    if isinstance(error, ModelFailed) and len(callers) == 1:
        # They were executed all the same: else whoever knows such rows computes without limits.
        # Who only shared a batch with them pays nothing; what is answered yet is counted anew.
        _share_out(calls, spent_ns)
    if len(calls) == 1:
        calls[0].error = error
        return []
    middle = len(calls) // 2
    answers: list[Answered] = []
    for half in (calls[:middle], calls[middle:]):
        live = drop_late(half, now())
        if live:
            answers += execute(served, live, begin)
    return answers


def _finite(array: Array) -> bool:
    """Whether no element is NaN or infinite.

    A dot product with itself is finite only if every element is, and costs a tenth of looking
    at each; an overflow of large finite elements makes it look again, exactly.
    """
    return isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def _retry_finite(
    served: Served, calls: Sequence[Call], begin: Callable[[], None] | None
) -> list[Answered]:
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
    return execute(served, good, begin) if good else []


def _retry_contract(
    served: Served,
    calls: Sequence[Call],
    breaches: Sequence[Breach],
    begin: Callable[[], None] | None,
) -> list[Answered]:
    """The calls that hold a refused row get their error; the others are run."""
    first: dict[int, Breach] = {}
    for breach in breaches:
        if breach.action == REFUSE:
            first.setdefault(breach.row, breach)
    good: list[Call] = []
    start = 0
    for call in calls:
        stop = start + call.rows
        found = next((first[row] for row in range(start, stop) if row in first), None)
        if found is None:
            good.append(call)
        else:
            row = found.row - start
            call.error = ContractBroken(
                found.words,
                where=f"row {row}, column {found.column!r}",
                row=row,
                column=found.column,
            )
        start = stop
    return execute(served, good, begin) if good else []


def _column(spec: TensorSpec, place: tuple[int, ...]) -> str:
    if len(place) < 2:
        return ""
    return f", column {spec.columns[place[1]]!r}" if spec.columns else f", position {place[1:]}"


def check_answer(specs: Sequence[TensorSpec], outputs: Sequence[Array], rows: int) -> None:
    """Raises ModelBadAnswer unless every output has its rows, shape, type and finite numbers.

    rows: how many there must be, -1 when the model is not batched.
    """
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
        if output.dtype != spec.dtype.numpy and not (
            spec.dtype.is_text and output.dtype.kind in "OUST"
        ):
            raise ModelBadAnswer(f"output {spec.name!r} is of {output.dtype}, not {spec.dtype}")
        if output.dtype.kind == "f" and not spec.missing and not _finite(output):
            raise ModelBadAnswer(f"output {spec.name!r} holds NaN or infinity")


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w in (-1, s) for s, w in zip(shape, wanted, strict=True)
    )
