"""Can any value of a table of numbers break the contract? Nearly always none can.

That is seen in two or three numpy calls, however many columns there are; only where one may break
it is the contract asked column by column.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.guards.contract import Contract, Rule

_EXACT = 2.0**53
"""Bounds below it are the same number in double precision and as integers."""


class Screen:
    """The rules on the columns of one input, all of them at once.

    rules: by position along the input's last axis, None where a column has no rule.
    """

    def __init__(self, spec: TensorSpec, rules: Sequence[Rule | None]) -> None:
        low = [inf if r is None or r.minimum is None else -r.minimum for r in rules]
        high = [inf if r is None or r.maximum is None else r.maximum for r in rules]
        given = [abs(bound) for bound in (*low, *high) if bound != inf]
        self._opaque = any(bound >= _EXACT for bound in given)
        if spec.dtype.is_text:
            self._opaque = any(rule is not None for rule in rules)
        elif any(rule is not None and rule.choices for rule in rules):
            self._opaque = True
        self._bounded = bool(given)
        # Compared in the type in which the contract compares.
        kind = spec.dtype.numpy if spec.dtype.is_float else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            self._low, self._high = -np.array(low).astype(kind), np.array(high).astype(kind)
        required = [r is not None and r.required and spec.dtype.is_float for r in rules]
        self._required = np.flatnonzero(required)

    def passes(self, table: Array) -> bool:
        """Whether surely no value breaks a rule; False says only that one may."""
        if self._opaque:
            return False
        # A product with itself is finite only if no element is NaN, and costs less than a look
        # at each.
        if len(self._required) and not isfinite(float(np.vdot(table, table))):
            values: Any = table.reshape(len(table), -1)
            if np.isnan(values[:, self._required]).any():
                return False
        if not self._bounded:
            return True
        values = table.reshape(len(table), -1)
        return not (np.count_nonzero(values < self._low) or np.count_nonzero(values > self._high))


def screens(contract: Contract, signature: Signature) -> list[Screen]:
    """A screen for each input of a model."""
    by_name = {rule.name: rule for rule in contract.rules}
    found: list[list[Rule | None]] = [[] for _ in signature.inputs]
    for column in signature.columns:
        # An input's columns come in the order of their positions.
        found[column.input].append(by_name.get(column.name))
    return [Screen(spec, rules) for spec, rules in zip(signature.inputs, found, strict=True)]
