"""W3C Trace Context: the trace of many services to which a request belongs.

The server keeps no spans of its own: a caller's trace comes back with the answer and stands in the
log beside what fails, so that both sides can be laid on top of each other.
"""

from __future__ import annotations

import os
import re

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?\Z")
_VERSION = "00"
_NONE_SUCH = "ff"
_SAMPLED = 1


def trace_of(given: str) -> str:
    """A caller's `traceparent`, or a new one in place of one that is none.

    One of a later version is read as far as it is known here, and said in the version that is.
    """
    found = _PARENT.match(given)
    if found is None:
        return _new()
    version, trace, parent, flags, more = found.groups()
    if version == _NONE_SUCH or not int(trace, 16) or not int(parent, 16):
        return _new()
    if version == _VERSION:
        return _new() if more else given
    return f"{_VERSION}-{trace}-{parent}-{int(flags, 16) & _SAMPLED:02x}"


def _new() -> str:
    """A trace that begins here, of which nothing is sampled."""
    return f"{_VERSION}-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
