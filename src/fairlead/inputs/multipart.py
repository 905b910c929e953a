"""The parts of a `multipart/form-data` body, as browsers and curl send files."""

from __future__ import annotations

import re
from typing import NamedTuple

from fairlead.core.errors import MalformedBody, TooManyRows

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.I)
_NAME = re.compile(r';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', re.I)
_DISPOSITION = "content-disposition"
_MOST_HEAD = 8192


class Part(NamedTuple):
    """One part: the name of its field, and what is in it."""

    name: str
    data: bytes


def parts_of(body: bytes, media_type: str, most: int) -> list[Part]:
    """The parts of a body, in order.

    media_type: the whole header, with the boundary. Raises MalformedBody, TooManyRows for more than
    `most` parts.
    """
    found = _BOUNDARY.search(media_type)
    if found is None:
        raise MalformedBody("the content type names no boundary", where="content-type")
    line = b"--" + (found[1] or found[2]).encode()
    if not body.startswith(line):
        raise MalformedBody("the body does not begin with its boundary", where="body")
    pieces = body.split(b"\r\n" + line, most + 1)
    pieces[0] = pieces[0][len(line) :]
    if len(pieces) > most + 1:
        raise TooManyRows(f"the body has more than {most} parts")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise MalformedBody("the body ends before its last boundary", where="body")
    return [_part(piece, number) for number, piece in enumerate(pieces[:-1])]


def _part(piece: bytes, number: int) -> Part:
    head, blank, data = piece.partition(b"\r\n\r\n")
    if not blank or len(head) > _MOST_HEAD or head[:2] != b"\r\n":
        raise MalformedBody(f"part {number} has no head", where=f"part {number}")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == _DISPOSITION:
            field = _NAME.search(value)
            if field is not None:
                return Part(field[1] or field[2] or "", data)
    raise MalformedBody(f"part {number} does not say of which field it is", where=f"part {number}")
