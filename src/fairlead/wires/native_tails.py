"""What a guarded row says beside its outputs: confidence, set, novelty, decision and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.core.decision import ABSTAINED, OUTCOMES, SERVED, Verdicts
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array
from fairlead.serving.served import Served

_DECISIONS = [f'"decision":"{name}","reasons":'.encode() for name in OUTCOMES]
_SERVED = _DECISIONS[SERVED] + b"[]}"
_SETS_KEPT, _P_VALUES_KEPT = 256, 8192


class Tails:
    """Writes the rows of a guarded version for one choice of outputs."""

    def __init__(
        self,
        served: Served,
        keys: Sequence[str],
        specs: Sequence[TensorSpec],
        named: dict[str, Any],
    ) -> None:
        """keys: of the outputs, which a row that is not served has as null."""
        guarding = served.guarding
        assert guarding is not None
        self._named = named
        self._sets: dict[tuple[str, ...], bytes] = {}
        self._p_values: dict[float, bytes] = {}
        nulls = b"".join([orjson.dumps(key) + b":null," for key in keys])
        self._withheld = b"{" + nulls
        self._radius = guarding.radius
        values = [i for i, spec in enumerate(specs) if spec.role == "value"]
        self._value = values[0] if values and self._radius is not None else None

    def rows(
        self, written: Sequence[Sequence[bytes]], outputs: Sequence[Array], verdicts: Verdicts
    ) -> list[bytes]:
        """One JSON object per row; `written` holds each output of each row as `"key":value,`."""
        columns = list(written)
        if self._value is not None:
            columns.append(self._intervals(outputs[self._value]))
        marks = self._marks(verdicts)
        if not verdicts.worst and verdicts.hidden is None:
            return [b"{" + b"".join([c[i] for c in columns]) + m for i, m in enumerate(marks)]
        withheld = _withheld(verdicts)
        return [
            (self._withheld if gone else b"{" + b"".join([c[i] for c in columns])) + marks[i]
            for i, gone in enumerate(withheld)
        ]

    def apart(self, outputs: Sequence[Array], verdicts: Verdicts) -> list[bytes]:
        """The same without the outputs; `withheld` is true where those are masked."""
        marks = self._marks(verdicts)
        between = None if self._value is None else self._intervals(outputs[self._value])
        return [
            (b'{"withheld":true,' if gone else b"{" + (between[i] if between else b"")) + marks[i]
            for i, gone in enumerate(_withheld(verdicts))
        ]

    def _intervals(self, values: Array) -> list[bytes]:
        radius = self._radius or 0.0
        flat: list[float] = values.reshape(-1).tolist()
        return [b'"interval":[%.7g,%.7g],' % (v - radius, v + radius) for v in flat]

    def _marks(self, verdicts: Verdicts) -> list[bytes]:
        """Confidence, set, p-value, decision and reasons of each row."""
        weighed, strange = verdicts.confidences(), verdicts.p_values()
        sure = None if weighed is None else weighed.tolist()
        novel = None if strange is None else strange.tolist()
        codes: list[int] = verdicts.codes.tolist()
        found: list[bytes] = []
        for row, code in enumerate(codes):
            text = b""
            if sure is not None and code < ABSTAINED:
                text = b'"confidence":%b,"set":%b,' % (_number(sure[row]), self._set(verdicts, row))
            if novel is not None:
                text += self._p_novel(novel[row])
            reasons = verdicts.reasons.get(row)
            if code == SERVED and not reasons:
                found.append(text + _SERVED)
            else:
                found.append(text + _DECISIONS[code] + orjson.dumps(reasons or []) + b"}")
        return found

    def _p_novel(self, value: float) -> bytes:
        """There are only so many p-values as rows were kept aside, so each is written once."""
        found = self._p_values.get(value)
        if found is None:
            if len(self._p_values) >= _P_VALUES_KEPT:
                self._p_values.clear()
            found = self._p_values[value] = b'"p_novel":%b,' % _number(value)
        return found

    def _set(self, verdicts: Verdicts, row: int) -> bytes:
        names = verdicts.likely(row) if verdicts.likely is not None else ()
        if names is None:
            return b"null"
        found = self._sets.get(names)
        if found is None:
            if len(self._sets) >= _SETS_KEPT:
                self._sets.clear()
            found = orjson.dumps([str(self._named.get(name, name)) for name in names])
            self._sets[names] = found
        return found


def _withheld(verdicts: Verdicts) -> list[bool]:
    """Which rows the caller gets no outputs of."""
    found = verdicts.codes >= ABSTAINED
    return (found if verdicts.hidden is None else found | verdicts.hidden).tolist()


def _number(value: float) -> bytes:
    """A share as people read it: six places, and a point even in 1.0."""
    return orjson.dumps(round(value, 6))
