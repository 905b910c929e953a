"""Which versions of a model are wanted while a server runs, and by which labels they are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fairlead.core.errors import BadUsage
from fairlead.core.model_record import ModelRecord


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted of the versions that the repository of a model holds.

    newest: so many of the highest ones, 0 for all. only: exactly these, where there are any.
    exact:  what is not chosen ends. Otherwise nothing ends while the newest answers already.
    labels: the version that each label points to, and no others; None leaves them as they are.
    default: the version that answers when none is named, 0 for the newest that does.
    source: where the model lies that is loaded under this name, "" for its repository.
    called: what the platform that loads it calls it, where that cannot be its name here.
    """

    newest: int = 1
    only: tuple[int, ...] = ()
    exact: bool = False
    labels: Mapping[str, int] | None = None
    default: int = 0
    source: str = ""
    called: str = ""

    def of(self, known: Collection[int]) -> list[int]:
        """The versions that are wanted of those that are known, the newest first."""
        chosen = self.only or sorted(known)[-self.newest :]
        return sorted(chosen, reverse=True)

    def to_json(self) -> dict[str, Any]:
        """As the workers are told."""
        labels = None if self.labels is None else dict(self.labels)
        return {
            "newest": self.newest, "only": list(self.only), "exact": self.exact, "labels": labels,
            "default": self.default, "source": self.source, "called": self.called,
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Choice:
        """The inverse of `to_json`."""
        given: dict[str, Any] = {**told, "only": tuple(told["only"])}
        return cls(**given)


NEWEST = Choice()
"""The newest version."""

POLICY = r"latest|latest:[1-9][0-9]{0,3}|all|(?:0|[1-9][0-9]{0,17})(?:,(?:0|[1-9][0-9]{0,17}))*"
"""How it is spelt which versions are wanted."""


def parse_policy(text: str) -> Choice:
    """What is wanted: "latest", "latest:N", "all", or versions such as "3,5". Raises BadUsage."""
    if not re.fullmatch(POLICY, text, re.ASCII):
        raise BadUsage(
            f"{text[:80]!r} does not say which versions are wanted",
            fix="Say latest, latest:N, all, or versions such as 3,5",
        )
    if text == "all":
        return Choice(newest=0, exact=True)
    if text.startswith("latest"):
        return Choice(newest=int(text.partition(":")[2] or 1), exact=True)
    return Choice(only=tuple(sorted({int(part) for part in text.split(",")})), exact=True)


def choices_of(records: Iterable[ModelRecord], usual: str) -> dict[str, Choice]:
    """What is wanted of models by what is on record of them. usual: versions, where none are said.

    Raises BadUsage.
    """
    return {
        record.name: replace(
            parse_policy(record.versions or usual),
            labels=record.every_label,
            default=record.stable,
        )
        for record in records
    }


def policy_text(choice: Choice) -> str:
    """The inverse of `policy`."""
    if choice.only:
        return ",".join(map(str, choice.only))
    if not choice.newest:
        return "all"
    return "latest" if choice.newest == 1 else f"latest:{choice.newest}"
