"""How a new version takes the place of the one before: `[rollout]` in model.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import RolloutChoice
from fairlead.packages.section import Known, section


def _number(least: float, most: float) -> Callable[[Any], bool]:
    """Above `least`, and at most `most`."""
    return lambda v: type(v) in (int, float) and isfinite(v) and least < v <= most


def _one_of(*texts: str) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(texts)}", lambda v: v in texts


_POINTS = ("a number above 0 and at most 100", _number(0, 100))
_ROLLOUT: Known = {
    "mode": _one_of("canary", "shadow", "none"),
    "share": ("a number above 0 and at most 0.5", _number(0, 0.5)),
    "assignment": _one_of("random", "caller"),
    "automatic": ("true or false", lambda v: isinstance(v, bool)),
    "error_points": _POINTS,
    "latency_factor": ("a number above 1.1 and at most 100", _number(1.1, 100)),
    "decision_points": _POINTS,
    "prediction_points": _POINTS,
    "requests": (
        "a whole number from 100 to 1000000000",
        lambda v: type(v) is int and 100 <= v <= 1_000_000_000,
    ),
    "otherwise": _one_of("promote", "rollback"),
    "minutes": (
        "a number from 0 to 100000",
        lambda v: type(v) in (int, float) and 0 <= v <= 100_000,
    ),
}
"""The keys of [rollout]: what each must be, in words, and whether a value is."""

KEYS = tuple(field.name for field in fields(RolloutChoice))


def rollout_of(words: Mapping[str, Any], where: str) -> RolloutChoice:
    """How the version is rolled out. Raises PackageInvalid, with the nearest key for a wrong one.

    words: the sections of a model.toml, of which [rollout] is a table where it is there.
    """
    given = section(words, "rollout", _ROLLOUT, where)
    if given and "mode" not in given:
        raise PackageInvalid(
            "model.toml: [rollout] says no mode, so nothing in it would count",
            where=where,
            fix='mode = "canary", or "shadow"',
        )
    return RolloutChoice(**given)
