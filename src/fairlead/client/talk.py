"""What all of the client's protocols have in common: what is asked and heard, and what went wrong.

A protocol is spoken in steps: a generator yields what to ask, is sent what was heard, and returns
the answer. So each is written once, for `Client` and `AsyncClient` alike, and knows no library
that sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fairlead.client.answer import Predictions
from fairlead.core.clock import now
from fairlead.core.errors import (
    AnswerUnreadable,
    BadUsage,
    DeadlineExceeded,
    FairleadError,
    ServerUnreachable,
)

_URL = re.compile(r"https?://[^\s/]+(/[^\s?#]*)?\Z|grpcs?://[^\s/?#]+/?\Z")
Refusal = tuple[FairleadError, float | None]
"""Why a request was surely not done, and the seconds that the server asks to wait, if it says."""

USAGE_ID = "fairlead-usage-id"
ROWS_A_REQUEST = 1000
"""Rows that go into one request unless the model takes fewer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. path: of an address or a method. body: None for what has none."""

    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to a request; headers: by name in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


T = TypeVar("T")
Steps = Generator[Asked, Heard, T]
"""Requests, each of which is sent its answer or thrown its error, and what comes of them."""


class Speech(Protocol):
    """A protocol as the clients speak it. readiness: what asks whether the server takes calls."""

    readiness: Asked

    def is_ready(self, heard: Heard) -> bool:
        """Whether this answer says so."""
        ...

    def models(self) -> Steps[list[str]]:
        """The names of models."""
        ...

    def model(self, name: str) -> Steps[dict[str, Any]]:
        """What a model is."""
        ...

    def predict(
        self, model: str, given: Any, version: int | None, outputs: Sequence[str]
    ) -> Steps[Predictions]:
        """The answers to rows as people have them, in their order."""
        ...


class Refused(Exception):
    """A request was surely not done, so that it may be made again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal[0]))
        self.refusal = refusal


def check_url(url: str) -> str:
    """The address of a server without the slash at its end. Raises BadUsage."""
    if not _URL.match(url):
        raise BadUsage(
            f"{url[:200]!r} is no address of a server",
            fix="Write http://HOST:PORT or https://HOST, grpc://HOST:PORT or grpcs://HOST:PORT",
        )
    return url.rstrip("/")


def is_grpc(url: str) -> bool:
    """Whether an address is one of gRPC."""
    return url.startswith("grpc")


class Deadline:
    """The time that one call of the client may take, over all of its requests and tries."""

    def __init__(self, seconds: float) -> None:
        self._end = now() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left. Raises DeadlineExceeded when there are none."""
        left = self._end - now()
        if left <= 0:
            raise too_late()
        return left


def too_late() -> DeadlineExceeded:
    """The error of a call whose time is over."""
    return DeadlineExceeded("the time of the call is over", fix="Give a longer timeout")


def unreached(url: str, error: object) -> Refused:
    """Why a request never came to the server."""
    return Refused((ServerUnreachable(f"{url} cannot be reached: {error}"), None))


def broken_off(url: str, error: object) -> ServerUnreachable:
    """Why there is no answer to a request that may have been done."""
    return ServerUnreachable(
        f"the answer of {url} did not come: {error}",
        fix="It may have been made: try again only if that does no harm",
    )


@contextmanager
def counted_from(start: int) -> Generator[None, None, None]:
    """Errors that name a row of a piece of the rows name its place in all of them.

    start: rows before the piece.
    """
    try:
        yield
    except FairleadError as error:
        row = error.row
        if start and row is not None:
            place = re.compile(rf"\brow {row}\b")
            error.row = row + start
            error.what = place.sub(f"row {error.row}", error.what)
            error.where = error.where and place.sub(f"row {error.row}", error.where)
            error.args = (error.what,)
        raise


def joined(model: str, parts: Sequence[tuple[dict[str, Any], str]]) -> Predictions:
    """The answers to the pieces of a request, as one."""
    rows: list[dict[str, Any]] = []
    version = 0
    for value, _ in parts:
        try:
            rows += value["predictions"]
            version = int(value["version"])
        except (KeyError, TypeError, ValueError):
            raise AnswerUnreadable("the answer holds no predictions") from None
    usage = tuple(usage for _, usage in parts if usage)
    return Predictions(model, version, rows, usage)
