"""CloudEvents 1.0 over HTTP, around a request and its answer, as KServe's protocol has them.

In binary mode the headers are the event and the body is its data; in structured mode the body is
the whole event. The answer comes in the mode of the request.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from fairlead.core.call import Call, Encoder, Head, Reply
from fairlead.core.clock import wall_ns
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter, MalformedBody, MissingField
from fairlead.core.limits import BodyLimits
from fairlead.core.tensor import Array
from fairlead.inputs import loose_json, strict_json

Mode = Literal["", "binary", "structured"]
"""How a request is an event; "" for one that is none."""

MEDIA_TYPE = "application/cloudevents+json"
_ATTRIBUTES = ("specversion", "id", "source", "type")
_VERSION = "1.0"
_TYPE = "io.kserve.inference.response"


def opened(head: Head, body: bytes, limits: BodyLimits) -> tuple[Mode, Any]:
    """How a request is an event, and the JSON value that it carries.

    Raises MissingField and BadParameter for an event that is none, and what reading JSON raises.
    """
    headers = head.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE:
        event = strict_json.loads(body, limits)
        if event.__class__ is not dict:
            raise MalformedBody("an event must be a JSON object", where="body")
        _check(event)
        return "structured", _data(event, limits)
    if "ce-specversion" in headers:
        _check({name: headers.get(f"ce-{name}") for name in _ATTRIBUTES})
        return "binary", loose_json.loads(body, limits)
    return "", loose_json.loads(body, limits)


def _check(attributes: dict[str, Any]) -> None:
    for name in _ATTRIBUTES:
        if attributes.get(name).__class__ is not str or not attributes[name]:
            raise MissingField(f"the event has no {name}", where=name)
    if attributes["specversion"] != _VERSION:
        raise BadParameter(
            f"this is an event of version {attributes['specversion'][:20]!r}",
            where="specversion",
            fix=f"Send version {_VERSION}",
        )


def _data(event: dict[str, Any], limits: BodyLimits) -> Any:
    """What a structured event carries."""
    if ("data" in event) == ("data_base64" in event):
        raise MissingField("an event has either `data` or `data_base64`", where="body")
    if "data" in event:
        return event["data"]
    text = event["data_base64"]
    try:
        raw = b64decode(text, validate=True) if text.__class__ is str else b""
    except NotBase64:
        raw = b""
    if not raw:
        raise MalformedBody("the data is not base64", where="data_base64")
    return loose_json.loads(raw, limits)


class EventEncoder:
    """Makes an event of each answer of another encoder."""

    decides = False

    def __init__(self, inner: Encoder, mode: Mode, model: str) -> None:
        self.outputs, self.specs, self.most_rows = inner.outputs, inner.specs, inner.most_rows
        self._inner = inner
        self._structured = mode == "structured"
        self._source = f"io.kserve.inference.{model}"

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets payload and reply of every call."""
        self._inner.encode(calls, outputs, verdicts)
        time = datetime.fromtimestamp(wall_ns() / 1e9, UTC).isoformat()
        for call in calls:
            facts = {
                "specversion": _VERSION,
                "id": str(uuid4()),
                "source": self._source,
                "type": _TYPE,
                "time": time,
            }
            data = call.payload or b""
            if not self._structured:
                headers = tuple((f"ce-{name}", value) for name, value in facts.items())
                call.reply = Reply(200, data, headers=headers)
                continue
            pairs = "".join(f'"{name}":"{value}",' for name, value in facts.items())
            call.payload = b'{%b"datacontenttype":"application/json","data":%b}' % (
                pairs.encode(),
                data,
            )
            call.reply = Reply(200, call.payload, MEDIA_TYPE)
