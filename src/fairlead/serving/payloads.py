"""A sample of the rows that a version is sent, on its way into the payload log.

Only where the owner turned it on, and only the fields that they named. A log that cannot be written
never fails a prediction: it is said once.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fairlead.core.call import Call
from fairlead.core.decision import OUTCOMES
from fairlead.core.package import Package
from fairlead.core.tensor import Array
from fairlead.serving.answered import Answered
from fairlead.serving.log import log
from fairlead.usage.payloads import Kept, PayloadLog, Value, hash_key

MOST_ROWS = 1000
"""Of one call; further ones are left out."""
_DIGEST_BYTES = 16


class Payloads:
    """The payload log of one served version. private: columns of which nothing may be kept."""

    def __init__(
        self, package: Package, private: Collection[str], state: Path, writer: str
    ) -> None:
        choice = package.payloads
        fields = {name: how for name, how in choice.fields.items() if name not in private}
        named = {column.name: column for column in package.signature.columns}
        self._columns = [named[name] for name in fields]
        self._hashed = [how == "hash" for how in fields.values()]
        self._sample = choice.sample
        self._chance = random.Random().random  # noqa: S311 - which rows are kept is no secret
        self._key_of = package.name, package.version
        self._secret = hash_key(state) if any(self._hashed) else b""
        self._log = PayloadLog(state, writer, *self._key_of, [*fields], choice.days)
        self._failed = False

    def note(self, answers: Sequence[Answered]) -> None:
        """Keeps some of the calls that are answered. Never raises."""
        for answer in answers:
            chosen: list[tuple[Call, int]] = []
            start = 0
            for call in answer.calls:
                if self._chance() < self._sample and call.error is None and call.usage >= 0:
                    chosen.append((call, start))
                start += call.rows
            if chosen:
                self._keep(answer.inputs, chosen)

    def _keep(self, inputs: Sequence[Array], chosen: Sequence[tuple[Call, int]]) -> None:
        try:
            kept: list[Kept] = []
            for call, start in chosen:
                rows = self._rows(inputs, start, call)
                kept.append((call.usage, call.rows, OUTCOMES[call.decision], rows))
            self._log.append(kept)
            self._failed = False
        except Exception as error:
            if not self._failed:
                self._failed = True
                # Not its words: they may quote a value.
                name, version = self._key_of
                log("payloads_lost", model=f"{name}/{version}", error=type(error).__name__)

    def _rows(self, inputs: Sequence[Array], start: int, call: Call) -> list[tuple[Value, ...]]:
        there = slice(start, start + min(call.rows, MOST_ROWS))
        columns: list[list[Value]] = []
        for column, hashed in zip(self._columns, self._hashed, strict=True):
            array = inputs[column.input]
            place = column.position
            part = array[there].reshape(-1) if place is None else array[there, place]
            values = [_plain(value) for value in part.tolist()]
            columns.append([self._hash(column.name, v) for v in values] if hashed else values)
        return [*zip(*columns, strict=True)]

    def _hash(self, name: str, value: Value) -> Value:
        """Equal values of a column have equal hashes; a missing one stays missing."""
        if value is None:
            return None
        said = f"{name}\0{value!r}".encode("utf-8", "surrogatepass")
        return blake2b(said, key=self._secret, digest_size=_DIGEST_BYTES).hexdigest()

    def rest(self) -> None:
        """From time to time: lets go of what has become too old."""
        self._log.rest()

    def close(self) -> None:
        """Ends the segment that is being written."""
        self._log.close()


def _plain(value: Any) -> Value:
    """A value as JSON has it: what is missing is null, and so is infinity."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def payloads_of(
    package: Package, private: Collection[str], state: Path, writer: str
) -> Payloads | None:
    """The payload log of a version; None unless its owner wants one."""
    choice = package.payloads
    if not choice.sample or not choice.fields:
        return None
    kept = [name for name in choice.fields if name in private]
    if kept:
        log("payloads_private", model=f"{package.name}/{package.version}", fields=kept)
    if len(kept) == len(choice.fields):
        return None
    try:
        return Payloads(package, private, state, writer)
    except OSError as error:
        log("payloads_lost", model=f"{package.name}/{package.version}", error=repr(error))
        return None
