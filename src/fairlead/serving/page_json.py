"""JSON of status pages for processes that write them while calls wait.

Python's own takes milliseconds for a page of hundreds of versions. orjson takes no text that is no
text, as the name of a folder may be; then Python's own does it.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


class PageJson:
    """What writes and reads the content of a page fast, and whatever Python's own does."""

    def dumps(self, content: Any, /) -> bytes:
        """An object as JSON."""
        try:
            return orjson.dumps(content)
        except TypeError:
            return json.dumps(content).encode()

    def loads(self, raw: bytes, /) -> Any:
        """The inverse, whoever has written it."""
        try:
            return orjson.loads(raw)
        except ValueError:
            return json.loads(raw)
