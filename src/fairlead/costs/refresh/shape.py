"""What a price service says, taken apart; what is not as documented is named in the error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NoReturn, TypeGuard, cast

from fairlead.core.errors import PricesUnreachable

_FIX = "Try again later, or name a file of prices with --prices"


def unlike(service: str, what: str) -> NoReturn:
    """Raises PricesUnreachable: an answer is not in the documented shape."""
    raise PricesUnreachable(f"{service} answered otherwise than it documents: {what}", fix=_FIX)


def document(service: str, text: str | bytes) -> Mapping[str, Any]:
    """An object of JSON. Raises PricesUnreachable."""
    try:
        found = json.loads(text)
    except ValueError:
        unlike(service, "this is no JSON")
    if not isinstance(found, dict):
        unlike(service, "this is no JSON object")
    return cast("Mapping[str, Any]", found)


def mapping(service: str, whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object. Raises PricesUnreachable."""
    found = whole.get(name)
    if not isinstance(found, dict):
        unlike(service, f"{name!r} is no object")
    return cast("Mapping[str, Any]", found)


def listing(service: str, whole: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A member that is a list of objects. Raises PricesUnreachable."""
    found = whole.get(name)
    if not isinstance(found, list):
        unlike(service, f"{name!r} is no list")
    parts = cast("list[object]", found)
    if not all(isinstance(part, dict) for part in parts):
        unlike(service, f"{name!r} holds what is no object")
    return cast("Sequence[Mapping[str, Any]]", parts)


def is_object(found: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object of JSON."""
    return isinstance(found, dict)


def text(whole: Mapping[str, Any], name: str) -> str:
    """A member that is text; "" where it is not there."""
    found = whole.get(name)
    return found if isinstance(found, str) else ""


def day(service: str, told: str) -> str:
    """The date of a time such as "2026-11-20T18:00:00Z". Raises PricesUnreachable."""
    try:
        return date.fromisoformat(told[:10]).isoformat()
    except ValueError:
        unlike(service, f"{told[:40]!r} is no date")
