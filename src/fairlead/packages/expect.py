"""What the owner expects of a model once it is served: `[expect]` in model.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from fairlead.core.package import Expectation
from fairlead.packages.section import Known, section

_LONGEST = 500


def _number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and 0 < value <= 1e9


_EXPECT: Known = {
    "requests_per_second": ("a number above 0", _number),
    "rows_per_request": (
        "a whole number from 1 to 1000000",
        lambda v: type(v) is int and 1 <= v <= 1_000_000,
    ),
    "latency_ms": ("a number above 0", _number),
    "callers_mbit": ("a number above 0", _number),
    "cost": (
        f"one sentence of at most {_LONGEST} characters",
        lambda v: isinstance(v, str) and len(v) <= _LONGEST and (v == "" or v.isprintable()),
    ),
}
"""The keys of [expect]: what each must be, in words, and whether a value is."""

KEYS = tuple(field.name for field in fields(Expectation))


def expectation_of(words: Mapping[str, Any], where: str) -> Expectation:
    """What the owner expects. Raises PackageInvalid, with the nearest key for one that is unknown.

    words: the sections of a model.toml, of which [expect] is a table where it is there.
    """
    return Expectation(**section(words, "expect", _EXPECT, where))
