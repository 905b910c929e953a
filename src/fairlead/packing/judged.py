"""A model's answers beside the truth, as every statistic of them is made: numbers, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.core.signature import Signature
from fairlead.guards.confidence import as_scores
from fairlead.packing.compare import texts
from fairlead.packing.evaluate import Answers, best_classes

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Classified:
    """A classifier's answers. truth, given: positions in `classes`, one a row.

    scores: a probability for each of the first classes, one row each; None where there are none
    that sum to 1, or a true label is no class of the model.
    """

    classes: tuple[str, ...]
    truth: Places
    given: Places
    scores: Floats | None

    @property
    def per_row(self) -> Floats:
        """1 for a right answer, else 0."""
        return (self.truth == self.given).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Regressed:
    """A regressor's answers. truth, given: numbers, one a row."""

    truth: Floats
    given: Floats

    @property
    def per_row(self) -> Floats:
        """How far each answer is off."""
        return np.abs(self.truth - self.given)


Judged = Classified | Regressed


def judged(signature: Signature, answers: Answers) -> Judged | None:
    """The answers as they can be scored; None where no output is one label or value a row."""
    count = len(answers.truth)
    label: Any = None
    scores: tuple[tuple[str, ...], Any] | None = None
    for spec in signature.outputs:
        given = answers.outputs[spec.name]
        if spec.role == "value" and answers.truth.dtype.kind in "biuf" and given.size == count:
            return _regressed(given.reshape(-1), answers.truth)
        if spec.role == "label" and label is None and given.size == count:
            label = given.reshape(-1)
        if spec.role == "scores" and spec.classes and scores is None:
            scores = spec.classes, given
    if label is None:
        label = best_classes(signature, answers.outputs)
    return _classified(label, scores, answers.truth)


def _regressed(given: Any, truth: Any) -> Regressed | None:
    made = Regressed(truth.astype(np.float64), given.astype(np.float64))
    whole = bool(np.isfinite(made.given).all() and np.isfinite(made.truth).all())
    return made if whole and len(truth) else None


def _classified(
    label: Any, scores: tuple[tuple[str, ...], Any] | None, truth: Any
) -> Classified | None:
    names: tuple[str, ...] = scores[0] if scores is not None else ()
    table = _table(*scores, len(truth)) if scores is not None else None
    true: list[str] = texts(truth).tolist()
    if label is None:
        return None
    given: list[str] = texts(label).tolist()
    strangers = sorted({*true, *given} - {*names})
    classes = (*names, *strangers)
    places = {name: place for place, name in enumerate(classes)}
    made = [np.array([places[name] for name in side], np.int64) for side in (true, given)]
    if table is not None and len(made[0]) and int(made[0].max()) >= len(names):
        table = None
    return Classified(classes, made[0], made[1], table) if true else None


def _table(names: tuple[str, ...], scores: Any, count: int) -> Floats | None:
    """Scores as probabilities of the classes; None when they are something else."""
    try:
        table = as_scores(scores)
    except ValueError:
        return None
    return table if table.shape == (count, len(names)) else None
