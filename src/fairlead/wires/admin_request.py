"""What administrators send: a small JSON object, or a few words behind `?` in the address."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from fairlead.core.call import Head
from fairlead.core.errors import (
    BadParameter,
    BodyTooLarge,
    DuplicateName,
    JsonTooDeep,
    MalformedBody,
    MediaTypeUnsupported,
    TextInvalid,
)

MOST_BYTES = 1 << 20
_MOST_WORDS = 16
_DEPTH = 20


def json_object(head: Head, body: bytes) -> dict[str, Any]:
    """The JSON object of a request; no body is an empty one.

    Raises MediaTypeUnsupported, BodyTooLarge, MalformedBody, DuplicateName, JsonTooDeep and
    TextInvalid.
    """
    media = head.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media not in ("application/json", "application/x-www-form-urlencoded", ""):
        raise MediaTypeUnsupported(
            f"content type {media[:60]!r} is not taken here", fix="Send application/json"
        )
    if len(body) > MOST_BYTES:
        raise BodyTooLarge(f"the body has {len(body)} bytes; {MOST_BYTES} is the limit")
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise MalformedBody("the body is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise MalformedBody(f"the body is no JSON: {str(error)[:120]}") from None
    if not isinstance(value, dict):
        raise MalformedBody("the body must be an object", fix='Send {"name": "…"}')
    found = cast("dict[str, Any]", value)
    _check_depth(found, _DEPTH)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DuplicateName("a key stands twice in one object")
    return found


def _no_number(text: str) -> None:
    raise MalformedBody(f"{text} is no JSON")


def _check_depth(value: Any, left: int) -> None:
    """Raises JsonTooDeep, and TextInvalid for a NUL anywhere."""
    if left < 0:
        raise _too_deep()
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            _check_depth(name, left - 1)
            _check_depth(inner, left - 1)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            _check_depth(inner, left - 1)
    elif isinstance(value, str) and "\0" in value:
        raise TextInvalid("a text holds a NUL")


def _too_deep() -> JsonTooDeep:
    return JsonTooDeep(f"JSON nested deeper than {_DEPTH} levels")


def words(head: Head, *known: str) -> dict[str, str]:
    """What stands behind `?`, each word once. Raises BadParameter."""
    try:
        pairs = parse_qsl(
            head.query, keep_blank_values=True, strict_parsing=bool(head.query),
            max_num_fields=_MOST_WORDS, errors="strict",
        )  # fmt: skip
    except ValueError:
        raise BadParameter(
            "the part of the address behind ? cannot be read", where="address"
        ) from None
    found = dict(pairs)
    for name in found:
        if name not in known:
            listed = f"Known: {', '.join(known)}" if known else "Leave it out"
            raise BadParameter(f"there is no parameter {name[:40]!r}", where="address", fix=listed)
    if len(found) < len(pairs):
        raise BadParameter("a parameter is given twice", where="address")
    return found


def whole(given: dict[str, str], name: str) -> dict[str, int]:
    """The parameter as a whole number, nothing where it is not given. Raises BadParameter."""
    text = given.pop(name, None)
    if text is None:
        return {}
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadParameter(f"{name} must be a whole number", where="address")
    return {name: int(text)}


def segment(text: str) -> str:
    """A part of the address, percent-encoding undone once; what cannot be read fits nothing."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"
