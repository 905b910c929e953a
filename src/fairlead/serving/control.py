"""Which models are to be served, changed while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from fairlead.core.errors import FairleadError

Told = Callable[[FairleadError | None], None]
"""Is told once that it is done, or why not."""


class Control(Protocol):
    """Loads and unloads models on all workers."""

    def load(self, model: str, told: Told, folder: str = "") -> None:
        """Serves the newest version of a model, from its repository or from `folder`.

        It is done once every worker answers for it. A version that cannot be loaded never displaces
        one that answers.
        """
        ...

    def unload(self, model: str, told: Told) -> None:
        """Ends a model; it is done once every worker has given its memory back."""
        ...

    def only(self, models: Mapping[str, str], told: Told) -> None:
        """Serves exactly these models, each from its folder, "" for where it is known to be."""
        ...
