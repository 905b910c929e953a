"""One line of JSON per event, on standard error."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

_LONGEST = 1024


def log(event: str, **fields: object) -> None:
    """Writes one event; every field is escaped and cut to 1 KiB, so a line is a line."""
    line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
    line["event"] = event
    for key, value in fields.items():
        line[key] = value if isinstance(value, int | float) else str(value)[:_LONGEST]
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()
