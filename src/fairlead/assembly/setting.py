"""How one setting is declared: its default, what values it takes, what it means, its flag."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

from fairlead.assembly.kinds import Kind

_T = TypeVar("_T")


def setting(default: _T, kind: Kind, meaning: str, flag: str = "") -> _T:
    """A field of a section. flag: of `fairlead serve`, "" for none."""
    return field(default=default, metadata={"kind": kind, "meaning": meaning, "flag": flag})
