"""What a thread has the event loop do: gathered while something changes, and done in one turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

Act = Callable[[], Any]


class Errands:
    """Of one thread. failed: is told of an act that raised; those after it are done too."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, failed: Callable[[Exception], None]
    ) -> None:
        self._loop = loop
        self._failed = failed
        self._acts: list[Act] = []

    def add(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Is done with all else that comes of one change."""
        self._acts.append(partial(act, *arguments))

    def send(self) -> None:
        """The loop does what was gathered; nothing, once it has ended."""
        acts, self._acts = self._acts, []
        if acts:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._do, acts)

    def do(self) -> None:
        """Does what was gathered, for who is on the loop."""
        acts, self._acts = self._acts, []
        self._do(acts)

    def _do(self, acts: list[Act]) -> None:
        for act in acts:
            try:
                act()
            except Exception as error:
                self._failed(error)
