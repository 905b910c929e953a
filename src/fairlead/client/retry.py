"""When a request is tried again, and how long that waits.

Only what surely was not done is tried again: the server could not be reached, or it says that it
did not take the request (429, 503). Tries are bounded in number, in time, and to a share of all
requests, so that many clients do not keep a weak server weak.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from threading import Lock

from fairlead.client.talk import Deadline, Refusal

_FIRST_S, _LONGEST_S = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a client tries again.

    attempts: of one request, the first included. share: of all requests that may be tries again,
    beside the first `free` ones.
    """

    attempts: int = 4
    share: float = 0.2
    free: float = 10.0

    def wait_s(self, attempt: int, retry_after: float | None) -> float:
        """Seconds before the next attempt; attempt: the one that failed, from 1.

        The server's own word is kept, with some of a random wait beside it: all of the clients
        that it sent away would come back at once.
        """
        most = min(_LONGEST_S, _FIRST_S * 2 ** (attempt - 1))
        chance = random.random() * most  # noqa: S311 - nothing is kept secret by it
        return chance if retry_after is None else retry_after + chance


class Budget:
    """The share of requests that may be tries again, for all threads of a client."""

    def __init__(self, retries: Retries) -> None:
        self._share = retries.share
        self._most = retries.free
        self._left = retries.free
        self._lock = Lock()

    def request(self) -> None:
        """A request is made for the first time."""
        with self._lock:
            self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Whether one more try is allowed; it is counted."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Tries:
    """The tries of one request."""

    def __init__(self, retries: Retries, budget: Budget, deadline: Deadline) -> None:
        budget.request()
        self._retries, self._budget, self._deadline = retries, budget, deadline
        self._made = 0

    def pause_s(self, refusal: Refusal) -> float:
        """Seconds to wait before the next try. Raises the refusal's error when there is none."""
        self._made += 1
        error, after = refusal
        pause = self._retries.wait_s(self._made, after)
        hopeless = self._made >= self._retries.attempts or pause > self._deadline.left_s
        if hopeless or not self._budget.spend():
            raise error
        return pause
