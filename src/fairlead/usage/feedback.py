"""True labels as they came in, kept until the bookkeeper has joined them with their predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fairlead.core.errors import BodyTooLarge, FeedbackUnavailable
from fairlead.usage.segments import SEGMENT_BYTES, SegmentLog, frame, frames, segments

FEEDBACK = "feedback"
"""The folder below the state folder."""
MOST_BYTES = 256 << 20
"""What may wait to be joined; while it is more, no labels are taken."""
_OLDEST_S = 3600.0
_LABELS_A_FRAME = 1024
_KIND_LABELS = 1
_USAGE = re.compile(r"[0-9a-f]{1,16}-[0-9]{1,5}-[0-9a-f]{16}-[0-9a-f]{1,15}\Z", re.ASCII)

Label = str | float | None
"""A class by name, a number, or None where the truth is not known."""


class Labelled(NamedTuple):
    """The true labels of one call, one per row, for the call with this usage id.

    owner: whose calls the sender may label (`outcomes.owner_of`); 0 for everybody's.
    """

    usage: str
    labels: Sequence[Label]
    owner: int = 0


def is_usage_id(text: str) -> bool:
    """Whether a text has the form of a usage id; only the outcome log knows whether it is one."""
    return bool(_USAGE.match(text))


class FeedbackLog:
    """The labels that one worker has taken."""

    def __init__(self, state: Path, writer: str, most_bytes: int = MOST_BYTES) -> None:
        self._folder = state / FEEDBACK
        self._log = SegmentLog(self._folder, writer, oldest_s=_OLDEST_S)
        self._most_bytes = most_bytes

    def add(self, model: str, given: Sequence[Labelled]) -> None:
        """Keeps labels of one model: all of them once it returns.

        Raises BodyTooLarge for one call with more labels than a segment takes, and
        FeedbackUnavailable when they cannot be kept; then none of them is.
        """
        written: list[bytes] = []
        part: list[Labelled] = []
        count = 0
        for labelled in given:
            if part and count + len(labelled.labels) > _LABELS_A_FRAME:
                written.append(_frame(model, part))
                part, count = [], 0
            part.append(labelled)
            count += len(labelled.labels)
        written.append(_frame(model, part))
        try:
            if sum(s.stat().st_size for s in segments(self._folder)) > self._most_bytes:
                raise FeedbackUnavailable(
                    "more labels wait to be joined than are kept", fix="Send them again later"
                )
            self._log.append(b"".join(written))
        except OSError as error:
            raise FeedbackUnavailable(
                f"the labels cannot be recorded: {error.strerror or error}",
                fix="Send them again later",
            ) from error

    def rest(self) -> None:
        """Ends a segment that has become too old, so that it can be removed."""
        self._log.rest()

    def close(self) -> None:
        """Ends the current segment."""
        self._log.close()


def _frame(model: str, part: Sequence[Labelled]) -> bytes:
    content = json.dumps({"model": model, "labels": part}).encode()
    if len(content) > SEGMENT_BYTES:
        raise BodyTooLarge("one call has more labels than are taken at once")
    return frame(_KIND_LABELS, content)


def read(segment: Path, offset: int = 0) -> Iterator[tuple[int, str, list[Labelled]]]:
    """What was taken, from `offset`: (offset after it, model, labels)."""
    for after, _, content in frames(segment, offset):
        told = json.loads(content)
        yield after, told["model"], [Labelled(*each) for each in told["labels"]]
