"""The keys of issuers: the bookkeeper has them fetched, and every worker hears of them.

A worker that misses a key says so; the issuer is asked again at a bounded rate, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairlead.access.code_flow import Way, address_of, token_for
from fairlead.access.identities import Identities
from fairlead.access.identity_rules import IdentityRules, Issuer
from fairlead.access.issuers import WANTED_S, KeySources, Unreachable
from fairlead.access.tokens import IssuerKeys
from fairlead.core.errors import AddressNotFound, Internal, IssuerUnavailable, Overloaded
from fairlead.serving.exchange import Line, Message, error_to_json
from fairlead.serving.log import log

KIND = "issuers"
"""The kind of these messages, in both directions."""

WHERE, CODE = "sign-in.where", "sign-in.code"
"""Asks where somebody signs in with an issuer, and which token a code stands for."""


_AT_ONCE, _MOST_WAITING = 4, 64
"""Sign-ins that wait for issuers at once, and that may wait for those."""


class Issuing:
    """The bookkeeper's desk. tell: hands a callable from a thread to the loop."""

    kinds = frozenset({KIND, WHERE, CODE})

    def __init__(
        self, rules: IdentityRules, tell: Callable[..., object], wanted_s: float = WANTED_S
    ) -> None:
        self._tell = tell
        self._lines: set[Line] = set()
        self._known: dict[str, Message] = {}
        self._sources = KeySources(rules, self._fetched, _failed, wanted_s)
        self._sources.start()
        self._issuers = {issuer.name: issuer for issuer in rules.issuers.values() if issuer.client}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "sign-in")
        self._waiting = 0

    def _fetched(self, name: str, keys: list[dict[str, Any]], fetched_ns: int) -> None:
        # In the thread of the source.
        message = {"kind": KIND, "name": name, "keys": keys, "fetched_ns": fetched_ns}
        self._tell(self._told, name, message)

    def _told(self, name: str, message: Message) -> None:
        self._known[name] = message
        for line in self._lines:
            line.send(message)

    def take(self, line: Line, message: Message) -> None:
        """A worker misses keys of these issuers, or asks for somebody who signs in."""
        if message["kind"] != KIND:
            self._sign_in(line, message)
            return
        for name in message["wanted"]:
            self._sources.want(name)

    def _sign_in(self, line: Line, message: Message) -> None:
        issuer = self._issuers.get(str(message["issuer"]))
        if issuer is None:
            raise AddressNotFound("nobody signs in with this issuer")
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("too many sign in at once", fix="Try again in a second")
        self._waiting += 1
        told = {"kind": "answer", "id": message.get("id")}

        def work() -> None:
            try:
                answer = {"done": _asked(issuer, message)}
            except Unreachable as error:
                _failed(issuer.name, str(error))
                answer = {"error": error_to_json(_not_now())}
            except Exception as error:
                log("bookkeeping_failed", what="sign-in", error=repr(error))
                answer = {"error": error_to_json(Internal("the sign-in failed"))}
            self._tell(answered, {**told, **answer})

        def answered(answer: Message) -> None:
            self._waiting -= 1
            line.send(answer)

        self._threads.submit(work)

    def joined(self, line: Line) -> None:
        """A worker hears what is known."""
        self._lines.add(line)
        for message in self._known.values():
            line.send(message)

    def lost(self, line: Line) -> None:
        """A worker is gone."""
        self._lines.discard(line)

    def beat(self) -> None:
        """Nothing is due: keys are told when they come."""

    def save(self) -> None:
        """Nothing is kept: keys are fetched anew by the next bookkeeper."""

    def close(self) -> None:
        """Nothing is fetched any more."""
        self._sources.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _asked(issuer: Issuer, message: Message) -> dict[str, str]:
    """In a thread: the address at which somebody signs in, or the token of a code."""
    redirect = str(message["redirect"])
    if message["kind"] == WHERE:
        way = Way.from_text(str(message["way"]))
        return {"address": address_of(issuer, way, redirect)}
    return {"token": token_for(issuer, str(message["code"]), str(message["verifier"]), redirect)}


def _not_now() -> IssuerUnavailable:
    return IssuerUnavailable(
        "the issuer does not let anybody sign in at the moment", fix="Try again, or use a key"
    )


def _failed(name: str, why: str) -> None:
    log("issuer_unreachable", issuer=name, why=why)


class IssuerNews:
    """A worker's side. send: to the bookkeeper; False where it is away."""

    def __init__(self, identities: Identities, send: Callable[[Message], bool]) -> None:
        self._identities = identities
        self._send = send

    def hear(self, message: Message) -> None:
        """The keys of an issuer have come."""
        keys = IssuerKeys(message["keys"], message["fetched_ns"])
        self._identities.adopt(message["name"], keys)

    def beat(self) -> None:
        """Several times a second: says what is missed."""
        wanted = self._identities.take_wanted()
        if wanted:
            self._send({"kind": KIND, "wanted": wanted})
