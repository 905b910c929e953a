"""How much of an answer a caller is given: the owner's level, or less for whom is suspected.

Nothing is added to an answer here, only taken away, and only from the rows of those calls; an
output keeps its name, type and shape, so that no client breaks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.core.call import Call
from fairlead.core.decision import Verdicts
from fairlead.core.errors import DtypeMismatch, DtypeRange, FairleadError, NotFinite
from fairlead.core.package import DISCLOSURES
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array

WHOLE = ("full", "columns")
"""The levels at which every output is given as it is."""

_RANKS = {level: rank for rank, level in enumerate(DISCLOSURES)}
_BY_RESPONSE = {"coarse": "banded", "label": "label"}
_BANDS = 10
_DIGITS = 2
_LEAST_STEP = float(np.finfo(np.float64).tiny)
"""Smaller numbers have no digits to spare."""


_VALUED = (DtypeMismatch, DtypeRange, NotFinite)
"""Errors that show the value which is wrong."""


def discreet(private: Collection[str], error: FairleadError) -> FairleadError:
    """The error without the value, where that may be one of a private column."""
    if not private or not isinstance(error, _VALUED) or error.row is None:
        return error
    if error.column is not None and error.column not in private:
        return error
    return type(error)(
        "the value is not one that the model takes there",
        where=error.where,
        fix=error.fix,
        row=error.row,
        column=error.column,
    )


def discreet_alarms(
    disclosure: str, private: Collection[str], alarms: Sequence[Mapping[str, str]]
) -> list[str]:
    """Alarms of drift in words; below `full`, and of private columns, only which column it is."""
    return [
        alarm["words"]
        if disclosure == "full" and alarm["column"] not in private
        else f"{alarm['column']}: has moved"
        for alarm in alarms
    ]


def level_of(call: Call) -> str:
    """How much this caller is given of this version's answers."""
    served = call.lease
    caller = call.caller
    level: str = served.package.guards.disclosure
    if caller.disclosure:
        level = max(level, caller.disclosure, key=_RANKS.__getitem__)
    if caller.account in served.suspects:
        less = _BY_RESPONSE.get(served.package.guards.misuse, level)
        level = max(level, less, key=_RANKS.__getitem__)
    return level


def _all_is_given(calls: Sequence[Call]) -> bool:
    """Whether nobody's level can be below the owner's, which withholds nothing."""
    served = calls[0].lease
    if served.package.guards.disclosure not in WHOLE or served.suspects:
        return False
    return not any([call.caller.disclosure for call in calls])


def disclose(
    calls: Sequence[Call], outputs: list[Array], verdicts: Verdicts | None
) -> tuple[list[Array], Verdicts | None]:
    """The outputs and verdicts of the joined rows, with what some callers are not given gone."""
    served = calls[0].lease
    if _all_is_given(calls):
        return outputs, verdicts
    batched = served.package.signature.batched
    start = 0
    copied = False
    for call in calls:
        rows = slice(start, start + call.rows)
        start += call.rows
        level = level_of(call)
        if level == served.package.guards.disclosure and level in WHOLE:
            continue
        if not copied:
            copied = True
            outputs = [array.copy() for array in outputs]
            verdicts = _copy(verdicts)
        for spec, array in zip(calls[0].encoder.specs, outputs, strict=True):
            # Without rows, all of an output belongs to the one call.
            mine = rows if batched else ...
            array[mine] = _reduced(spec, array[mine], level)
        if verdicts is not None:
            _reduce(verdicts, rows, level)
    return outputs, verdicts


def reasons_for(call: Call, verdicts: Verdicts) -> Mapping[int, list[str]]:
    """Why rows are not simply served, in the words that this caller is given."""
    level = level_of(call)
    whole = level in WHOLE and level == call.lease.package.guards.disclosure
    return verdicts.reasons if whole else verdicts.less


def _reduced(spec: TensorSpec, values: Array, level: str) -> Array:
    if level in WHOLE:
        return values
    if level == "set" or (level == "label" and spec.role not in ("scores", "label", "value")):
        return np.full_like(values, "" if values.dtype.kind in "OUST" else 0)
    if spec.role == "scores":
        if level == "banded":
            return np.round(values * _BANDS) / _BANDS
        if values.ndim < 2 or values.shape[-1] < 2:
            return np.round(values)  # of the second of two classes
        certain: Array = np.eye(values.shape[-1], dtype=values.dtype)
        return certain[values.argmax(axis=-1)]
    number = values.dtype.kind in ("fiu" if spec.role == "value" else "f")
    return _rounded(values) if number and spec.role != "label" else values


def _rounded(values: Array) -> Array:
    """Numbers with two digits that count."""
    wide = values.astype(np.float64)
    size = np.where(wide == 0, 1.0, np.abs(wide))
    step = np.maximum(10.0 ** (np.floor(np.log10(size)) - _DIGITS + 1), _LEAST_STEP)
    kind: Any = np.finfo if values.dtype.kind == "f" else np.iinfo
    # The largest integer of 64 bits is no float; the float below it is.
    most = float(np.nextafter(float(kind(values.dtype).max), 0.0))
    with np.errstate(over="ignore"):
        found = np.clip(np.round(wide / step) * step, float(kind(values.dtype).min), most)
    return found.astype(values.dtype)


def _copy(verdicts: Verdicts | None) -> Verdicts | None:
    """Verdicts of which shares may be changed; others go on looking at the first ones."""
    if verdicts is None:
        return None
    p_novel, sure = verdicts.p_values(), verdicts.confidences()
    return replace(
        verdicts,
        confidence=None if sure is None else sure.copy(),
        p_novel=None if p_novel is None else p_novel.copy(),
        reasons=dict(verdicts.reasons),
        hidden=np.zeros(len(verdicts.codes), dtype=bool),
    )


def _reduce(verdicts: Verdicts, rows: slice, level: str) -> None:
    verdicts.reasons |= {
        row: w for row, w in verdicts.less.items() if rows.start <= row < rows.stop
    }
    if level in WHOLE:
        return  # the answer is whole; only what training rows held is not told
    for shares in (verdicts.confidences(), verdicts.p_values()):
        if shares is not None:
            known = np.round(shares[rows] * _BANDS) / _BANDS
            shares[rows] = known if level == "banded" else np.nan
    if verdicts.hidden is not None:
        verdicts.hidden[rows] = level == "set"
    likely = verdicts.likely
    if level != "set" and likely is not None:
        there = range(rows.start, rows.stop)
        verdicts.likely = lambda row: None if row in there else likely(row)
