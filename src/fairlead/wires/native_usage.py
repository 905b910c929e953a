"""What a tenant has used: `GET /usage`, for keys with the scope `usage:read`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply, Route
from fairlead.core.errors import BadParameter, FairleadError, StateUnavailable
from fairlead.serving.reckoning import WORDS
from fairlead.wires.problem import error_reply

_KNOWN = (*WORDS, "model", "key")
_MOST_WORDS = 16

Outcome = Mapping[str, Any] | FairleadError
AskUsage = Callable[[Mapping[str, str], Callable[[Outcome], None]], None]
"""Asks the ledger; gives its rows, or why there are none, now or soon."""


def no_ledger(given: Mapping[str, str], done: Callable[[Outcome], None]) -> None:
    """Stands where there is no ledger to ask."""
    done(StateUnavailable("there is no ledger here"))


def usage_route(ask: AskUsage) -> Route:
    """The route; a key sees its own tenant's usage and no other."""

    def answer(
        head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        given = words(head)
        if caller.key:
            given["tenant"] = caller.tenant

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, FairleadError):
                later(error_reply(outcome))
            else:
                later(Reply(200, json.dumps({"usage": outcome["done"]["usage"]}).encode()))

        ask(given, done)

    return Route("usage:read", error_reply, ask=answer)


def words(head: Head) -> dict[str, str]:
    """The words behind `?`. Raises BadParameter for one that is unknown or given twice."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(head.query, keep_blank_values=True, max_num_fields=_MOST_WORDS)
    except ValueError:
        raise BadParameter("the address asks for too much", where="address") from None
    for name, value in pairs:
        if name not in _KNOWN or name in found:
            raise BadParameter(
                f"{name[:80]!r} cannot be asked for, or is asked twice",
                where="address",
                fix=f"Known: {', '.join(_KNOWN)}",
            )
        found[name] = value
    return found
