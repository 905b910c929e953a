"""What a worker is told: settings, versions, inherited descriptors. JSON in an anonymous file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from fairlead.assembly.settings import SECTIONS, Settings

RUNNERS = "runners"
"""Where below the state folder the runners of each worker have their folders."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker's orders.

    versions: (model name, version, package folder) of everything that is known.
    listener, status: inherited descriptors of the socket and the status pages.
    """

    settings: Settings
    versions: list[tuple[str, int, str]]
    state: str
    listener: int
    status: int
    grace_s: float

    def to_json(self) -> dict[str, Any]:
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "settings"}
        found["settings"] = {name: asdict(getattr(self.settings, name)) for name in SECTIONS}
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> WorkerSpec:
        """The inverse of `to_json`."""
        sections = {
            name: SECTIONS[name](
                **{k: tuple(v) if v.__class__ is list else v for k, v in own.items()}
            )
            for name, own in data["settings"].items()
        }
        rest = {k: v for k, v in data.items() if k != "settings"}
        rest["versions"] = [(name, version, folder) for name, version, folder in data["versions"]]
        return cls(settings=Settings(**sections, origins={}), **rest)
