"""The keys of issuers: the bookkeeper has them fetched, and every worker hears of them.

A worker that misses a key says so; the issuer is asked again at a bounded rate, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.access.identities import Identities
from fairlead.access.identity_rules import IdentityRules
from fairlead.access.issuers import WANTED_S, KeySources
from fairlead.access.tokens import IssuerKeys
from fairlead.serving.exchange import Line, Message
from fairlead.serving.log import log

KIND = "issuers"
"""The kind of these messages, in both directions."""


class Issuing:
    """The bookkeeper's desk. tell: hands a callable from a thread to the loop."""

    kinds = frozenset({KIND})

    def __init__(
        self, rules: IdentityRules, tell: Callable[..., object], wanted_s: float = WANTED_S
    ) -> None:
        self._tell = tell
        self._lines: set[Line] = set()
        self._known: dict[str, Message] = {}
        self._sources = KeySources(rules, self._fetched, _failed, wanted_s)
        self._sources.start()

    def _fetched(self, name: str, keys: list[dict[str, Any]], fetched_ns: int) -> None:
        # In the thread of the source.
        message = {"kind": KIND, "name": name, "keys": keys, "fetched_ns": fetched_ns}
        self._tell(self._told, name, message)

    def _told(self, name: str, message: Message) -> None:
        self._known[name] = message
        for line in self._lines:
            line.send(message)

    def take(self, line: Line, message: Message) -> None:
        """A worker misses keys of these issuers."""
        for name in message["wanted"]:
            self._sources.want(name)

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
