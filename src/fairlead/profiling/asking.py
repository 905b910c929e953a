"""A loaded version, asked in process as the prediction path asks it: guards included."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle, islice
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np

from fairlead.core.call import PUBLIC, Call, Reply, Route
from fairlead.core.clock import now
from fairlead.core.decision import ABSTAINED, WARNED
from fairlead.core.errors import FairleadError
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, ToldModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array, Tensor
from fairlead.guards.contract import REFUSE
from fairlead.serving.guarding import Guarding
from fairlead.serving.preparing import Preparing
from fairlead.serving.warmup import example_inputs

_MOST_COLUMNS = 64
_TICKS = 100
"""Of the clock in which the kernel tells a process's time, per second."""

_NOWHERE = Route(PUBLIC, lambda error: Reply(500, b""))


class Asking:
    """Asks a loaded version as the prediction path does: prepare, guard, predict, guard.

    plain:    one row of the model's own arrays, of zeros where it is not real. passes: what guards
              decided about it.
    answered: an answer came to the first row; outputs, answer: its arrays, and the same by name.
    """

    def __init__(
        self,
        package: Package,
        model: LoadedModel,
        guarding: Guarding | None,
        preparing: Preparing | None,
        example: dict[str, Any],
        sample: Sequence[Array] = (),
    ) -> None:
        """example: as packages keep it; all of its rows are asked where pictures or texts are sent.

        sample: the model's own arrays of several rows, which are asked in place of the example.
        """
        self._signature: Signature = package.signature
        self._told = package.decoupled or bool(package.takes)
        self._model = model
        self._guarding = guarding if package.signature.batched else None
        self._outputs = tuple(range(len(package.signature.outputs)))
        self._preparing = preparing
        self._sent: list[list[Tensor]] = []
        if preparing is not None and example.get("rows"):
            made = [preparing.of_rows([row]) for row in example["rows"]]
            self._sent = [tensors for tensors in made if tensors is not None]
        own = [array[:1] if self._signature.batched else array[0] for array in sample]
        own = own or example_inputs(self._signature, example)
        self.plain = self._made(1) if self._sent else own
        self._single: list[list[Array]] = []
        if self._signature.batched:
            each = sample or self.plain
            self._single = [[array[i : i + 1] for i in range(len(array))] for array in each]
        self.real = bool(self._sent or example.get("inputs") or sample)
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
        return [np.concatenate([*islice(cycle(each), rows)]) for each in self._single]

    def _made(self, rows: int) -> list[Array]:
        """Arrays of the example as people send it: pictures decoded, texts cut into tokens."""
        assert self._preparing is not None
        assert self._sent
        calls: list[Call] = []
        for tensors in islice(cycle(self._sent), rows):
            call = Call(_NOWHERE, now(), inf, 0, True, lambda call: None)
            call.inputs, call.rows = tensors, 1
            calls.append(call)
        return self._preparing.arrays(calls, rows)

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


def runner_of(model: LoadedModel) -> Any:
    """The process in which a model runs that is code; None for one that runs here."""
    return getattr(model, "runner", None)


def spent(model: LoadedModel) -> float:
    """Seconds of processor time of this process and the model's runner."""
    runner, own = runner_of(model), time.process_time()
    if runner is None:
        return own
    try:
        told = Path(f"/proc/{runner.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return own
    return own + (int(told[11]) + int(told[12])) / _TICKS
