"""How sure answers are: whether they may be given, and what is told of it to whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fairlead.core.decision import Verdicts
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array
from fairlead.guards.confidence import Confidence
from fairlead.serving.log import log

COVERAGE = 0.9
"""Of the prediction set and the interval that an answer carries."""
UNSURE = "the answer is not sure enough to be given"
_SETS_KEPT = 1024

_Weighed = tuple[Array | None, Array | None]
"""The confidence in each row's answer, and which classes its set holds."""


class Sureness:
    """The confidence guard of an output that holds scores."""

    def __init__(self, guard: Confidence, answer: TensorSpec | None, code: int) -> None:
        """guard: with its goal. answer: the output. code: what becomes of unsure answers."""
        self._guard, self._code = guard, code
        self._classes = answer.classes if answer is not None else ()
        width = answer.shape[-1] if answer is not None and answer.shape else -1
        self._surely = guard.surely(width)
        self._sets: dict[bytes, tuple[str, ...]] = {}

    def judge(self, scores: Array, verdicts: Verdicts) -> None:
        """Adds what the scores of each row say to the verdicts; the rest is left for later."""
        guard = self._guard
        if scores.ndim != 2 or len(scores) != len(verdicts.codes) or scores.dtype.kind != "f":
            return
        limit = guard.threshold
        if limit is None or (self._surely is not None and guard.enough(scores, self._surely)):
            self._tell(self._later(scores), verdicts)
            return
        sure, inside = guard.weigh(scores, COVERAGE)
        self._tell(lambda: (sure, inside), verdicts)
        for row in np.flatnonzero(sure < limit).tolist():
            words = f"confidence {sure[row]:.3f} is below {limit:.3f}"
            goal = f"which keeps the goal of at most {guard.error_goal:.1%} errors"
            verdicts.set(row, self._code, [f"{words}, {goal}"], [UNSURE])

    def _tell(self, weighed: Callable[[], _Weighed], verdicts: Verdicts) -> None:
        verdicts.weigh = lambda: weighed()[0]
        verdicts.likely = lambda row: self._named(weighed()[1], row)

    def _later(self, scores: Array) -> Callable[[], _Weighed]:
        """Weighs them once somebody asks, who expects no fault of ours: nothing is known then."""
        found: list[_Weighed] = []

        def weighed() -> _Weighed:
            if not found:
                try:
                    found.append(self._guard.weigh(scores, COVERAGE))
                except Exception as error:
                    log("guard_failed", error=repr(error))
                    found.append((None, None))
            return found[0]

        return weighed

    def _named(self, sets: Array | None, row: int) -> tuple[str, ...] | None:
        """The classes of a prediction set; few sets are ever asked for, so they are kept."""
        if sets is None:
            return None
        inside = sets[row]
        key = inside.tobytes()
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= _SETS_KEPT:
                self._sets.clear()
            found = tuple([self._classes[i] for i in np.flatnonzero(inside)])
            self._sets[key] = found
        return found
