"""JSON as a server must read it: bounded depth, no key twice, no NaN, no silent change.

orjson does the parsing. What it forgives is refused here, at the price of two scans for single
bytes on well-formed input: the exact checks run only when those scans cannot rule trouble out.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from fairlead.core.errors import DuplicateName, JsonTooDeep, MalformedBody, TextInvalid

MAX_DEPTH = 100
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def loads(body: bytes) -> Any:
    """The JSON value in `body`.

    Raises MalformedBody, JsonTooDeep (beyond 100 levels), DuplicateName, TextInvalid (a NUL).
    """
    value = parse(body)
    check_unique(body, _keys(value))
    return value


def check_unique(body: bytes, keys: int) -> None:
    """Raises DuplicateName when a key stands twice in one object of `body`.

    keys: how many keys the parsed value has, or fewer. Every key costs a colon, so as many keys
    as colons means that none was lost to a twin; otherwise the body is read again, exactly.
    """
    if body.count(b":") != keys:
        _check_duplicates(body)


def parse(body: bytes) -> Any:
    """As `loads`, but a key given twice passes: the caller owes `check_unique`."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise MalformedBody("the body is empty", fix="Send a JSON document") from None
        raise MalformedBody(
            f"the body is not valid JSON: {error.msg}",
            where=f"line {error.lineno}, column {error.colno}",
        ) from None
    if b"\\u0000" in body:
        raise TextInvalid("text must not hold a NUL character", where="\\u0000 in the body")
    return value


def _keys(value: Any) -> int:
    """A count of object keys that is never too high.

    Looking only at the first element of a list may count too few; then the exact check decides.
    """
    kind: Any = value.__class__
    if kind is dict:
        count = len(value)
        for inner in value.values():
            kind = inner.__class__
            if kind is dict or (kind is list and inner and inner[0].__class__ in (dict, list)):
                count += _keys(inner)
        return count
    if kind is list and value and value[0].__class__ is dict:
        return sum(map(_keys, value))
    return 0


def _check_depth(body: bytes) -> None:
    depth = 0
    for byte in _STRING.sub(b"", body).translate(None, delete=_NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonTooDeep(f"the body is nested deeper than {MAX_DEPTH} levels")
        else:
            depth -= 1


_NOT_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")


def _check_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateName(f"the key {key[:80]!r} is given twice in one object")
            seen.add(key)

    try:
        # Numbers stay text: the standard parser would refuse integers of 5,000 digits.
        json.loads(body, object_pairs_hook=unique, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the body is not valid JSON: {type(error).__name__}") from None
