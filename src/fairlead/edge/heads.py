"""The head of a request under limits: what httptools lets pass and a server must not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from fairlead.core.call import Head
from fairlead.core.errors import BadRequestHead, HeadTooLarge, MediaTypeUnsupported, UrlTooLong

_ONCE = frozenset(("host", "content-length", "content-type", "transfer-encoding", "authorization"))


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one connection and of all.

    body, head, url: bytes; headers: count; chunks: count per body.
    connections, connections_per_ip: open at once (loopback peers are exempt from the latter).
    head_s, idle_s, request_s: seconds for a head to arrive, for an idle connection to stay, for
    an answer to be made.
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
        self.count += 1
        self.size += len(name) + len(value) + 4
        if self.count > limits.headers or self.size > limits.head:
            raise HeadTooLarge(
                f"the head is larger than {limits.headers} headers or {limits.head} bytes"
            )
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if "\0" in text or "\r" in text or "\n" in text:
            raise BadRequestHead("a header holds a control character", where=key[:80])
        if key in self.headers:
            if key in _ONCE:
                raise BadRequestHead(f"the header {key!r} is given twice", where=key)
            text = f"{self.headers[key]}, {text}"
        self.headers[key] = text

    def check_growth(self, fed: int, limits: HttpLimits) -> None:
        """Bounds what an unfinished header may buffer. Raises HeadTooLarge."""
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
    target = parts.url.decode("latin-1")
    if not target.isascii() or not target.startswith("/"):
        raise BadRequestHead("the address must be plain ASCII and begin with /", where="address")
    path, _, query = target.partition("?")
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or "content-length" in headers):
        raise BadRequestHead("the length of the body is ambiguous", where="transfer-encoding")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaTypeUnsupported(
            f"content-encoding {headers['content-encoding'][:40]!r} is not taken here",
            fix="Send the body uncompressed",
        )
    length = -1 if coding is not None else int(headers.get("content-length", "0"))
    method = cast("bytes", parser.get_method()).decode("latin-1")
    keep_alive = bool(parser.should_keep_alive())
    return Head(method, path, query, headers, length, keep_alive, cast("Any", None))
