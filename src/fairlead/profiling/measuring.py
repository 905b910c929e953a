"""What a version does on this machine: loaded as a worker loads it, and asked for its example.

The model is asked in process, guards included; a model that is code is asked through its runner.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np

from fairlead.core.call import PUBLIC, Call, Reply, Route
from fairlead.core.clock import now
from fairlead.core.decision import ABSTAINED, WARNED
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, Runtime, ToldModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array, Tensor
from fairlead.guards.contract import REFUSE
from fairlead.packages.read import read_verified
from fairlead.readiness.facts import Measured
from fairlead.serving.guarding import Guarding
from fairlead.serving.loading import APART, read_example, read_guards
from fairlead.serving.memory import resident
from fairlead.serving.preparing import Preparing, preparing_of
from fairlead.serving.warmup import example_inputs, warm

_LEAST_RUNS, _MOST_RUNS = 5, 1000
_ENOUGH_S = 1.0
_BATCH = 64
_MOST_COLUMNS = 64
_TICKS = 100
"""Of the clock in which the kernel tells a process's time, per second."""


Read = Callable[[str], bytes]
"""Gives the bytes of one of a package's files."""


def measure(
    package: Package, runtimes: Mapping[str, Runtime], read: Read | None = None
) -> Measured:
    """Loads, asks, times and closes a version; takes a few seconds.

    read: other bytes than those of the package. Raises what loading raises, and LoadFailed where
    the model does not answer its own example.
    """
    read = read or partial(read_verified, package)
    runtime = _runtime(package, runtimes)
    base, began = resident(), now()
    preparing, guarding, example = preparing_of(package, read), read_guards(package), {}
    model = runtime.load(package, read)
    try:
        example = read_example(package)
        plan = warm(package, model, example)
        load_s = now() - began
        asking = _Asking(package, model, guarding, preparing, example)
        batch = min(_BATCH, plan.max_rows) if package.signature.batched else 1
        spent = _spent(model)
        median, slow, runs = _times(lambda: asking.ask(1))
        each, _, more = (median, slow, 0) if batch == 1 else _times(lambda: asking.ask(batch))
        rows = runs + more * batch
        cpu = _spent(model) - spent
        return Measured(
            load_s=load_s,
            base=base,
            model=max(0, resident() - base) + _runner_memory(model),
            median_s=median,
            slow_s=slow,
            rows_per_s=batch / max(each, 1e-9),
            batch=batch,
            cpu_s=1000 * cpu / max(rows, 1),
            request_bytes=_json_bytes(_sent(example, asking.plain)),
            answer_bytes=_json_bytes(asking.answer),
            real=asking.real,
            answered=asking.answered,
            finite=_finite(asking.outputs),
            passes=asking.passes,
            strange=asking.strange(),
            inline=plan.inline,
            slots=plan.slots,
            locks=_locks(model),
            guards=guarding.about if guarding is not None else {},
        )
    finally:
        model.close()


def answers(
    package: Package, runtimes: Mapping[str, Runtime], read: Read | None = None
) -> dict[str, Any]:
    """What a version answers to its example, by output, as lists. Raises as `measure` does."""
    read = read or partial(read_verified, package)
    preparing, example = preparing_of(package, read), read_example(package)
    model = _runtime(package, runtimes).load(package, read)
    try:
        return _Asking(package, model, None, preparing, example).answer
    finally:
        model.close()


def _runtime(package: Package, runtimes: Mapping[str, Runtime]) -> Runtime:
    apart = APART if package.isolated and package.runtime == "onnx" else package.runtime
    found = runtimes.get(apart)
    if found is None:
        raise LoadFailed(f"no runtime {package.runtime[:80]!r} is known here")
    return found


_NOWHERE = Route(PUBLIC, lambda error: Reply(500, b""))


