"""The head of a request under limits: what httptools lets pass and a server must not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from fairlead.core.call import Head, Lines, Trace
from fairlead.core.errors import (
    BadParameter,
    BadRequestHead,
    HeadTooLarge,
    UrlTooLong,
)
from fairlead.edge.coding import taken, wanted
from fairlead.edge.trace import TRACEPARENT, TRACESTATE, joined, trace_of

REQUEST_ID, TIMEOUT = "x-request-id", "x-request-timeout"
USAGE_ID = "fairlead-usage-id"
"""The header of an answer that names the call in the journal; ours, never a caller's."""
_ONCE = frozenset(
    (
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "authorization",
        REQUEST_ID,
        TIMEOUT,
    )
)
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]+\Z", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9._~:/+=@|-]{1,128}\Z", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_MARKS = re.compile(
    rb"\r\n(x-request-(?:id|timeout)|trace(?:parent|state)):([^\r\n]*)(?=\r\n)", re.IGNORECASE
)
"""The header lines that may differ from request to request of one caller."""

_ONE_LINE = bytes.maketrans(b"\r\n\0", b"   ")


def line_value(text: str) -> bytes:
    """The value of a header of ours as it is sent: on one line, whatever somebody put into it.

    Source: RFC 9110, section 5.5.
    """
    return text.encode("latin-1", "replace").translate(_ONE_LINE)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one connection and of all.

    body, head, url: bytes; headers: count; chunks: count per body.
    connections, connections_per_ip: open at once (loopback peers are exempt from the latter).
    head_s, idle_s, request_s: seconds for a head to arrive, for an idle connection to stay, for
    an answer to be made when the caller does not say; request_max_s is the most they may say.
    spans: whether requests become spans, so that answers name ours and not the caller's.
    untaken: bytes of answers that callers have not taken, of all connections together.
    """

    body: int = 64 << 20
    head: int = 32 << 10
    url: int = 8 << 10
    headers: int = 100
    chunks: int = 65_536
    connections: int = 4096
    connections_per_ip: int = 256
    head_s: float = 10.0
    idle_s: float = 75.0
    request_s: float = 30.0
    request_max_s: float = 300.0
    spans: bool = False
    untaken: int = 256 << 20


class HeadParts:
    """A head while it is being read."""

    __slots__ = ("count", "headers", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.size = 0
        self.count = 0

    @property
    def path(self) -> str:
        """The address so far, for choosing the shape of an error."""
        return self.url.split(b"?", 1)[0].decode("latin-1")

    def add_url(self, url: bytes, limits: HttpLimits) -> None:
        """Appends a piece of the address. Raises HeadTooLarge."""
        self.url += url
        if len(self.url) > limits.url:
            raise UrlTooLong(f"the address is longer than {limits.url} bytes")

    def add(self, name: bytes, value: bytes, limits: HttpLimits) -> None:
        """Adds one header. Raises HeadTooLarge, or BadRequestHead for an ambiguous one."""
        self.count_header(name, value, limits)
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").strip(" \t")
        if "\0" in text or "\r" in text or "\n" in text:
            raise BadRequestHead("a header holds a control character", where=key[:80])
        if key in self.headers:
            if key in _ONCE:
                del self.headers[key]  # Neither of the two is believed.
                raise BadRequestHead(f"the header {key!r} is given twice", where=key)
            # RFC 9113, section 8.2.3: a browser sends each cookie in a line of its own.
            text = f"{self.headers[key]}{'; ' if key == 'cookie' else ', '}{text}"
        self.headers[key] = text

    def count_header(self, name: bytes, value: bytes, limits: HttpLimits) -> None:
        """Counts one header towards the limits. Raises HeadTooLarge."""
        self.count += 1
        self.size += len(name) + len(value) + 4
        if self.count > limits.headers or self.size > limits.head:
            raise HeadTooLarge(
                f"the head is larger than {limits.headers} headers or {limits.head} bytes"
            )

    def check_growth(self, fed: int, limits: HttpLimits) -> None:
        """Bounds what an unfinished head may buffer by the bytes fed to it. Raises HeadTooLarge."""
        self.size += fed
        if self.size > limits.head * 2:
            raise HeadTooLarge(f"the head is larger than {limits.head} bytes")


def make_head(parts: HeadParts, parser: Any, limits: HttpLimits) -> Head:
    """The finished head; its route is set by the router. Raises BadRequestHead and the like."""
    version = parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise BadRequestHead(f"HTTP/{version[:8]} is not spoken here", where="request line")
    headers = parts.headers
    if version == "1.1" and "host" not in headers:
        raise BadRequestHead("the header 'host' is missing", where="host")
    path, query = check_address(parts.url.decode("latin-1"), headers.get("host", "-"))
    length = _length(version, headers)
    if length and parser.should_upgrade():
        # The parser takes such a body for the other protocol, and we would take it for a request.
        raise BadRequestHead("a request with a body cannot change the protocol", where="upgrade")
    return Head(
        cast("bytes", parser.get_method()).decode("latin-1"),
        path,
        query,
        headers,
        length,
        bool(parser.should_keep_alive()),
        cast("Any", None),
        limits.request_s,
        old=version == "1.0",
    )


def check_address(target: str, host: str) -> tuple[str, str]:
    """Path and query of an address. Raises BadRequestHead."""
    if not target.isascii() or not target.startswith("/"):
        raise BadRequestHead("the address must be plain ASCII and begin with /", where="address")
    if not _HOST.match(host):
        raise BadRequestHead("the header 'host' is not a host", where="host")
    path, _, query = target.partition("?")
    return path, query


def read_wishes(head: Head, limits: HttpLimits) -> None:
    """Reads the caller's id, trace and patience. Raises BadParameter, MediaTypeUnsupported."""
    headers = head.headers
    trace = headers.pop(TRACEPARENT, None)
    head.echo, head.trace = _trace(trace, headers.pop(TRACESTATE, ""), limits)
    head.echo = (*_id(headers.pop(REQUEST_ID, None)), *head.echo)
    head.patience = patience(headers.pop(TIMEOUT, None), limits)
    if "content-encoding" in headers:
        head.coding = taken(headers["content-encoding"])
    if "accept-encoding" in headers:
        head.accepts = wanted(headers["accept-encoding"])


