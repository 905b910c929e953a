"""What two sets of scopes allow both: a key's own, and its plan's.

An intersection is no scope that anybody could write: version 3, but only while it is not on trial;
version 3 while it is stable. Such are kept as selectors `3&` and `3&stable` among the named ones,
so that a caller is one set, however it came about, and costs one look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.core.access import ANY, HELD_BACK, Scope

_AND = "&"


class Allowed(NamedTuple):
    """What is allowed, as a `Caller` holds it: pairs in every version not on trial, and triples."""

    open: frozenset[tuple[str, str]]
    named: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, scopes: Iterable[Scope]) -> Allowed:
        """What scopes allow together."""
        every = [(scope.operation, scope.model, scope.selector) for scope in scopes]
        return cls(
            frozenset((operation, model) for operation, model, selector in every if not selector),
            frozenset(one for one in every if one[2]),
        )


class _Selected(NamedTuple):
    """Which versions are meant: of a number, of a label, of both, or any; "" for any.

    proven: those on trial are not meant.
    """

    version: str = ""
    label: str = ""
    proven: bool = False

    def __str__(self) -> str:
        joined = _AND if self.version and (self.label or self.proven) else ""
        return f"{self.version}{joined}{self.label}"


_OPEN = _Selected(proven=True)


def selectors(version: int, label: str) -> list[str]:
    """Every selector that means a version of this number and label; 0 and "" where unknown."""
    number = str(version) if version else ""
    found = [one for one in (number, label) if one]
    if number and label:
        found.append(f"{number}{_AND}{label}")
    if number and label not in HELD_BACK:
        found.append(f"{number}{_AND}")
    return found


def both(one: Allowed, other: Allowed) -> Allowed:
    """What is allowed by both, and nothing else."""
    opened: set[tuple[str, str]] = set()
    named: set[tuple[str, str, str]] = set()
    others = list(_each(other))
    for operation, model, selected in _each(one):
        for operation_too, model_too, selected_too in others:
            if operation != operation_too or not (model == model_too or ANY in (model, model_too)):
                continue
            narrower = model_too if model == ANY else model
            found = _meet(selected, selected_too)
            if found == _OPEN:
                opened.add((operation, narrower))
            elif found is not None:
                named.add((operation, narrower, str(found)))
    return Allowed(frozenset(opened), frozenset(named))


def _each(allowed: Allowed) -> Iterator[tuple[str, str, _Selected]]:
    for operation, model in allowed.open:
        yield operation, model, _OPEN
    for operation, model, selector in allowed.named:
        yield operation, model, _read(selector)


def _read(selector: str) -> _Selected:
    version, joined, label = selector.partition(_AND)
    if joined:
        return _Selected(version, label, not label)
    return _Selected(version) if version.isdecimal() else _Selected("", version)


def _meet(one: _Selected, other: _Selected) -> _Selected | None:
    """The versions that both mean; None for none."""
    if one.version and other.version and one.version != other.version:
        return None
    if one.label and other.label and one.label != other.label:
        return None  # a version is reached by one label
    version, label = one.version or other.version, one.label or other.label
    proven = one.proven or other.proven
    if proven and label in HELD_BACK:
        return None
    return _Selected(version, label, proven and not label)
