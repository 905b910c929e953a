"""People sign in with an issuer: the authorization code flow of OpenID Connect, with PKCE.

The browser is sent to the issuer with a challenge, comes back with a code, and the code is changed
for a token by us. What the issuer asks its people is its own business. Whatever calls out here is
called in a thread.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, cast
from urllib.parse import urlencode

from fairlead.access.identity_rules import Issuer, is_safe_address
from fairlead.access.issuers import Unreachable, description_of, fetch, secret_in

SCOPE = "openid profile email"


@dataclass(frozen=True, slots=True)
class Way:
    """A sign-in that is under way: what the browser must bring back, and what is checked then.

    state: comes back in the address. nonce: comes back in the token. verifier: shown with the code.
    """

    issuer: str
    state: str
    nonce: str
    verifier: str
    back: str

    @classmethod
    def begun(cls, issuer: str, back: str) -> Way:
        """A new one. back: the page to which it leads."""
        return cls(issuer, token_urlsafe(24), token_urlsafe(24), token_urlsafe(48), back)

    def to_text(self) -> str:
        """As a cookie carries it."""
        told = [self.issuer, self.state, self.nonce, self.verifier, self.back]
        return urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Way:
        """The inverse of `to_text`. Raises ValueError."""
        told: Any = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(told, list):
            raise ValueError("not a way")
        parts = cast("list[Any]", told)
        if len(parts) != 5 or not all(isinstance(part, str) for part in parts):
            raise ValueError("not a way")
        return cls(*parts)


def address_of(issuer: Issuer, way: Way, redirect: str) -> str:
    """Where the browser is sent. redirect: where the issuer sends it back to.

    Raises Unreachable.
    """
    challenge = urlsafe_b64encode(sha256(way.verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": issuer.client,
        "redirect_uri": redirect,
        "scope": SCOPE,
        "state": way.state,
        "nonce": way.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    where = _endpoint(description_of(issuer), "authorization_endpoint")
    return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"


def token_for(issuer: Issuer, code: str, verifier: str, redirect: str) -> str:
    """The identity token that a code stands for. Raises Unreachable."""
    where = _endpoint(description_of(issuer), "token_endpoint")
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
        "client_id": issuer.client,
        "code_verifier": verifier,
    }
    if issuer.client_secret_file:
        given["client_secret"] = secret_in(issuer.client_secret_file)
    try:
        told: Any = json.loads(fetch(where, issuer.ca, form=given))
    except (ValueError, RecursionError):
        raise Unreachable("what it gives for a code is no JSON") from None
    found = cast("dict[str, Any]", told).get("id_token") if isinstance(told, dict) else None
    if not isinstance(found, str):
        raise Unreachable("it gives no identity token for a code")
    return found


def _endpoint(told: Mapping[str, Any], name: str) -> str:
    where = told.get(name)
    if not isinstance(where, str) or not is_safe_address(where):
        raise Unreachable(f"its description names no https {name}")
    return where
