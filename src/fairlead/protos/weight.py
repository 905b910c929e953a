"""How much memory a message takes when protobuf reads it, told from its bytes beforehand.

Two bytes can stand for an object of a hundred, so a body within its limit may ask for gigabytes.
"""

from __future__ import annotations

from typing import Any

from fairlead.core.errors import BodyTooLarge
from fairlead.protos.wire import BYTES, fields

LIGHT = 64 << 10
"""Bytes that weigh little whatever they say."""
_FIELD, _ELEMENT, _MESSAGE = 32, 96, 64
"""Bytes that a field takes, and what an element that is text or bytes and a message take beside."""
_FIXED, _VARIED = 2, -16
"""Bytes of memory for a byte of packed elements; for an element, where their sizes vary."""
_CONTINUED = bytes(range(128, 256))
_PIECE = 1 << 20
_Plan = dict[int, Any]
_PLANS: dict[str, _Plan] = {}


def check_weight(body: bytes, kind: Any, most: int) -> None:
    """Raises BodyTooLarge for a message that would take more than `most` bytes beside its texts.

    kind: the class of the message. Raises MalformedBody for what is no message.
    """
    if len(body) > LIGHT and _weighed(body, _plan(kind.DESCRIPTOR), 0, len(body), most) < 0:
        raise BodyTooLarge(
            f"the message would take more than {most} bytes once it is read",
            fix="Send tensors as bytes, and fewer rows per request",
        )


def _weighed(body: bytes, plan: _Plan, start: int, stop: int, left: int) -> int:
    """What is left of so many bytes, negative for nothing, behind the fields of a message."""
    for number, whole, begin, end in fields(body, start, stop, most=left // _FIELD + 1):
        left -= _FIELD
        # What is not known, or no bytes where bytes are known, is kept as it is.
        known: Any = plan.get(number, _ELEMENT) if body[whole] & 7 == BYTES else _ELEMENT
        if known.__class__ is dict:
            left = _weighed(body, known, begin, end, left - _MESSAGE) if left > _MESSAGE else -1
        elif known == _VARIED:
            left += _VARIED * _count(body, begin, end)
        else:
            left -= _ELEMENT if known == _ELEMENT else known * (end - begin)
        if left < 0:
            break
    return left


def _count(body: bytes, begin: int, end: int) -> int:
    """How many numbers of varied size stand in these bytes: each ends with a byte below 128."""
    return sum(
        len(body[at : min(at + _PIECE, end)].translate(None, _CONTINUED))
        for at in range(begin, end, _PIECE)
    )


def _plan(descriptor: Any) -> _Plan:
    """What the fields of a message weigh by number: a plan of their own, or bytes."""
    known = _PLANS.get(descriptor.full_name)
    if known is None:
        known = _PLANS[descriptor.full_name] = {}
        for one in descriptor.fields:
            if one.message_type is not None:
                known[one.number] = _plan(one.message_type)
            elif one.type in (one.TYPE_STRING, one.TYPE_BYTES):
                known[one.number] = _ELEMENT
            elif one.type in (one.TYPE_FLOAT, one.TYPE_DOUBLE, one.TYPE_FIXED32, one.TYPE_FIXED64):
                known[one.number] = _FIXED
            else:
                known[one.number] = _VARIED
    return known
