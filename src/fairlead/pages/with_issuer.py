"""Signing in with an issuer: out to it, and back with a code that becomes a session."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from fairlead.access.code_flow import Way
from fairlead.access.sessions import LONGEST_TOKEN
from fairlead.access.tokens import read
from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, ErrorReply, Head, Peer, Reply, Route
from fairlead.core.errors import (
    AddressNotFound,
    FairleadError,
    KeyMalformed,
    TokenUntrusted,
    Unauthenticated,
)
from fairlead.pages.frame import moved
from fairlead.pages.sign_in import back_to, session_line
from fairlead.pages.visit import Known, base_of
from fairlead.serving.issuing import CODE, WHERE

Later = Callable[[Reply], None]
_COOKIE, _MINUTES_S = "fairlead_way", 600
_COOKIES = re.compile(r"(?:^|;\s*)" + _COOKIE + r"=([A-Za-z0-9._~-]{1,3000})(?=;|\s*$)", re.ASCII)
_BACK = "/sign-in/back"
_OUT = "/sign-in/with/"


class WithIssuer:
    """Sends people to an issuer, and takes them back."""

    def __init__(self, known: Known) -> None:
        self._known = known

    @property
    def public(self) -> list[str]:
        """The addresses that need no caller: whoever asks them is about to become one."""
        return [_BACK, *(f"{_OUT}{name}" for name in self._known.issuers)]

    def route(self, path: str, error: ErrorReply) -> dict[str, Route]:
        """By method, what an address of the way to an issuer answers; nothing at any other."""
        if path == _BACK and self._known.issuers:
            return {"GET": Route(PUBLIC, error, ask=self._back, page=True)}
        if not path.startswith(_OUT):
            return {}
        name = path.removeprefix(_OUT)
        if name not in self._known.issuers:
            raise AddressNotFound("nobody signs in with this issuer here")

        def ask(head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
            self._out(head, name, later)

        return {"GET": Route(PUBLIC, error, ask=ask, page=True)}

    def _out(self, head: Head, name: str, later: Later) -> None:
        way = Way.begun(name, back_to(head, "../../"))
        sealed = self._known.sessions.sealed(way.to_text())

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            if isinstance(outcome, FairleadError):
                later(head.route.error(outcome))
            else:
                later(moved(outcome["done"]["address"], self._line(sealed)))

        redirect = base_of(self._known, head) + _BACK
        asked = {"kind": WHERE, "issuer": name, "way": way.to_text(), "redirect": redirect}
        self._known.ask(asked, told)

    def _back(self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Later) -> None:
        way = self._way(head)
        given = {name: values[0] for name, values in parse_qs(head.query).items()}
        if not hmac.compare_digest(given.get("state", "").encode(), way.state.encode()):
            raise _other_way()
        if "code" not in given:
            raise Unauthenticated(
                "the issuer has let nobody in", where=given.get("error", "")[:80] or None
            )

        def told(outcome: Mapping[str, Any] | FairleadError) -> None:
            try:
                if isinstance(outcome, FairleadError):
                    raise outcome
                later(self._entered(head, peer, way, outcome["done"]["token"]))
            except FairleadError as error:
                later(head.route.error(error))

        redirect = base_of(self._known, head) + _BACK
        asked = {"kind": CODE, "issuer": way.issuer, "code": given["code"][:4096]}
        self._known.ask({**asked, "verifier": way.verifier, "redirect": redirect}, told)

    def _entered(self, head: Head, peer: Peer, way: Way, token: str) -> Reply:
        """The session of a token that we were given. Raises what is wrong with it."""
        shown = head.on(head.route)
        shown.headers = {"authorization": f"Bearer {token}"}
        self._known.whose(shown, peer)
        if read(token).claims.get("nonce") != way.nonce:
            raise TokenUntrusted("this token was made for another sign-in")
        if len(token) > LONGEST_TOKEN:
            raise KeyMalformed("this token is too long to stay signed in with", fix="Use a key")
        session = self._known.sessions.of_token(token)
        reply = moved(way.back, session_line(session, secure=self._known.secure))
        return replace(reply, headers=(*reply.headers, ("set-cookie", self._line(""))))

    def _way(self, head: Head) -> Way:
        """What the browser has brought back. Raises Unauthenticated."""
        found = _COOKIES.findall(head.headers.get("cookie", ""))
        text = self._known.sessions.unsealed(found[0]) if len(found) == 1 else None
        if text is None:
            raise _other_way()
        try:
            return Way.from_text(text)
        except ValueError:
            raise _other_way() from None

    def _line(self, sealed: str) -> str:
        secure = "; Secure" if self._known.secure else ""
        age = _MINUTES_S if sealed else 0
        return f"{_COOKIE}={sealed}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def _other_way() -> Unauthenticated:
    return Unauthenticated("this sign-in was not begun in this browser", fix="Begin it again")
