"""What memory a version takes: measured while it is loaded and warmed, never declared."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from fairlead.core.package import Package
from fairlead.serving.memory import peak, reset_peak, resident
from fairlead.serving.served import Served


class Footprint:
    """Bytes that a version takes.

    here: in this process. runners: the processes in which it runs, whose memory is read anew.
    """

    def __init__(self, least: int) -> None:
        self.here = least
        self._served: Served | None = None

    def loaded(self, served: Served) -> None:
        """From now on its runners count too."""
        self._served = served

    @property
    def size(self) -> int:
        """Bytes in all, at the most that any of its processes ever had."""
        return self.here + sum(map(peak, self._runners()))

    def _runners(self) -> list[int]:
        served = self._served
        if served is None:
            return []
        models = [one.model for one in (served, *served.further.values())]
        runners = [getattr(model, "runner", None) for model in models]
        return [runner.pid for runner in runners if runner is not None]


@contextmanager
def measured(package: Package) -> Generator[Footprint, None, None]:
    """Measures what is loaded and run inside: what it added to this process at its peak.

    What other calls need at the same moment is counted with it: the figure is too high rather than
    too low. It is never less than the graph is on the disk.
    """
    footprint = Footprint(0 if package.isolated else graph_bytes(package))
    known = reset_peak()
    before = resident()
    yield footprint
    if not package.isolated:
        after = peak() if known else resident()
        footprint.here = max(footprint.here, after - before)


def graph_bytes(package: Package) -> int:
    """Bytes of the files that are loaded into memory."""
    loaded = ("graph/", "native/")
    return sum(fact.size for name, fact in package.files.items() if name.startswith(loaded))
