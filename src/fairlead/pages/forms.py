"""What a form of ours brings: its fields, checked to be ours, and the row that they say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fairlead.access.sessions import Sessions
from fairlead.core.call import Head
from fairlead.core.clock import wall_ns
from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    MalformedBody,
    MediaTypeUnsupported,
    MissingField,
    OriginRefused,
)
from fairlead.inputs.multipart import parts_of
from fairlead.pages.control import PREFIX, Control

SEAL = "seal"
_MOST_FIELDS = 4096
_MOST_PLAIN = 1 << 20
_PLAIN, _PARTS = "application/x-www-form-urlencoded", "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form by name: texts, and files that are not empty."""

    texts: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def form_of(head: Head, body: bytes, sessions: Sessions, *, files: bool = False) -> Form:
    """The form in a body. files: it may bring some, and be as large as they are.

    Raises what `fields_of` does, and OriginRefused for one that no page of ours has sent in this
    session.
    """
    form = fields_of(head, body, files=files)
    session = sessions.read(head.headers, wall_ns())
    if session is not None and not sessions.is_ours(session, form.texts.get(SEAL, "")):
        raise OriginRefused(
            "this form is not of this session", where=SEAL, fix="Open the page again, and send it"
        )
    return form


def fields_of(head: Head, body: bytes, *, files: bool = False) -> Form:
    """The form in a body, whoever has sent it. files: as of `form_of`.

    Raises MediaTypeUnsupported, MalformedBody and BodyTooLarge.
    """
    media = head.headers.get("content-type", "")
    kind = media.partition(";")[0].strip().lower()
    if len(body) > _MOST_PLAIN and not (files and kind == _PARTS):
        raise BodyTooLarge(f"the form has {len(body)} bytes; {_MOST_PLAIN} is the limit")
    if kind == _PLAIN:
        return _of_text(body)
    if kind == _PARTS:
        return _of_parts(body, media)
    raise MediaTypeUnsupported("a page is sent the fields of its form", fix=f"Send {_PLAIN}")


def _of_text(body: bytes) -> Form:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise MalformedBody("the form cannot be read", where="body") from None
    return Form(dict(pairs))


def _of_parts(body: bytes, media: str) -> Form:
    texts: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, data in parts_of(body, media, _MOST_FIELDS):
        if name in ("csv", "picture") or name.startswith("picture."):
            if data:
                files[name] = data
            continue
        try:
            texts[_field_name(name)] = data.decode()
        except UnicodeDecodeError:
            raise MalformedBody(f"the field {name[:80]!r} is not UTF-8", where=name[:80]) from None
    return Form(texts, files)


def _field_name(name: str) -> str:
    """A name as it stands in the form: browsers write a quote and line ends as %22, %0D and %0A."""
    for written, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(written, meant)
    return name


def row_of(form: Form, wanted: Sequence[Control]) -> dict[str, Any]:
    """The row that a form says, as `POST /predict/MODEL` takes it.

    Raises DtypeMismatch and MissingField, which name the value.
    """
    row: dict[str, Any] = {}
    for control in wanted:
        if control.kind == "picture":
            row[control.name] = _picture(form, control)
            continue
        text = form.texts.get(PREFIX + control.name, "")
        row[control.name] = _value(control, text)
    return row


def _picture(form: Form, control: Control) -> str:
    from base64 import b64encode

    data = form.files.get(f"picture.{control.name}")
    if data is None:
        raise MissingField("no picture was chosen", where=control.name, fix="Choose a file")
    return b64encode(data).decode()


def _value(control: Control, text: str) -> Any:
    kind, plain = control.kind, text.strip()
    if kind in ("text", "choice", "long"):
        return text.replace("\r\n", "\n")
    if not plain:
        if control.optional:
            return None
        raise MissingField(
            f"{control.name[:80]!r} is empty", where=control.name, fix="Enter a value"
        )
    if kind == "truth":
        return plain == "true"
    try:
        value = json.loads(plain, parse_constant=_no_number)
    except (ValueError, RecursionError):
        what = "JSON" if kind == "json" else "a number"
        raise DtypeMismatch(
            f"{control.name[:80]!r} is not {what}: {plain[:40]!r}",
            where=control.name,
            fix="Write a number such as 4.2" if what == "a number" else "Write a list of numbers",
        ) from None
    return value


def _no_number(text: str) -> Any:
    raise ValueError(text)
