"""What the pages of administration are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.access.sessions import Sessions
from fairlead.core.access import Caller
from fairlead.core.audit import By
from fairlead.core.call import Head, Peer
from fairlead.core.errors import FairleadError
from fairlead.serving.trends import Trends

Outcome = Mapping[str, Any] | FairleadError
Done = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Administered:
    """The bookkeeper, as its pages see it.

    sessions: of those who have signed in.
    whose:    who sends a request; raises as admission does.
    acts:     does an act on keys, by its name; usage: asks the ledger. true_costs: the
              same, with what the machine cost.
    pages:    what each worker says of now. counts: what all have counted. trends: minute by minute.
    standing: how the guards of each version stand. checked: the last deployment check of a version,
              None without one. control: does an act on a model, then
              tells. labels: those of each version, "answers" among them.
    card:     asks for the card of a model's newest version; may raise. cost: for what that costs
              under traffic in words, with 99 of 100 calls within so many seconds; likewise.
    secure:   sessions travel over TLS alone.
    """

    sessions: Sessions
    whose: Callable[[Head, Peer], Caller]
    acts: Callable[[str, Mapping[str, Any], By, Done], None]
    usage: Callable[[Mapping[str, str], Done], None]
    true_costs: Callable[[Mapping[str, str], Done], None]
    pages: Callable[[], list[dict[str, Any]]]
    counts: Callable[[], dict[str, Any]]
    trends: Trends
    standing: Callable[[], Mapping[str, Mapping[str, Any]]]
    checked: Callable[[str, int], Mapping[str, Any] | None]
    control: Callable[[str, Mapping[str, Any], By, Callable[[FairleadError | None], None]], None]
    labels: Callable[[str], Mapping[int, Sequence[str]]]
    card: Callable[[str, Done], None]
    cost: Callable[[str, str, float, Done], None]
    secure: bool = False


def by(caller: Caller, peer: Peer) -> By:
    """Who does something, as the audit trail names them."""
    return By(caller.key, peer.address or "unix socket")
