"""JSON between our own processes, written and read fast, whatever is in it.

Python's own takes milliseconds for a page of hundreds of versions, while calls wait. orjson takes
no text that is no text, as the name of a folder may be; then Python's own does it.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


def dumps(content: Any, /) -> bytes:
    """An object as JSON. Raises TypeError for what is none."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content).encode()


def loads(raw: bytes, /) -> Any:
    """The inverse. Raises ValueError for what is none."""
    try:
        return orjson.loads(raw)
    except ValueError:
        try:
            return json.loads(raw)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
