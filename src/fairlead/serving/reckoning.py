"""The desk of the ledger: answers who used how much, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairlead.core.clock import now
from fairlead.core.errors import (
    BadParameter,
    BadSetting,
    BadUsage,
    FairleadError,
    Internal,
    Overloaded,
)
from fairlead.serving.exchange import Line, Message, error_to_json
from fairlead.serving.log import log
from fairlead.usage.cost_words import HOW, UNSAID, summary, with_true_costs
from fairlead.usage.ledger import Ledger
from fairlead.usage.query import totals
from fairlead.usage.true_cost import true_costs

MOST_ROWS = 10_000
"""Rows of one answer; who wants more asks for a shorter time, or the command line."""

MOST_WAITING = 256
PATIENCE_S = 5.0
"""Nobody waits longer for an answer: a question that is older is not looked up any more."""
WORDS = ("by", "zone", "since", "until")
ONLY = ("tenant", "model", "key", "plan")

Done = Callable[[Mapping[str, Any] | FairleadError], None]
Look = Callable[[Ledger, Mapping[str, str]], dict[str, Any]]


class Reckoning:
    """Asks the ledger.

    open_ledger: called in the thread, again after every fault. tell: hands a callable from there
    to the loop (call_soon_threadsafe).
    """

    kinds: frozenset[str] = frozenset(("usage",))

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        self._open_ledger = open_ledger
        self._tell = tell
        self._ledger: Ledger | None = None
        self._thread = ThreadPoolExecutor(1, "reckoning")
        self._waiting = 0

    def take(self, line: Line, message: Message) -> None:
        """A worker asks for one of its callers, with the words of the address."""
        told = {"kind": "answer", "id": message.get("id")}

        def done(outcome: Mapping[str, Any] | FairleadError) -> None:
            failed = isinstance(outcome, FairleadError)
            line.send(told | ({"error": error_to_json(outcome)} if failed else {"done": outcome}))

        self.ask(message.get("given") or {}, done)

    def ask_costs(self, given: Mapping[str, str], done: Done) -> None:
        """As `ask`, with what the machine cost: for those who run it, never for its callers."""
        self.ask(given, done, costed)

    def ask(self, given: Mapping[str, str], done: Done, look: Look | None = None) -> None:
        """`done` gets the rows, or the error, in the loop. look: what else is told of them."""
        if self._waiting >= MOST_WAITING:
            done(Overloaded("too many questions wait already", fix="Try again in a second"))
            return
        self._waiting += 1
        due = now() + PATIENCE_S

        def work() -> None:
            outcome = self._answer(given, look or asked) if now() < due else _too_late()
            self._tell(lambda: self._finish(outcome, done))

        self._thread.submit(work)

    def _finish(self, outcome: Mapping[str, Any] | FairleadError, done: Done) -> None:
        self._waiting -= 1
        done(outcome)

    def _answer(self, given: Mapping[str, str], look: Look) -> Mapping[str, Any] | FairleadError:
        try:
            if self._ledger is None:
                self._ledger = self._open_ledger()
            return look(self._ledger, given)
        except FairleadError as error:
            self._close_ledger()
            return error
        except Exception as error:
            log("bookkeeping_failed", what="usage", error=repr(error))
            self._close_ledger()
            return Internal("usage could not be looked up; the log says why")

    def _close_ledger(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()

    def joined(self, line: Line) -> None:
        """Nobody needs to be told anything."""

    def lost(self, line: Line) -> None:
        """An answer to it goes nowhere."""

    def beat(self) -> None:
        """Nothing is due."""

    def save(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Finishes what was asked."""
        self._thread.submit(self._close_ledger)
        self._thread.shutdown()


def _too_late() -> Overloaded:
    return Overloaded("others have asked too much before", fix="Try again in a second")


def asked(ledger: Ledger, given: Mapping[str, str]) -> dict[str, Any]:
    """The rows that the words of an address ask for. Raises BadParameter."""
    by, zone, since, until, only = _words(given)
    try:
        return {"usage": totals(ledger.store, by, zone, since, until, only, MOST_ROWS)}
    except (BadUsage, BadSetting) as error:
        raise BadParameter(error.what, where="address", fix=error.fix) from None


def costed(ledger: Ledger, given: Mapping[str, str]) -> dict[str, Any]:
    """The same, each row with what the machine cost for it, and where all of that went.

    Raises BadParameter.
    """
    told = asked(ledger, given)
    by, zone, since, until, only = _words(given)
    found = true_costs(ledger, by, zone, since, until, only)
    with_true_costs(told["usage"], by, found)
    machine = summary(found)
    why = {} if machine else {"unknown": f"{UNSAID}. {HOW}"}
    return told | {"machine": machine} | why


def _words(given: Mapping[str, str]) -> tuple[list[str], str, str, str, dict[str, str]]:
    unknown = next((word for word in given if word not in (*WORDS, *ONLY)), None)
    if unknown is not None:
        raise BadParameter(
            f"{unknown[:80]!r} cannot be asked for",
            where="address",
            fix=f"Known: {', '.join((*WORDS, *ONLY))}",
        )
    by = [word.strip() for word in given.get("by", "").split(",") if word.strip()]
    only = {name: given[name] for name in ONLY if name in given}
    zone = given.get("zone", "UTC")
    return by, zone, given.get("since", ""), given.get("until", ""), only
