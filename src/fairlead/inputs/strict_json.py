"""JSON as a server must read it: bounded depth and memory, no key twice, no NaN, no silent change.

orjson does the parsing. What it forgives is refused here, at the price of two scans for single
bytes on well-formed input: the exact checks run only when those scans cannot rule trouble out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from fairlead.core.errors import (
    BodyTooLarge,
    DuplicateName,
    JsonTooDeep,
    MalformedBody,
    TextInvalid,
)
from fairlead.core.limits import STANDARD, BodyLimits

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_BACKSLASHES = re.compile(rb"\\++")
_STEP = np.zeros(256, np.int32)
_STEP[[*b"[{"]], _STEP[[*b"]}"]] = 1, -1
_PIECE = 1 << 18

# Bytes of memory per byte of JSON: a value with its place in a list, a list, an object, its entry.
_MEMORY = ((b",", 32), (b"[", 96), (b"{", 256), (b":", 40))
_MOST_PER_BYTE = 128
_LONG = 8 << 10


def loads(body: bytes, limits: BodyLimits = STANDARD) -> Any:
    """The JSON value in `body`.

    Raises MalformedBody, JsonTooDeep, BodyTooLarge (parsed, it would take too much memory),
    DuplicateName, TextInvalid (a NUL).
    """
    value = parse(body, limits)
    check_unique(body, _keys(value))
    return value


def check_unique(body: bytes, keys: int) -> None:
    """Raises DuplicateName when a key stands twice in one object of `body`.

    keys: how many keys the parsed value has, or fewer. Every key costs a colon, so as many keys
    as colons means that none was lost to a twin; otherwise the body is read again, exactly.
    """
    if _count(body, b":") != keys:
        _check_duplicates(body)


def parse(body: bytes, limits: BodyLimits = STANDARD) -> Any:
    """As `loads`, but a key given twice passes: the caller owes `check_unique`."""
    if _count(body, b"[") + _count(body, b"{") > limits.depth:
        _check_depth(body, limits.depth)
    check_memory(body, limits)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise MalformedBody("the body is empty", fix="Send a JSON document") from None
        raise MalformedBody(
            f"the body is not valid JSON: {error.msg}",
            where=f"line {error.lineno}, column {error.colno}",
        ) from None
    if b"\\" in body and b"\\u0000" in body and _NUL.search(body):
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


def _check_depth(body: bytes, most: int) -> None:
    if b'"' not in body and _is_table(body, most):
        return
    depth = 0
    for piece in _structure(body, b"[]{}"):
        levels = np.cumsum(_STEP[piece], dtype=np.int32) + depth
        if levels.size:
            if levels.max() > most:
                raise JsonTooDeep(f"the body is nested deeper than {most} levels")
            depth = int(levels[-1])


def _is_table(body: bytes, most: int) -> bool:
    """Whether little is left once the innermost lists are taken away three times."""
    left = body.translate(None, delete=_all_but(b"[]{}"))
    for _ in range(3):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return len(left) <= most - 3


def check_memory(body: bytes, limits: BodyLimits) -> None:
    """Raises BodyTooLarge when `body` could take more memory than the limit, parsed."""
    most = limits.parsed
    if len(body) * _MOST_PER_BYTE <= most:
        return
    if _memory(body) > most and sum(map(_memory, map(bytes, _structure(body, b"[]{},:")))) > most:
        raise BodyTooLarge(
            f"the body holds more values than {most >> 20} MiB of memory can",
            fix="Send fewer rows per request",
        )


def _structure(body: bytes, wanted: bytes) -> Iterator[NDArray[np.uint8]]:
    """The bytes of `wanted` that stand outside the strings of `body`, piece by piece."""
    others = _all_but(wanted + b'"')
    inside = start = 0
    while start < len(body):
        stop = start + _PIECE
        run = _BACKSLASHES.match(body, stop - 1)
        if run is not None:
            stop = run.end() + 1  # No piece ends within an escape.
        plain = body[start:stop].replace(rb"\\", b"").replace(rb"\"", b"")
        start = stop
        marks = np.frombuffer(plain.translate(None, delete=others), np.uint8)
        if marks.size:
            quotes = marks == ord('"')
            within = (np.cumsum(quotes, dtype=np.int32) + inside) & 1
            inside = int(within[-1])
            yield marks[(within == 0) & ~quotes]


def _all_but(kept: bytes) -> bytes:
    return bytes(b for b in range(256) if b not in kept)


def _memory(body: bytes) -> int:
    return sum(_count(body, mark) * size for mark, size in _MEMORY)


def _count(body: bytes, mark: bytes) -> int:
    """How often one byte occurs; `bytes.count` looks at them one by one, numpy at many at once."""
    if len(body) < _LONG:
        return body.count(mark)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == mark[0]))


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
