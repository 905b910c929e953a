"""What the bodies of a request and of its answer may be, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds that the wires keep.

    depth:  levels of nesting of JSON.
    parsed: bytes of memory that parsed JSON may take, by an estimate that is never too low.
    answer: bytes of an answer's body.
    """

    depth: int = 100
    parsed: int = 64 << 20
    answer: int = 64 << 20


STANDARD = BodyLimits()
"""The limits without any settings."""