class _Asking:
    """Asks a loaded version as the prediction path does: prepare, guard, predict, guard.

    plain:    one row of the model's own arrays, of zeros where it is not real. passes: what guards
              decided about it.
    answered: the first answer came; outputs, answer: its arrays, and the same by name.
    """

    def __init__(
        self,
        package: Package,
        model: LoadedModel,
        guarding: Guarding | None,
        preparing: Preparing | None,
        example: dict[str, Any],
    ) -> None:
        self._signature: Signature = package.signature
        self._told = package.decoupled or bool(package.takes)
        self._model = model
        self._guarding = guarding if package.signature.batched else None
        self._outputs = tuple(range(len(package.signature.outputs)))
        self._preparing = preparing
        self._sent: list[Tensor] | None = None
        if preparing is not None and example.get("rows"):
            self._sent = preparing.of_rows(example["rows"][:1])
        self.plain = self._made(1) if self._sent else example_inputs(self._signature, example)
        self.real = bool(self._sent or example.get("inputs"))
        self.outputs: list[Array] = []
        self.answered = True
        try:
            self.outputs = self.ask(1)
        except FairleadError:
            # Without an example the row is of zeros, which a good model may refuse.
            self.answered = False
        names = [spec.name for spec in self._signature.outputs]
        self.answer = {
            name: array.tolist() for name, array in zip(names, self.outputs, strict=False)
        }
        self.passes = self._decided(self.plain)[0] if self._guarding is not None else "serve"

    def ask(self, rows: int) -> list[Array]:
        """The outputs for the example, `rows` times. Raises what the model raises."""
        if not self.answered:
            return []
        inputs = self._made(rows) if self._sent else self._repeated(rows)
        if self._guarding is not None:
            verdicts = self._guarding.before(inputs, rows, self._guarding.breaches(inputs))
        else:
            verdicts = None
        if self._told:
            answers = cast("ToldModel", self._model).ask(inputs, self._outputs, {})
            found = answers.next() or []
            answers.close()
            return found
        outputs = self._model.predict(inputs, self._outputs)
        if verdicts is not None and self._guarding is not None:
            self._guarding.after(verdicts, self._outputs, outputs)
        return outputs

    def _repeated(self, rows: int) -> list[Array]:
        if rows == 1:
            return list(self.plain)
        return [np.concatenate([array] * rows) for array in self.plain]

    def _made(self, rows: int) -> list[Array]:
        """Arrays of the example as people send it: pictures decoded, texts cut into tokens."""
        assert self._preparing is not None
        assert self._sent is not None
        call = Call(_NOWHERE, now(), inf, 0, True, lambda call: None)
        call.inputs, call.rows = self._sent, 1
        return self._preparing.arrays([call] * rows, rows)

    def _decided(self, inputs: Sequence[Array]) -> tuple[str, int, int]:
        """What guards decide before the model runs: the worst outcome, rows withheld and marked."""
        assert self._guarding is not None
        rows = len(inputs[0])
        given = list(inputs)
        breaches = self._guarding.breaches(given)
        verdicts = self._guarding.before(given, rows, breaches)
        refused = {breach.row for breach in breaches if breach.action == REFUSE}
        withheld = refused | set(np.flatnonzero(verdicts.codes >= ABSTAINED).tolist())
        marked = set(np.flatnonzero(verdicts.codes == WARNED).tolist()) - withheld
        worst = "reject" if refused else max(verdicts.counts(), key=_severity)
        return worst, len(withheld), len(marked)

    def strange(self) -> tuple[int, int, int]:
        """Rows that make no sense: how many the guards withhold, mark, and are given."""
        made = strange_rows(self.plain) if self._signature.batched else []
        if not made:
            return 0, 0, 0
        _, withheld, marked = self._decided(made) if self._guarding is not None else ("", 0, 0)
        return withheld, marked, len(made[0])


def _severity(outcome: str) -> int:
    return ("serve", "warn", "abstain", "reject").index(outcome)


def strange_rows(row: Sequence[Array]) -> list[Array]:
    """The row as often as it has columns, one of them far away each time.

    An input that is no table is far away as a whole. row: arrays of one row.
    """
    places = [
        (number, column)
        for number, array in enumerate(row)
        for column in (range(array.shape[1]) if array.ndim == 2 else (None,))
        if array.dtype.kind != "b"
    ][:_MOST_COLUMNS]
    made = [np.concatenate([array] * len(places)) if places else array for array in row]
    for place, (number, column) in enumerate(places):
        at = place if column is None else (place, column)
        made[number][at] = _far(made[number][at])
    return made if places else []


def _far(value: Any) -> Any:
    """Values of the same kind that no training row can have held."""
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        return "never seen before"
    if array.dtype.kind == "f":
        most = 1e4 if array.dtype == np.float16 else 1e6
        return (np.nan_to_num(array) * 1000 + most).clip(-6 * most, 6e4 if most < 1e6 else 1e12)
    return np.full_like(array, np.iinfo(array.dtype).max // 2)


def _times(run: Callable[[], Any]) -> tuple[float, float, int]:
    """Median and 99th percentile of the seconds of one run, and how many there were."""
    began, times = now(), list[float]()
    while len(times) < _LEAST_RUNS or (len(times) < _MOST_RUNS and now() - began < _ENOUGH_S):
        start = now()
        run()
        times.append(now() - start)
        if now() - began > 4 * _ENOUGH_S:
            break
    times.sort()
    return times[len(times) // 2], times[min(len(times) - 1, int(0.99 * len(times)))], len(times)


def _finite(outputs: Sequence[Array]) -> bool:
    return all(bool(np.isfinite(a).all()) for a in outputs if a.dtype.kind == "f")


def _sent(example: Mapping[str, Any], plain: Sequence[Array]) -> Any:
    """One row as a caller sends it."""
    rows: list[Any] = example.get("rows") or [[array.tolist() for array in plain]]
    return rows[0]


def _json_bytes(value: Any) -> int:
    return len(json.dumps(value, default=str, separators=(",", ":")).encode())


def _runner(model: LoadedModel) -> Any:
    return getattr(model, "runner", None)


def _locks(model: LoadedModel) -> dict[str, bool]:
    runner = _runner(model)
    return dict(runner.locks) if runner is not None else {}


def _runner_memory(model: LoadedModel) -> int:
    runner = _runner(model)
    return resident(runner.pid) if runner is not None else 0


def _spent(model: LoadedModel) -> float:
    """Seconds of processor time of this process and the model's runner."""
    runner, own = _runner(model), time.process_time()
    if runner is None:
        return own
    try:
        told = Path(f"/proc/{runner.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return own
    return own + (int(told[11]) + int(told[12])) / _TICKS
