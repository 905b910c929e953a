"""What memory a version takes: measured while it is loaded and warmed, never declared."""

from __future__ import annotations

from fairlead.core.package import Package
from fairlead.serving.memory import peak, reset_peak, resident, trim
from fairlead.serving.served import Served


class Footprint:
    """Bytes that a version takes.

    here: in this process. The memory of the processes in which it runs is read anew; while one is
    away, what it took before counts.
    """

    def __init__(self, least: int) -> None:
        self.here = least
        self._most = 0
        self._served: Served | None = None

    def loaded(self, served: Served) -> None:
        """It is warmed; from now on its runners count too."""
        self._served = served

    @property
    def size(self) -> int:
        """Bytes in all, at the most that any of its processes ever had."""
        self._most = max(self._most, sum(map(peak, self._runners())))
        return self.here + self._most

    def _runners(self) -> list[int]:
        served = self._served
        if served is None:
            return []
        models = [one.model for one in (served, *served.further.values())]
        runners = [getattr(model, "runner", None) for model in models]
        return [runner.pid for runner in runners if runner is not None]


class Measuring:
    """Measures what a version adds to this process: what it holds, and the peak of its predictions.

    What loading needs for a moment is not counted, as only one version is loaded at a time where
    memory is short. What other calls need meanwhile is: the figure is too high rather than too low.
    It is never less than the graph is on the disk.
    """

    def __init__(self, package: Package) -> None:
        self.footprint = Footprint(0 if package.isolated else graph_bytes(package))
        self._here = not package.isolated
        self._known = False
        trim()
        self._before = resident()

    def held(self) -> None:
        """The version is in memory, and is about to predict."""
        trim()
        self._known = reset_peak()

    def warmed(self, served: Served) -> Footprint:
        """It has predicted what it will at the most; what it takes."""
        self.footprint.loaded(served)
        if self._here:
            grown = (peak() if self._known else resident()) - self._before
            self.footprint.here = max(self.footprint.here, grown)
        return self.footprint


def graph_bytes(package: Package) -> int:
    """Bytes of the files that are loaded into memory."""
    loaded = ("graph/", "native/")
    return sum(fact.size for name, fact in package.files.items() if name.startswith(loaded))
