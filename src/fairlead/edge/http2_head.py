"""Header blocks of HTTP/2 to heads of requests, under the same limits as over HTTP/1.

A client sends the same few bytes for the same headers as long as its table stays as it is, so a
block that was read before is not read again: equal bytes under an equal table mean an equal head.
"""

from __future__ import annotations

import re
from typing import Any

import hpack

from fairlead.core.call import Head
from fairlead.core.errors import BadParameter, BadRequestHead, FairleadError
from fairlead.edge.grpc import TIMEOUT
from fairlead.edge.heads import HeadParts, HttpLimits, check_address, read_wishes
from fairlead.edge.http2_frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFault
from fairlead.edge.trace import TRACEPARENT

_BLOCKS_KEPT = 64
_BLOCK_BYTES_KEPT = 2048
_TABLE_BYTES = 4096
_PSEUDO = frozenset((b":method", b":path", b":scheme", b":authority"))
_OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+\Z")
_DURATION = re.compile(r"([0-9]{1,8})([HMSmun])\Z", re.ASCII)
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GRPC = "application/grpc"


class HeadReader:
    """Reads the header blocks of one connection, in order."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._decoder = hpack.Decoder(limits.head)
        self._decoder.max_allowed_table_size = _TABLE_BYTES
        self._known: dict[bytes, Head] = {}
        self._changed = False

    def known(self, block: bytes) -> Head | None:
        """The head of a block that was read before and kept."""
        return self._known.get(block)

    def keep(self, block: bytes, head: Head) -> None:
        """Keeps the head of the block that was read last; it must not be changed any more.

        A block that changed the table is not kept: it must be read every time it comes.
        """
        if self._changed or any(name == TRACEPARENT for name, _ in head.echo):
            # What belongs to a trace hardly comes twice; and a broken one is replaced each time.
            return
        if len(block) <= _BLOCK_BYTES_KEPT and "expect" not in head.headers:
            if len(self._known) >= _BLOCKS_KEPT:
                self._known.clear()
            self._known[block] = head

    def lines(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The header lines of a block. Raises ConnectionFault: without it no other can be read.

        A block that changes the table makes forgotten what was kept under the old one.
        """
        # The libraries' own words for what stands in the table; its newest entry comes first.
        entries: Any = self._decoder.header_table.dynamic_entries
        before = len(entries), entries[0] if entries else None
        try:
            found: Any = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError:
            # The block was not read to its end, so the table is not what the other side thinks.
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the headers are too large") from None
        except (hpack.HPACKError, ValueError, IndexError, UnicodeError) as error:
            raise ConnectionFault(COMPRESSION_ERROR, f"headers: {type(error).__name__}") from None
        self._changed = before[0] != len(entries) or (entries and before[1] is not entries[0])
        if self._changed:
            self._known.clear()
        return found

    def head(self, block: bytes) -> tuple[Head, FairleadError | None]:
        """The head of a request, without a route yet, and why it is not allowed, if it is not.

        Raises ConnectionFault.
        """
        parts, pseudo = HeadParts(), dict[bytes, str]()
        unknown: Any = None
        lines = self.lines(block)
        head = Head("", "", "", parts.headers, -1, True, unknown, self._limits.request_s)
        try:
            for name, value in lines:
                if name[:1] == b":":
                    _take_pseudo(parts, pseudo, name, value)
                else:
                    _check_line(name, value)
                    parts.add(name, value, self._limits)
            self._finish(head, parts, pseudo)
        except FairleadError as error:
            return head, error
        return head, None

    def _finish(self, head: Head, parts: HeadParts, pseudo: dict[bytes, str]) -> None:
        """Fills a head. Raises BadRequestHead and the like."""
        method, path = pseudo.get(b":method", ""), pseudo.get(b":path", "")
        if not method or not path or b":scheme" not in pseudo:
            raise BadRequestHead("method, scheme and path are needed", where="request")
        headers = parts.headers
        authority = pseudo.get(b":authority", "")
        if authority and headers.setdefault("host", authority) != authority:
            raise BadRequestHead("host and :authority differ", where="host")
        parts.add_url(path.encode("latin-1"), self._limits)
        head.method = method
        head.path, head.query = check_address(path, headers.get("host", "-"))
        length = headers.get("content-length", "-1")
        if not re.fullmatch(r"-1|[0-9]{1,18}", length):
            raise BadRequestHead("this is no length", where="content-length")
        head.length = int(length)
        if is_grpc(head):
            _read_grpc_wishes(head, self._limits)
        else:
            read_wishes(head, self._limits)


def is_grpc(head: Head) -> bool:
    """Whether a request speaks gRPC."""
    kind = head.headers.get("content-type", "")
    # What goes on otherwise is another protocol, such as gRPC-Web.
    return kind.startswith(_GRPC) and kind[len(_GRPC) : len(_GRPC) + 1] in ("", "+", ";")


def _take_pseudo(parts: HeadParts, pseudo: dict[bytes, str], name: bytes, value: bytes) -> None:
    if name not in _PSEUDO or name in pseudo or parts.headers:
        raise BadRequestHead("a pseudo-header is unknown, given twice or late", where="request")
    if b"\0" in value or b"\r" in value or b"\n" in value:
        raise BadRequestHead("a header holds a control character", where="request")
    pseudo[name] = value.decode("latin-1")


def _check_line(name: bytes, value: bytes) -> None:
    if not _NAME.match(name):
        raise BadRequestHead("a header's name is not allowed", where="request")
    if name in _OF_A_CONNECTION or (name == b"te" and value != b"trailers"):
        raise BadRequestHead(
            "this header has no place in HTTP/2", where=name.decode("latin-1")[:80]
        )


def _read_grpc_wishes(head: Head, limits: HttpLimits) -> None:
    """As `read_wishes`, with gRPC's own deadline. Raises BadParameter."""
    timeout = head.headers.get(TIMEOUT)
    read_wishes(head, limits)
    if timeout is None:
        return
    found = _DURATION.match(timeout)
    if found is None:
        raise BadParameter("this is no timeout of gRPC", where=TIMEOUT)
    head.patience = min(int(found[1]) * _UNITS[found[2]], limits.request_max_s)