def _length(version: str, headers: dict[str, str]) -> int:
    """Bytes of the body, -1 when it comes in chunks. Raises BadRequestHead when it is unclear."""
    coding = headers.get("transfer-encoding")
    if coding is None:
        return int(headers.get("content-length", "0"))
    if coding.lower() != "chunked" or "content-length" in headers or version == "1.0":
        raise BadRequestHead("the length of the body is ambiguous", where="transfer-encoding")
    return -1


def is_request_id(text: str) -> bool:
    """Whether a caller's id of a request may be used."""
    return bool(_ID.match(text))


def request_id(given: str) -> str:
    """The caller's id of a request. Raises BadParameter."""
    if is_request_id(given):
        return given
    raise BadParameter(
        "a request id has 1 to 128 letters, digits and . _ ~ : / + = @ | -", where=REQUEST_ID
    )


def patience(given: str | None, limits: HttpLimits) -> float:
    """Seconds that the caller gives us, who may not ask for more than the limit."""
    if given is None:
        return limits.request_s
    if _MILLISECONDS.match(given):
        return min(int(given) / 1000, limits.request_max_s)
    raise BadParameter("a timeout is a whole number of milliseconds", where=TIMEOUT)


def _id(given: str | None) -> Lines:
    """The caller's id of a request for its answer. Raises BadParameter."""
    return () if given is None else ((REQUEST_ID, request_id(given)),)


def _trace(given: str | None, state: str, limits: HttpLimits) -> tuple[Lines, Trace | None]:
    """The trace of a request for its answer, and where the request stands in it."""
    if given is None:
        return (), None
    if not limits.spans:
        return ((TRACEPARENT, trace_of(given)),), None
    told, place = joined(given, state)
    return ((TRACEPARENT, told),), place


def echo_of_broken(parts: HeadParts | None) -> Lines:
    """What its caller knows a request by whose head is not whole, as far as it has come."""
    if parts is None:
        return ()
    given = parts.headers.get(REQUEST_ID, "")
    known = _id(given) if is_request_id(given) else ()
    trace = parts.headers.get(TRACEPARENT)
    return known if trace is None else (*known, (TRACEPARENT, trace_of(trace)))


def without_marks(raw: bytes) -> tuple[bytes, dict[str, str]]:
    """A raw head without request id, timeout and trace, and these; none is cut that comes twice."""
    found = [(n.decode().lower(), v.decode("latin-1")) for n, v in _MARKS.findall(raw)]
    marks = {name: value.strip(" \t") for name, value in found}
    if not marks or len(marks) != len(found):
        return raw, {}
    return _MARKS.sub(b"", raw), marks


def marked(head: Head, marks: dict[str, str], limits: HttpLimits) -> Head:
    """`head` as it is with these marks. Raises BadParameter."""
    trace, place = _trace(marks.get(TRACEPARENT), marks.get(TRACESTATE, ""), limits)
    return Head(
        head.method,
        head.path,
        head.query,
        head.headers,
        head.length,
        head.keep_alive,
        head.route,
        patience(marks.get(TIMEOUT), limits),
        (*_id(marks.get(REQUEST_ID)), *trace),
        head.coding,
        head.accepts,
        head.old,
        place,
    )
