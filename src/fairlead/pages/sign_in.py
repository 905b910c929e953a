"""The way in and out: a key is shown once, and a cookie says so from then on."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from fairlead.access.origins import check_own_page, host_in
from fairlead.access.sessions import COOKIE, LIFETIME_S, LONGEST_TOKEN, Sessions
from fairlead.core.access import Caller, is_key_id
from fairlead.core.call import PUBLIC, ErrorReply, Head, Peer, Reply, Route
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError, KeyMalformed
from fairlead.pages.forms import fields_of, form_of
from fairlead.pages.frame import moved, page

_OWN_PLACE = re.compile(r"/[A-Za-z0-9._~/%-]*", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}", re.ASCII)
_NOT_BACK = ("/sign-in", "/sign-out", "/portal/rotate")


class SignIn:
    """Signs people in and out."""

    def __init__(
        self,
        sessions: Sessions,
        whose: Callable[[Head, Peer], Caller],
        *,
        secure: bool,
        issuers: tuple[str, ...] = (),
    ) -> None:
        """whose: who sends a request; raises as admission does. secure: over TLS alone.

        issuers: with which people may sign in too.
        """
        self._issuers = issuers
        self._sessions = sessions
        self._whose = whose
        self._secure = secure

    def route(self, path: str, error: ErrorReply) -> dict[str, Route]:
        """By method, what an address of the way in and out answers; nothing at any other."""
        if path == "/sign-in":
            return {
                "GET": Route(PUBLIC, error, answer=self.look, page=True),
                "POST": Route(PUBLIC, error, ask=self.enter, page=True),
            }
        if path == "/sign-out":
            return {"POST": Route(PUBLIC, error, answer=self.leave, page=True)}
        return {}

    def look(self, head: Head, body: bytes, caller: Caller) -> Reply:
        """The form that asks for a key."""
        return self._page(head, None)

    def enter(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        """Takes a key. A wrong one gets the form again, and the same patience as everywhere."""
        try:
            check_own_page(head.headers)
            key = fields_of(head, body).texts.get("key", "").strip()
            shown = head.on(head.route)
            shown.headers = {"authorization": f"Bearer {key}"}
            found = self._whose(shown, peer)
            line = self._line(found, key)
        except FairleadError as error:
            later(self._page(head, error))
            return
        later(moved(back_to(head, "./"), line))

    def leave(self, head: Head, body: bytes, caller: Caller) -> Reply:
        """Forgets who has signed in, in the browser that asks."""
        check_own_page(head.headers)
        form_of(head, body, self._sessions)
        return moved("./", session_line("", secure=self._secure))

    def _line(self, found: Caller, shown: str) -> str:
        """The cookie of a caller's session, "" where they are let in whatever they show.

        Raises KeyMalformed for a token too long for a cookie.
        """
        if is_key_id(found.key):
            cookie = self._sessions.of_key(found.key, wall_ns())
        elif found.key and _TOKEN.fullmatch(shown) is not None:
            if len(shown) > LONGEST_TOKEN:
                raise KeyMalformed("this token is too long to stay signed in with", fix="Use a key")
            cookie = self._sessions.of_token(shown)
        else:
            return ""
        return session_line(cookie, secure=self._secure)

    def _page(self, head: Head, error: FairleadError | None) -> Reply:
        facts = {
            "title": "Sign in",
            "who": None,
            "here": "",
            "error": error,
            "issuers": self._issuers,
        }
        return page("sign_in.html", head.path, facts, 200 if error is None else 401)


def back_to(head: Head, otherwise: str) -> str:
    """The page of ours from which the reader came, as its browser calls it; else the first one.

    otherwise: the way to the first one.
    """
    came = head.headers.get("referer", "")
    host = host_in(came)
    if host is None or host != head.headers.get("host"):
        return otherwise
    place = urlsplit(came).path
    if _OWN_PLACE.fullmatch(place) is None or "//" in place or place.endswith(_NOT_BACK):
        return otherwise
    return place


def session_line(cookie: str, *, secure: bool) -> str:
    """The value of the `set-cookie` line of a session; "" ends it. secure: over TLS alone."""
    seconds = LIFETIME_S if cookie else 0
    end = "; Secure" if secure else ""
    return f"{COOKIE}={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{end}"
