"""JSON as clients of TensorFlow Serving write it: with NaN, Infinity and -Infinity for numbers."""

from __future__ import annotations

import json
import re
from typing import Any

from fairlead.core.errors import MalformedBody
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.inputs import strict_json

_WORD = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?\bInfinity\b|\bNaN\b', re.S)


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


def _number(found: re.Match[bytes]) -> bytes:
    """A word as a number that any parser reads; strings stay as they are."""
    text = found.group()
    return text if text.startswith(b'"') else b"0"
