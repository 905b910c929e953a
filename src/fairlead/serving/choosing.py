"""Which versions of a model are wanted while a server runs, and by which labels they are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

STABLE = "stable"
"""The label of the version that answers when none is named, unless it is given to another one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted of the versions that the repository of a model holds.

    newest: so many of the highest ones, 0 for all. only: exactly these, where there are any.
    exact:  what is not chosen ends. Otherwise nothing ends while the newest answers already.
    labels: the version that each label points to, and no others; None leaves them as they are.
    source: where the model lies that is loaded under this name, "" for its repository.
    called: what the platform that loads it calls it, where that cannot be its name here.
    """

    newest: int = 1
    only: tuple[int, ...] = ()
    exact: bool = False
    labels: Mapping[str, int] | None = None
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
            "source": self.source, "called": self.called,
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Choice:
        """The inverse of `to_json`."""
        only = tuple(told["only"])
        return cls(
            told["newest"], only, told["exact"], told["labels"], told["source"], told["called"]
        )


NEWEST = Choice()
"""The newest version."""
