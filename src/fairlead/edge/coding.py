"""Bodies that travel compressed: requests are taken as gzip or deflate, answers given so if asked.

What a body is once it is decoded counts against the limits, not what came.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

from fairlead.core.call import Reply
from fairlead.core.errors import BodyTooLarge, MalformedBody, MediaTypeUnsupported

_WBITS = {"gzip": 31, "deflate": 15}
TAKEN = "identity, gzip, deflate"
_LEAST, _MOST = 1 << 10, 4 << 20
"""Bytes of an answer that is compressed; a smaller one gains nothing, a larger one takes long."""
_NONE = re.compile(r"0(\.0{0,3})?\Z", re.ASCII)


def taken(given: str) -> str:
    """The coding of a request's body, "" for none. Raises MediaTypeUnsupported."""
    coding = given.strip().lower()
    if coding in ("", "identity"):
        return ""
    if coding == "x-gzip":
        return "gzip"
    if coding in _WBITS:
        return coding
    raise MediaTypeUnsupported(
        f"content-encoding {given[:40]!r} is not taken here",
        fix="Send the body uncompressed, as gzip or as deflate",
    )


def wanted(given: str) -> str:
    """The coding that an answer may have by Accept-Encoding, "" for none."""
    if not given:
        return ""
    for part in given.split(","):
        name, _, quality = part.partition(";")
        coding = name.strip().lower()
        refused = quality and _NONE.match(quality.strip().lower().removeprefix("q=").strip())
        if coding in _WBITS and not refused:
            return coding
    return ""


def decoded(body: bytes, coding: str, most: int) -> bytes:
    """A body as it was before it was compressed.

    most: bytes that it may have. Raises BodyTooLarge, and MalformedBody for one that is not whole
    or goes on behind its end.
    """
    reader = zlib.decompressobj(_WBITS[coding])
    try:
        plain = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not {coding}: {error}", where="body") from None
    if len(plain) > most:
        raise BodyTooLarge(f"the body has more than {most} bytes once it is decoded")
    if not reader.eof or reader.unused_data or reader.unconsumed_tail:
        raise MalformedBody(f"the body is not one whole {coding} stream", where="body")
    return plain


def coded(reply: Reply, coding: str, tail: Sequence[bytes | memoryview] = ()) -> Reply | None:
    """The reply with its body compressed; None where that is not worth it.

    tail: pieces of the body behind `reply.body`.
    """
    size = len(reply.body) + sum(map(len, tail))
    if not _LEAST <= size <= _MOST:
        return None
    squeezer = zlib.compressobj(1, zlib.DEFLATED, _WBITS[coding])
    pieces = [squeezer.compress(piece) for piece in (reply.body, *tail)]
    body = b"".join((*pieces, squeezer.flush()))
    headers = (*reply.headers, ("content-encoding", coding), ("vary", "accept-encoding"))
    return replace(reply, body=body, headers=headers)
