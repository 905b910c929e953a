"""The worker's side of answers that a runner gives one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fairlead.core.tensor import Array
from fairlead.runtimes.runner import frame, process


class Asked(Protocol):
    """The model that was asked."""

    def step(
        self, asked: RunnerAnswers, request: Sequence[bytes], kind: int
    ) -> tuple[int, list[Array]]:
        """Sends a frame to the runner; the kind of its answer, and its arrays."""
        ...


class RunnerAnswers:
    """What a runner answers to one call, fetched one by one (core/promises.py: Answers)."""

    def __init__(
        self, model: Asked, runner: process.Runner, attempt: int, request: Sequence[bytes]
    ) -> None:
        self._model = model
        self.runner = runner
        self.attempt = attempt
        self._request: Sequence[bytes] = request
        self._kind = frame.ASK
        self._over = False

    def next(self) -> list[Array] | None:
        """The next answer, None when there is none left."""
        if self._over:
            return None
        request, self._request = self._request, ()
        kind, self._kind = self._kind, frame.NEXT
        self._over = True  # also when what follows raises
        kind, arrays = self._model.step(self, request, kind)
        self._over = kind != frame.MORE
        return None if kind == frame.END else arrays

    def close(self) -> None:
        """Ends the answers before their end; the model is told at its next turn."""
        if not self._over and self._kind == frame.NEXT:
            self._over = True
            self._model.step(self, (), frame.STOP)
        self._over = True
