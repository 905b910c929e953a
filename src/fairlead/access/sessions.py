"""Who has signed in to the pages: a cookie that says which key was shown, and that we said so.

Nothing is kept of a session. The cookie names a key and a time under a seal that only this server
can make, so every worker can read it; it is worth what the key is worth at that moment, and
nothing any more once the key is revoked. It counts on pages alone, never on an address of the API,
so a page of another site can do nothing with it that a form of ours would not allow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex

from fairlead.core.access import is_key_id

COOKIE = "fairlead_session"
LIFETIME_S = 12 * 3600
"""Seconds after which whoever has signed in does it again."""

LONGEST_TOKEN = 3800
"""Characters of an identity token that a browser still keeps as a cookie."""

_SECOND_NS = 1_000_000_000
_SEAL = 32
_COOKIES = re.compile(r"(?:^|;\s*)" + COOKIE + r"=([A-Za-z0-9._~-]{1,3900})(?=;|\s*$)", re.ASCII)
_OURS = re.compile(r"k\.(key_[A-Za-z0-9]{16})\.([0-9]{1,12})\.([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """Who has signed in: by a key of ours, by its id, or by a token of an issuer.

    cookie: the whole value, under which forms are sealed.
    """

    cookie: str
    key: str = ""
    token: str = ""


class Sessions:
    """Makes sessions and knows them again. pepper: gives the secret of the state folder."""

    def __init__(self, pepper: Callable[[], bytes]) -> None:
        self._pepper = pepper
        self._secret = b""

    def of_key(self, key: str, now_ns: int) -> str:
        """The value of the cookie for whoever has shown this key, by its id."""
        ends = now_ns // _SECOND_NS + LIFETIME_S
        return f"k.{key}.{ends}.{self._seal(f'k.{key}.{ends}')}"

    def of_token(self, token: str) -> str:
        """The value of the cookie for whoever has shown a token: the token, which seals itself."""
        return f"t.{token}"

    def read(self, headers: Mapping[str, str], now_ns: int) -> Session | None:
        """Who has signed in, None for nobody, and for what we did not say or say no more."""
        found = _COOKIES.findall(headers.get("cookie", ""))
        if len(found) != 1:
            return None  # of two, one was put there by somebody else
        cookie = found[0]
        if cookie.startswith("t."):
            return Session(cookie, token=cookie[2:])
        ours = _OURS.fullmatch(cookie)
        if ours is None or not is_key_id(ours[1]):
            return None
        expected = self._seal(f"k.{ours[1]}.{ours[2]}")
        if not hmac.compare_digest(expected, ours[3]) or int(ours[2]) * _SECOND_NS <= now_ns:
            return None
        return Session(cookie, key=ours[1])

    def form_seal(self, session: Session) -> str:
        """What a form of ours carries, so that no other page can send it in this session.

        It is another one each time: how well a page is compressed tells nothing of it.
        """
        once = token_hex(8)
        return f"{once}.{self._seal(f'form {once} {session.cookie}')}"

    def is_ours(self, session: Session, seal: str) -> bool:
        """Whether a form with this seal is ours, and of this session."""
        once, _, given = seal.partition(".")
        expected = self._seal(f"form {once} {session.cookie}")
        return hmac.compare_digest(expected.encode(), given.encode())

    def sealed(self, text: str) -> str:
        """A text that nobody else can make: what a sign-in that is under way must bring back."""
        return f"{text}.{self._seal(f'way {text}')}"

    def unsealed(self, given: str) -> str | None:
        """The text that was sealed, None for one that was not, or not by us."""
        text, _, seal = given.rpartition(".")
        return text if hmac.compare_digest(self._seal(f"way {text}"), seal) else None

    def _seal(self, text: str) -> str:
        if not self._secret:
            self._secret = hmac.digest(self._pepper(), b"sessions of pages", hashlib.sha256)
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:_SEAL]
