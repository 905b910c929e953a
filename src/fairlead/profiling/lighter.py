"""Whether a lighter variant of a graph would do: made, loaded, timed and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.core.package import Package
from fairlead.core.promises import Runtime
from fairlead.packages.read import read_verified
from fairlead.packing.lighten import eight_bit
from fairlead.profiling.measuring import answers, measure
from fairlead.readiness.facts import Lighter, Measured

_WORTH_TRYING, _TOO_LARGE = 1 << 20, 512 << 20
"""Bytes of a graph: below, nobody minds it; above, trying would take longer than a check may."""


def with_lighter(package: Package, measured: Measured, runtimes: Mapping[str, Runtime]) -> Measured:
    """What was measured, and what 8-bit weights would make of it where that is worth trying."""
    fact = package.files.get(package.graph)
    if package.runtime != "onnx" or package.isolated or fact is None or not measured.answered:
        return measured
    if not _WORTH_TRYING <= fact.size <= _TOO_LARGE or package.decoupled or package.takes:
        return measured
    try:
        return replace(measured, lighter=_tried(package, runtimes))
    except FairleadError:
        return measured  # a graph that cannot be made lighter is no reason against it as it is


def _tried(package: Package, runtimes: Mapping[str, Runtime]) -> Lighter:
    light = eight_bit(read_verified(package, package.graph))

    def read(relative: str) -> bytes:
        return light if relative == package.graph else read_verified(package, relative)

    found = measure(package, runtimes, read)
    before, after = answers(package, runtimes), answers(package, runtimes, read)
    return Lighter(size=len(light), median_s=found.median_s, difference=_difference(before, after))


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """The largest difference between two answers; infinite where a text or a count differs."""
    largest = 0.0
    for name, values in before.items():
        pairs = zip(_flat(values), _flat(after[name]), strict=False)
        for one, other in pairs:
            if isinstance(one, str):
                largest = max(largest, 0.0 if one == other else float("inf"))
            else:
                largest = max(largest, abs(float(one) - float(other)))
    return largest


def _flat(values: Any) -> list[Any]:
    if not isinstance(values, list):
        return [values]
    found: list[Any] = []
    for value in values:  # pyright: ignore[reportUnknownVariableType]
        found += _flat(value)
    return found
