"""What a version predicted, row by row, on its way into the outcome log.

Only where the owner turned it on. A log that cannot be written never fails a prediction: it is
said once, and the rows that are lost are counted.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.core.call import Call
from fairlead.core.errors import FairleadError
from fairlead.core.package import Package
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.packages.read import read_verified
from fairlead.serving.answered import Answered
from fairlead.serving.guarding import Guarding
from fairlead.serving.log import log
from fairlead.serving.observe import Stats
from fairlead.serving.sureness import COVERAGE
from fairlead.usage.outcomes import CLASSES, LABELS, NUMBERS, OutcomeLog, owner_of

MEASURED = "measured.json"
_UNKNOWN = struct.pack("<f", math.nan)
_PREDICTED, _CONFIDENCE, _DECISION = 8, 4, 1
"""Bytes of each row's columns."""


class Outcomes:
    """The outcome log of one served version.

    source: position of the output that holds the prediction.
    kind:   what a prediction is: CLASSES, LABELS or NUMBERS; classes: their names, in order.
    """

    def __init__(
        self,
        package: Package,
        guarding: Guarding | None,
        stats: Stats,
        state: Path,
        writer: str,
        source: int,
    ) -> None:
        self.source = source
        self.spec = package.signature.outputs[source]
        self.classes = self.spec.classes
        self.kind = _kind(self.spec)
        self._places = {name: float(place) for place, name in enumerate(self.classes)}
        self._stats = stats
        self._key = f"{package.name}/{package.version}"
        self._failed = False
        self._log = OutcomeLog(state, writer, self._about(package, guarding))

    def _about(self, package: Package, guarding: Guarding | None) -> dict[str, Any]:
        about: dict[str, Any] = {
            "model": package.name,
            "version": package.version,
            "kind": self.kind,
            "classes": list(self.classes),
            "days": package.feedback.days,
            "evaluation": _evaluation(package),
        }
        if guarding is not None and guarding.promised is not None and self.kind == CLASSES:
            about["promised"] = guarding.promised
        if guarding is not None and guarding.radius is not None and self.kind == NUMBERS:
            about["radius"], about["coverage"] = guarding.radius, COVERAGE
            about["interval_rows"] = guarding.about["intervals"]["rows"]
        return about

    def note(self, answers: Sequence[Answered]) -> None:
        """Keeps what was predicted for the calls that are answered. Never raises."""
        for answer in answers:
            calls = [c for c in answer.calls if c.error is None and not c.gone and c.usage >= 0]
            if not calls:
                continue
            try:
                self._keep(answer, calls)
            except Exception as error:
                self._stats.outcomes_lost += sum(call.rows for call in calls)
                if not self._failed:
                    self._failed = True
                    log("outcomes_lost", model=self._key, error=repr(error))

    def _keep(self, answer: Answered, calls: Sequence[Call]) -> None:
        rows = sum(call.rows for call in answer.calls)
        predicted = self._predicted(answer.predicted)
        if len(predicted) != rows * _PREDICTED:
            raise ValueError("the prediction has another number of rows")
        verdicts = answer.verdicts
        sure = None if verdicts is None else verdicts.confidences()
        confidence = _UNKNOWN * rows if sure is None else sure.astype("<f4").tobytes()
        decision = bytes(rows) if verdicts is None else verdicts.codes.tobytes()
        columns = [(predicted, _PREDICTED), (confidence, _CONFIDENCE), (decision, _DECISION)]
        if len(calls) < len(answer.calls):
            columns = [(_of(c, size, answer.calls, calls), size) for c, size in columns]
        kept = [(call.usage, owner_of(call.caller.tenant), call.rows) for call in calls]
        self._log.append(kept, *(c for c, _ in columns))
        self._failed = False

    def _predicted(self, output: Array | None) -> bytes:
        """Each row's prediction as a float64."""
        if output is None:
            raise ValueError("the model did not give it")
        if self.spec.role == "scores":
            return output.argmax(axis=1).astype("<f8").tobytes()
        flat = output.reshape(-1)
        if self.kind != CLASSES:
            return flat.astype("<f8").tobytes()
        places = self._places
        return array("d", [places.get(word(v), math.nan) for v in flat.tolist()]).tobytes()

    def rest(self) -> None:
        """From time to time: lets go of what has become too old."""
        self._log.rest()

    def close(self) -> None:
        """Ends the segment that is being written."""
        self._log.close()


def outcomes_of(
    package: Package, guarding: Guarding | None, stats: Stats, state: Path, writer: str
) -> Outcomes | None:
    """The outcome log of a version, None unless its owner wants one and its answers allow it."""
    if not package.feedback.outcomes:
        return None
    source = source_of(package.signature)
    if source is None:
        log("outcomes_impossible", model=f"{package.name}/{package.version}")
        return None
    return Outcomes(package, guarding, stats, state, writer, source)


def source_of(signature: Signature) -> int | None:
    """The output that holds one prediction per row: scores per class, else label, else value."""
    if not signature.batched:
        return None
    for role in ("scores", "label", "value"):
        for place, spec in enumerate(signature.outputs):
            if spec.role == role and _fits(spec):
                return place
    return None


def _fits(spec: TensorSpec) -> bool:
    if spec.role == "scores":
        return len(spec.shape) == 2 and len(spec.classes) > 1
    single = len(spec.shape) == 1 or spec.shape[1:] == (1,)
    return single and (not spec.dtype.is_text or bool(spec.classes))


def _kind(spec: TensorSpec) -> str:
    if spec.role == "value":
        return NUMBERS
    return CLASSES if spec.classes else LABELS


def word(label: Any) -> str:
    """A label as classes are named: a whole number as an integer, whatever type it comes in."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label)) if whole else str(label)


def _of(column: bytes, size: int, every: Sequence[Call], wanted: Sequence[Call]) -> bytes:
    """The part of a column of joined rows that belongs to some of the calls."""
    parts: list[bytes] = []
    start = 0
    kept = {id(call) for call in wanted}
    for call in every:
        stop = start + call.rows * size
        if id(call) in kept:
            parts.append(column[start:stop])
        start = stop
    return b"".join(parts)


def _evaluation(package: Package) -> dict[str, Any]:
    """What the evaluation rows showed when the package was made, {} without any."""
    if MEASURED not in package.files:
        return {}
    try:
        measured: dict[str, Any] = json.loads(read_verified(package, MEASURED))
        return measured.get("evaluation") or {}
    except (FairleadError, ValueError):
        return {}  # figures that cannot be read promise nothing
