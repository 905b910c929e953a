"""W3C Trace Context: the trace of many services to which a request belongs.

A caller's trace comes back with the answer and stands in the log, so that both sides can be laid on
top of each other. Where the server makes spans, the answer names ours.
"""

from __future__ import annotations

import os
import re

from fairlead.core.call import Trace
from fairlead.serving.tracing import span_id

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?\Z")
_VERSION = "00"
_NONE_SUCH = "ff"
_SAMPLED = 1
_LONGEST_STATE, _MOST_MEMBERS = 512, 32
"""What must be passed on of a trace's state, and how many systems may have noted something."""


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


def joined(given: str, state: str) -> tuple[str, Trace]:
    """What the answer says of a caller's trace where we make a span of the request, and its place.

    state: the caller's `tracestate`, "" for none; one that is too long is left out, as one without
    a trace of its own is.
    """
    trace = trace_of(given)
    identity, parent, flags = trace[3:35], trace[36:52], trace[53:55]
    began_here = identity not in given
    if began_here or len(state) > _LONGEST_STATE or state.count(",") >= _MOST_MEMBERS:
        state = ""
    sampled = bool(int(flags, 16) & _SAMPLED)
    place = Trace(identity, "" if began_here else parent, span_id(), sampled, state)
    return f"{_VERSION}-{identity}-{place.span}-{flags}", place


def _new() -> str:
    """A trace that begins here, of which nothing is sampled."""
    return f"{_VERSION}-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
