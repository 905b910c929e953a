"""How much memory the models of one worker may take, and how much they do.

A version is known by its footprint, which was measured when it was loaded (footprint.py).
"""

from __future__ import annotations

from fairlead.core.errors import MemoryTooSmall
from fairlead.serving.footprint import Footprint

_MIB = 1 << 20


class Budget:
    """most: bytes that models may take in this worker; 0 for any number."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._held: dict[tuple[str, int], Footprint] = {}
        self._known: dict[tuple[str, int], int] = {}
        self._reserved: dict[tuple[str, int], int] = {}

    @property
    def held(self) -> int:
        """Bytes that the loaded versions take, and those that are being loaded may."""
        loaded = sum(footprint.size for footprint in [*self._held.values()])
        return loaded + sum([*self._reserved.values()])

    def of(self, model: str, version: int) -> int:
        """Bytes that a version takes, or took when it was last loaded; 0 while nobody knows."""
        footprint = self._held.get((model, version))
        return self._known.get((model, version), 0) if footprint is None else footprint.size

    def note(self, model: str, version: int, size: int) -> None:
        """What a version was seen to take, whether or not it stays."""
        self._known[model, version] = size

    def reserve(self, model: str, version: int, need: int) -> None:
        """A version is being loaded."""
        self._reserved[model, version] = need

    def take(self, model: str, version: int, footprint: Footprint) -> None:
        """A version was loaded."""
        self._reserved.pop((model, version), None)
        self._held[model, version] = footprint

    def give(self, model: str, version: int) -> None:
        """A version's memory was given back, or it could not be loaded."""
        self._reserved.pop((model, version), None)
        footprint = self._held.pop((model, version), None)
        if footprint is not None:
            self.note(model, version, footprint.size)

    def forget(self, model: str, version: int) -> None:
        """A version is known no more, or its files are others."""
        self._known.pop((model, version), None)

    def lacks(self, need: int) -> int:
        """Bytes that must be given back before so many more are taken."""
        return max(0, self.held + need - self.most) if self.most else 0

    def check(self, model: str, version: int, need: int) -> None:
        """Raises MemoryTooSmall for a version that cannot be loaded even alone."""
        if self.most and need > self.most:
            raise MemoryTooSmall(
                f"model {model!r} version {version} takes {need / _MIB:,.0f} MiB; models may take "
                f"{self.most / _MIB:,.0f} MiB in each worker",
                fix="Give the server more (--memory), fewer --workers, or make the model lighter",
            )
