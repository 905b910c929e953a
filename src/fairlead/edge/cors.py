"""Web origins: what a browser is told of who may read an answer, and what is asked of browsers.

Nobody is answered for every origin. A preflight, which carries no key, is answered for an origin
that some key lists; the answer itself only for one that the calling key lists. Where a key lists
origins, a browser of any other is refused. The admin listener grants nothing to any origin, and is
asked only under its own names, so that no web page can reach it by a name that it made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address

from fairlead.access.origins import ORIGIN, origin_refused
from fairlead.core.access import Caller
from fairlead.core.call import Head, Reply
from fairlead.core.errors import HostRefused, OriginRefused

_METHOD = "access-control-request-method"
_ANSWERED = (
    ("access-control-allow-methods", "GET, HEAD, POST, DELETE"),
    (
        "access-control-allow-headers",
        "authorization, content-type, traceparent, tracestate, x-api-key, x-request-id, "
        "x-request-timeout",
    ),
    ("access-control-max-age", "600"),
)
_SHOWN = "fairlead-usage-id, ratelimit, ratelimit-policy, retry-after, traceparent, x-request-id"
_VARY = ("vary", "origin")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:]+)(?::[0-9]{1,5})?", re.ASCII)
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - only looked for
_AN_ORIGIN = re.compile(r"https?://([^/]+)", re.ASCII)


def is_preflight(head: Head) -> bool:
    """Whether a browser asks what it may before it asks for what it wants."""
    headers = head.headers
    return head.method == "OPTIONS" and _METHOD in headers and ORIGIN in headers


def preflight(head: Head, listed: Callable[[str], bool]) -> Reply:
    """The answer to a preflight. listed: whether some key may be used from an origin.

    Raises OriginRefused.
    """
    origin = head.headers[ORIGIN]
    if not listed(origin):
        raise origin_refused()
    return Reply(204, b"", headers=(("access-control-allow-origin", origin), *_ANSWERED, _VARY))


def granted(headers: Mapping[str, str], caller: Caller) -> tuple[tuple[str, str], ...]:
    """What an answer says so that the page that asked may read it."""
    if not caller.origins:
        return ()
    origin = headers.get(ORIGIN)
    if origin not in caller.origins:
        return (_VARY,)
    return (
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _SHOWN),
        _VARY,
    )


class OwnNames:
    """The names under which the admin listener may be asked.

    A page in a browser can make its own name point at this machine, and then asks from within; the
    name that it asks for is what tells it apart.
    """

    def __init__(self, bound: Iterable[str] = ()) -> None:
        """bound: the addresses or names that it listens on, beside those of this machine.

        Where it listens on every address of the machine, any address is its own: no page can make
        an address point elsewhere, only a name.
        """
        bound = list(bound)
        self._any = bool(_EVERYWHERE & set(bound))
        names = {"localhost", "127.0.0.1", "[::1]"}
        names |= {f"[{b}]" if ":" in b and not b.startswith("[") else b for b in bound}
        self._names = frozenset(name.lower() for name in names)

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises HostRefused for another host, OriginRefused for a page of another."""
        if not self._is_own(headers.get("host", "")):
            raise HostRefused(
                "the administration is not asked under this name",
                where="host",
                fix="Ask for localhost, or the address that --admin names",
            )
        origin = headers.get(ORIGIN)
        if origin is None:
            return
        page = _AN_ORIGIN.fullmatch(origin)
        if page is None or not self._is_own(page[1]):
            raise OriginRefused("no page of another site asks the administration", where=ORIGIN)

    def _is_own(self, host: str) -> bool:
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        return found[1] in self._names or (self._any and _is_address(found[1]))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
