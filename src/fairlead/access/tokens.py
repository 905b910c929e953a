"""Tokens: whether the issuer that a token names has signed it, for us, and until when it holds.

A token is a JSON Web Token of three parts. What it says is believed only after its signature was
verified, by a key of the issuer that it names and an algorithm that this issuer's rule pins. Keys
that a token brings along, or addresses of such, are never looked at.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from fairlead.access.identity_rules import Issuer
from fairlead.core.errors import (
    MissingExtra,
    TokenExpired,
    TokenMalformed,
    TokenMisdirected,
    TokenUntrusted,
)

if TYPE_CHECKING:
    from joserfc.jwk import Key
    from joserfc.jws import JWSRegistry

LONGEST = 8 << 10
"""Characters of a token that are looked at; a longer one is none."""
LEEWAY_S = 60
"""By how much the clocks of an issuer and of this machine may differ."""
MOST_KEYS = 64
"""Keys of one issuer that are kept."""

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_SECOND_NS = 1_000_000_000
_RSA_BITS = range(2048, 8193)
PUBLIC = ("kty", "kid", "use", "alg", "crv", "n", "e", "x", "y")
"""The members of a key that are looked at; private ones would be nobody's business here."""


def token_of(header: str | None) -> str:
    """The token in the value of an `Authorization` header; "" where it holds none.

    Told by its form alone: no key of ours has a dot.
    """
    if header is None or header.count(".") != 2:
        return ""
    scheme, _, rest = header.strip(" \t").partition(" ")
    return rest.strip(" \t") if scheme.lower() == "bearer" else ""


def needs_joserfc() -> None:
    """Raises MissingExtra where the library that verifies tokens is absent."""
    try:
        _registry("RS256")
    except ImportError:
        raise MissingExtra(
            "tokens of issuers need joserfc", fix="pip install 'fairlead[oidc]'"
        ) from None


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, to know by which key it would have to be verified."""

    algorithm: str
    key: str
    issuer: str
    claims: Mapping[str, Any]


def read(text: str) -> Unverified:
    """Reads a token and believes nothing of it. Raises TokenMalformed."""
    form = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if form is None:
        raise _malformed()
    header, claims = _json(form[1]), _json(form[2])
    told = (header.get("alg"), header.get("kid", ""), claims.get("iss"))
    # A header that must be understood ("crit") is one that changes what the rest means.
    if "crit" in header or not all(isinstance(one, str) for one in told):
        raise _malformed()
    algorithm, key, issuer = cast("tuple[str, str, str]", told)
    return Unverified(algorithm, key, issuer, claims)


def _json(part: str) -> dict[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(found, dict):
        raise _malformed()
    return cast("dict[str, Any]", found)


def _malformed() -> TokenMalformed:
    return TokenMalformed(
        "this is no token that can be read here", fix="Send the whole token of an issuer"
    )


class IssuerKeys:
    """The public keys of one issuer, by their ids.

    fetched_ns: wall clock, when the issuer gave them.
    """

    def __init__(self, keys: Iterable[Mapping[str, Any]], fetched_ns: int) -> None:
        """keys: of a JSON Web Key Set; what cannot verify a signature is left out."""
        self.fetched_ns = fetched_ns
        self._keys = [key for one in keys if (key := _usable(one)) is not None][:MOST_KEYS]

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, key_id: str) -> Key | None:
        """The key of an id; where a token names none, the only one there is."""
        if not key_id:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == key_id), None)


def _usable(given: Mapping[str, Any]) -> Key | None:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kinds = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = kinds.get(str(given.get("kty")))
    if kind is None or given.get("use", "sig") != "sig":
        return None
    if kind is RSAKey and _bits(given.get("n")) not in _RSA_BITS:
        return None
    public: dict[str, str | list[str]] = {n: str(given[n]) for n in PUBLIC if n in given}
    try:
        return kind.import_key(public)
    except Exception:
        return None  # whatever is wrong with it, it verifies nothing


def _bits(modulus: object) -> int:
    """Of the number that base64 holds; 0 for what is none."""
    if not isinstance(modulus, str) or len(modulus) > 2 * _RSA_BITS.stop:
        return 0
    try:
        raw = urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))
    except ValueError:
        return 0
    return int.from_bytes(raw, "big").bit_length()


def check_pinned(read: Unverified, issuer: Issuer) -> None:
    """Raises TokenMalformed for an algorithm that the issuer's rule does not name."""
    if read.algorithm not in issuer.algorithms:
        raise _malformed()


def verify(text: str, read: Unverified, key: Key, issuer: Issuer, now_ns: int) -> int:
    """Verifies what `read` has read of a token; when the token ends, wall clock in nanoseconds.

    Raises TokenMalformed for an algorithm that is not pinned, TokenUntrusted for a signature that
    is not by `key`, TokenExpired and TokenMisdirected for what the verified token says.
    """
    check_pinned(read, issuer)
    if not _is_signed(text, read.algorithm, key):
        raise untrusted()
    _check_audience(read.claims.get("aud"), issuer)
    return _check_times(read.claims, now_ns)


def untrusted() -> TokenUntrusted:
    """The one answer to a token of a stranger, of an unknown key, or with a wrong signature."""
    return TokenUntrusted(
        "no issuer that is trusted here has signed this token", fix="Take a new token, or try again"
    )


def _is_signed(text: str, algorithm: str, key: Key) -> bool:
    from joserfc import jws

    try:
        jws.deserialize_compact(text, key, registry=_registry(algorithm))
    except Exception:
        return False  # whatever it stumbles over, the token is not believed
    return True


@cache
def _registry(algorithm: str) -> JWSRegistry:
    """What joserfc may do: verify by this one algorithm, which the caller has found allowed."""
    from joserfc import jws
    from joserfc.registry import Header

    class Pinned(jws.JWSRegistry):
        max_header_length = LONGEST

        def get_alg(self, name: str) -> Any:
            return self.algorithms[algorithm]

        def check_header(self, header: Header) -> None:
            """Headers that we do not know are ignored: `read` refuses those that must not be."""

    return Pinned(algorithms=[algorithm])


def _check_audience(told: object, issuer: Issuer) -> None:
    audience = cast("list[object]", told) if isinstance(told, list) else [told]
    if not any(one in audience for one in issuer.audience):
        raise TokenMisdirected(
            "this token was not issued for this server", fix="Ask for one with its audience"
        )


def _check_times(claims: Mapping[str, Any], now_ns: int) -> int:
    now_s = now_ns / _SECOND_NS
    ends = _seconds(claims.get("exp"))
    begins = max(_seconds(claims.get(name, 0)) for name in ("nbf", "iat"))
    if now_s >= ends + LEEWAY_S:
        raise TokenExpired("this token has expired", fix="Take a new one from its issuer")
    if now_s < begins - LEEWAY_S:
        raise TokenExpired("this token is not valid yet", fix="Check the clock of its issuer")
    return int((ends + LEEWAY_S) * _SECOND_NS)


def _seconds(value: object) -> float:
    """A time in a token. Raises TokenMalformed for what is none; a token without end has none."""
    if type(value) not in (int, float):
        raise _malformed()
    try:
        seconds = float(cast("float", value))
    except OverflowError:
        raise _malformed() from None
    if not isfinite(seconds):
        raise _malformed()
    return seconds
