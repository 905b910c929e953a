"""JSON as clients of TensorFlow Serving write it: with NaN, Infinity and -Infinity for numbers."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from fairlead.core.errors import MalformedBody
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.tensor import Array
from fairlead.inputs import strict_json

_WORD = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?\bInfinity\b|\bNaN\b', re.S)

_NULL = re.compile(b"null")
_WORDS = {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}


def loads(body: bytes, limits: BodyLimits = STANDARD) -> Any:
    """The JSON value in `body`, read as strictly as any other but for the three words.

    Raises as `strict_json.loads`.
    """
    if b"NaN" not in body and b"Infinity" not in body:
        return strict_json.loads(body, limits)
    strict_json.loads(_WORD.sub(_number, body), limits)  # every limit holds of the same text
    try:
        return json.loads(body)
    except ValueError as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def spelt(texts: list[bytes], array: Array) -> list[bytes]:
    """The texts of an array, in which null stands for what is no number, with the words for it.

    texts: the elements in their order, in as many pieces as you like.
    """
    if array.dtype.kind != "f":
        return texts
    finite = np.isfinite(array)
    if finite.all():
        return texts
    words = iter([_WORDS[str(value)] for value in array[~finite].tolist()])
    return [_NULL.sub(lambda _: next(words), text) for text in texts]


def _number(found: re.Match[bytes]) -> bytes:
    """A word as a number that any parser reads; strings stay as they are."""
    text = found.group()
    return text if text.startswith(b'"') else b"0"
