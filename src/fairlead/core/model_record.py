"""What operators have said of a model: which versions are wanted, and which answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CANDIDATE, STABLE = "candidate", "stable"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Kept until somebody changes it, over restarts.

    versions: which are wanted, as "latest:2"; "" for what the server's settings say.
    stable:   the version that answers when none is named, 0 for the newest.
    previous: the one that did before, 0 for none.
    labels:   the versions that further labels point to.
    rollout:  the id of the rollout of its candidate that is under way, "" for none.
    follows:  before that the newest version answered, and does again if the candidate is promoted.
    tried:    the highest version of which a rollout was begun.
    """

    name: str
    versions: str = ""
    stable: int = 0
    previous: int = 0
    labels: Mapping[str, int] = field(default_factory=dict[str, int])
    rollout: str = ""
    follows: bool = False
    tried: int = 0

    @property
    def every_label(self) -> dict[str, int]:
        """All labels, that of the stable version among them."""
        return {**self.labels, **({STABLE: self.stable} if self.stable else {})}

    def to_json(self) -> dict[str, Any]:
        """As it is told and kept."""
        return asdict(self) | {"labels": dict(self.labels)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> ModelRecord:
        """The inverse of `to_json`."""
        return cls(**told)
