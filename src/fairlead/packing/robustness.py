"""What careless clients do to the answers, and how much of it the guards stop.

The evaluation rows are spoilt in four ways that happen: noise, missing values, a wrong unit,
columns in another order. Each is judged with and without the guards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.core.errors import FairleadError
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Column, Signature
from fairlead.core.tensor import Array
from fairlead.guards.contract import CLIP, REFUSE, Contract
from fairlead.guards.novelty import Novelty
from fairlead.guards.seen import Seen, UnseenShape
from fairlead.packing.compare import run
from fairlead.packing.evaluate import Answers
from fairlead.packing.judged import judged

Mask = NDArray[np.bool_]

NOISE, MISSING = 0.1, 0.1
UNIT = 1000.0
_SEED = 0


@dataclass(frozen=True, slots=True)
class Guards:
    """What looks at rows before the model. limit: the score above which a row is novel."""

    seen: Seen
    contract: Contract | None
    novelty: Novelty | None
    limit: float

    def refused(self, signature: Signature, inputs: Sequence[Array]) -> Mask:
        """Which rows would not be answered: not finite, against the contract, or novel."""
        count = len(inputs[0])
        refused = np.zeros(count, bool)
        for spec, array in zip(signature.inputs, inputs, strict=True):
            if spec.dtype.is_float and not spec.missing:
                refused |= ~np.isfinite(array.reshape(count, -1)).all(axis=1)
        if self.contract is not None:
            columns = {c.name: _values(inputs, c).copy() for c in signature.columns}
            for breach in self.contract.check(columns):
                refused[breach.row] |= breach.action == REFUSE
        return refused | self.novel(inputs)

    def novel(self, inputs: Sequence[Array]) -> Mask:
        """Which rows are unlike the training rows."""
        scores = self.scores(inputs)
        return np.zeros(len(inputs[0]), bool) if scores is None else scores > self.limit

    def scores(self, inputs: Sequence[Array]) -> Any:
        """How strange each row is; None where that is not known."""
        if self.novelty is None:
            return None
        try:
            return self.novelty.scores_of(self.novelty.space.place(self.seen.columns(inputs)))
        except (UnseenShape, ValueError):
            return None

    @property
    def clips(self) -> bool:
        """Whether the contract moves values, so that what the model sees is not what was sent."""
        return self.contract is not None and any(r.otherwise == CLIP for r in self.contract.rules)


def robustness_of(
    model: LoadedModel,
    signature: Signature,
    inputs: Sequence[Array],
    truth: Array,
    guards: Guards,
) -> list[dict[str, Any]]:
    """[{"disturbance", "n", "value", "refused", "answered": {"n", "value"}}], undisturbed first.

    value: the mean of the headline's value per row, guards aside; None where the model does not
    answer. refused: the share of rows that guards stop. answered: of the others.
    """
    found: list[dict[str, Any]] = []
    for words, spoil in _DISTURBANCES.items():
        made = spoil(signature, [array.copy() for array in inputs], np.random.default_rng(_SEED))
        if made is not None:
            found.append({"disturbance": words, **_judge(model, signature, made, truth, guards)})
    return found


def _judge(
    model: LoadedModel, signature: Signature, inputs: list[Array], truth: Array, guards: Guards
) -> dict[str, Any]:
    refused = guards.refused(signature, inputs)
    per_row = _per_row(model, signature, inputs, truth)
    if per_row is None:
        kept = np.flatnonzero(~refused)
        some = [array[kept] for array in inputs]
        answered = _per_row(model, signature, some, truth[kept]) if len(kept) else None
    else:
        answered = per_row[~refused]
    told = answered is not None and len(answered) > 0
    return {
        "n": len(truth),
        "value": None if per_row is None else float(per_row.mean()),
        "refused": float(refused.mean()),
        "answered": {
            "n": int((~refused).sum()),
            "value": float(answered.mean()) if told and answered is not None else None,
        },
    }


def _per_row(
    model: LoadedModel, signature: Signature, inputs: Sequence[Array], truth: Array
) -> Any:
    """The headline's value of each row; None where the model refuses rows like these."""
    try:
        found = judged(signature, Answers(truth, run(model, signature, inputs)))
    except FairleadError:
        return None
    return None if found is None else found.per_row


def _values(inputs: Sequence[Array], column: Column) -> Array:
    """A view of a column's values."""
    array = inputs[column.input]
    return array.reshape(len(array)) if column.position is None else array[:, column.position]


def _floats(signature: Signature, inputs: Sequence[Array]) -> list[Array]:
    found = [_values(inputs, column) for column in signature.columns]
    return [values for values in found if values.dtype.kind == "f"]


def _none(signature: Signature, inputs: list[Array], random: Any) -> list[Array] | None:
    return inputs


def _noise(signature: Signature, inputs: list[Array], random: Any) -> list[Array] | None:
    """Every number that is measured is off by a tenth of its spread."""
    numbers = [v for v in _floats(signature, inputs) if len(np.unique(v[:_FEW])) > 2]
    for values in numbers:
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        values += (random.standard_normal(len(values)) * NOISE * spread).astype(values.dtype)
    return inputs if numbers else None


_FEW = 1000


def _missing(signature: Signature, inputs: list[Array], random: Any) -> list[Array] | None:
    """One value in ten is not there."""
    touched = False
    for column in signature.columns:
        values = _values(inputs, column)
        gone = random.random(len(values)) < MISSING
        if values.dtype.kind in "fOU":
            values[gone] = np.nan if values.dtype.kind == "f" else ""
            touched = True
    return inputs if touched else None


def _unit(signature: Signature, inputs: list[Array], random: Any) -> list[Array] | None:
    """One number of each row is in a unit a thousand times smaller."""
    numbers = _floats(signature, inputs)
    if not numbers:
        return None
    chosen = random.integers(0, len(numbers), len(numbers[0]))
    for place, values in enumerate(numbers):
        mine = chosen == place
        with np.errstate(over="ignore"):
            values[mine] *= values.dtype.type(UNIT)
    return inputs


def _order(signature: Signature, inputs: list[Array], random: Any) -> list[Array] | None:
    """Every number stands in the column before its own."""
    numbers = _floats(signature, inputs)
    if len(numbers) < 2:
        return None
    first = numbers[0].copy()
    for here, there in zip(numbers, [*numbers[1:], first], strict=True):
        here[:] = there
    return inputs


Spoil = Callable[[Signature, list[Array], Any], "list[Array] | None"]
_DISTURBANCES: Mapping[str, Spoil] = {
    "none": _none,
    "noise of a tenth of each column's spread": _noise,
    "one value in ten missing": _missing,
    "one value a row times 1000": _unit,
    "numbers in the wrong columns": _order,
}
