"""Cards for administrators: read from packages where they lie, in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fairlead.core.errors import FairleadError, Internal, ModelNotFound, Overloaded
from fairlead.serving.log import log

Told = Callable[[Mapping[str, Any] | FairleadError], None]
_MOST_WAITING = 32


class KeptCards:
    """Reads the card of a version that workers know.

    pages: what each worker says of now; they know where a package lies. tell: hands a callable from
    the thread to the loop.
    """

    def __init__(
        self,
        pages: Callable[[], Sequence[Mapping[str, Any]]],
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        self._pages = pages
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "cards")
        self._waiting = 0

    def ask(self, model: str, told: Told) -> None:
        """Tells the card of the newest version that is ready, without what is live.

        Raises ModelNotFound, Overloaded.
        """
        folder = self._folder(model)
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("too many cards are asked for", fix="Try again in a second")
        self._waiting += 1

        def work() -> None:
            outcome = _read(folder)
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


def _read(folder: Path) -> Mapping[str, Any] | FairleadError:
    # What reads packages needs numpy: the first card loads it.
    from fairlead.documents.card_facts import NEEDED, card_of, known_of
    from fairlead.packages.read import open_package, read_verified

    try:
        package = open_package(folder)
        files = {name: read_verified(package, name) for name in NEEDED if name in package.files}
        return card_of(known_of(package, files))
    except FairleadError as error:
        return error
    except Exception as error:
        log("bookkeeping_failed", what="card", error=repr(error))
        return Internal("the card could not be read; the log says why")
