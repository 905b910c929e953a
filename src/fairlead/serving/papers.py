"""A version's papers for administrators, its card and what it costs: made from its package where it
lies, in a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.core.clock import today
from fairlead.core.errors import FairleadError, Internal, ModelNotFound, Overloaded
from fairlead.serving.log import log

if TYPE_CHECKING:
    from fairlead.core.package import Package

Told = Callable[[Mapping[str, Any] | FairleadError], None]
_MOST_WAITING = 32


class Papers:
    """Of the versions that workers know.

    state: the state folder, which holds profiles and prices. pages: what each worker says of now;
    they know where a package lies. tell: hands a callable from the thread to the loop.
    """

    def __init__(
        self,
        state: Path,
        pages: Callable[[], Sequence[Mapping[str, Any]]],
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        self._state = state
        self._pages = pages
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "papers")
        self._waiting = 0

    def card(self, model: str, told: Told) -> None:
        """Tells the card of the newest version that is ready, without what is live.

        Raises ModelNotFound, Overloaded.
        """
        self._ask(model, _card, told)

    def cost(self, model: str, words: str, p99_s: float, told: Told) -> None:
        """Tells what it costs under traffic in words, as costs/decision.py tells it.

        Raises ModelNotFound, Overloaded; tells NotProfiled and TrafficInvalid.
        """
        self._ask(model, partial(_cost, self._state, words, p99_s), told)

    def _ask(self, model: str, make: Callable[[Package], Mapping[str, Any]], told: Told) -> None:
        folder = self._folder(model)
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("too many papers are asked for", fix="Try again in a second")
        self._waiting += 1

        def work() -> None:
            outcome = _made(folder, make)
            self._tell(lambda: finish(outcome))

        def finish(outcome: Mapping[str, Any] | FairleadError) -> None:
            self._waiting -= 1
            told(outcome)

        self._thread.submit(work)

    def _folder(self, model: str) -> Path:
        found: dict[int, str] = {}
        for page in self._pages():
            for key, about in page.get("models", {}).items():
                name, _, version = key.rpartition("/")
                if name == model and about["state"] == "ready" and about.get("folder"):
                    found[int(version)] = about["folder"]
        if not found:
            raise ModelNotFound(f"no version of {model[:80]!r} is served now")
        return Path(found[max(found)])


def _made(
    folder: Path, make: Callable[[Package], Mapping[str, Any]]
) -> Mapping[str, Any] | FairleadError:
    # What reads packages needs numpy: the first paper loads it.
    from fairlead.packages.read import open_package

    try:
        return make(open_package(folder))
    except FairleadError as error:
        return error
    except Exception as error:
        log("bookkeeping_failed", what="papers of a model", error=repr(error))
        return Internal("it could not be made; the log says why")


def _card(package: Package) -> Mapping[str, Any]:
    from fairlead.documents.card_facts import NEEDED, card_of, known_of
    from fairlead.packages.read import read_verified

    files = {name: read_verified(package, name) for name in NEEDED if name in package.files}
    return card_of(known_of(package, files))


def _cost(state: Path, words: str, p99_s: float, package: Package) -> Mapping[str, Any]:
    from fairlead.costs.capacity import Goal
    from fairlead.costs.decision import decide
    from fairlead.costs.prices import prices_in
    from fairlead.costs.profiles import needed
    from fairlead.costs.traffic import traffic_of

    profile, prices = needed(package, state), prices_in(state)
    traffic, goal = traffic_of(words), Goal(p99_s)
    return decide(profile, traffic, goal, prices, today=today(), busier=False).to_json()
