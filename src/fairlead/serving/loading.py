"""One version from its files into memory: read, verified, warmed by its own example, measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock
from typing import Any

from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, Runtime
from fairlead.documents.card_facts import NEEDED
from fairlead.packages.read import open_package, read_verified
from fairlead.packages.repository import Found
from fairlead.serving.batcher import Plan
from fairlead.serving.crashes import Mark, key_of
from fairlead.serving.footprint import Footprint, Measuring
from fairlead.serving.guarding import Guarding, load_guards
from fairlead.serving.preparing import preparing_of
from fairlead.serving.served import Served
from fairlead.serving.trying import Trying
from fairlead.serving.warmup import warm

EXAMPLE = "examples.json"
_ALONE_S = 60.0
APART = "onnx apart"
"""The runtime of an ONNX graph that is kept in a runner."""
CRASHED = "a worker died while it loaded or executed this version"
"""Why a graph is kept in a runner that need not be."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A warmed version, how it and its further signatures are run, and what memory it takes."""

    served: Served
    plans: list[Plan]
    footprint: Footprint


class Loader:
    """Loads packages, on whatever thread asks.

    isolate: models whose graphs are kept in a runner although they need not be.
    trying: how a version is loaded that is executed in this process, and may be its end.
    """

    def __init__(
        self,
        runtimes: Mapping[str, Runtime],
        isolate: Container[str] = (),
        trying: Trying | None = None,
    ) -> None:
        self._runtimes = runtimes
        self._isolate = isolate
        self._trying = trying
        # What is measured is not to be disturbed by another load, unless that one hangs.
        self._alone = Lock()

    def load(self, found: Found, warming: Callable[[], None]) -> Loaded:
        """A version that can answer. warming: called once it is loaded and before it predicts.

        Raises FairleadError saying why not, and whatever a runtime raises.
        """
        # The folder names a version, whatever name its package was given when it was packed.
        package = replace(open_package(found.folder), name=found.name, version=found.version)
        if package.name in self._isolate:
            package = replace(package, isolated=True)
        if self._trying is None or not self._inside(package):
            return self._loaded(package, None, warming)
        with self._trying.loading(_key(package)) as tried:
            if tried.fatal:
                package = replace(package, isolated=True, reason=CRASHED)
            return self._loaded(package, tried.mark, warming)

    def _inside(self, package: Package) -> bool:
        return getattr(self._runtime(package), "inside", False)

    def _loaded(self, package: Package, mark: Mark | None, warming: Callable[[], None]) -> Loaded:
        preparing = preparing_of(package, lambda relative: read_verified(package, relative))
        runtime = self._runtime(package)
        ready: Callable[[], None] | None = getattr(runtime, "ready", None)
        if ready is not None:
            ready()
        measuring = Measuring(package)
        model = self._model(package)
        measuring.held()
        warming()
        served: Served | None = None
        try:
            served = Served(package, model, read_example(package), read_guards(package))
            served.preparing = preparing
            served.facts = {n: read_verified(package, n) for n in NEEDED if n in package.files}
            alone = self._alone.acquire(timeout=_ALONE_S)
            try:
                plan = warm(package, model, served.example)
                plans = [plan, *self._further(served)]
            finally:
                if alone:
                    self._alone.release()
            footprint = measuring.warmed(served)
        except BaseException:
            (served or model).close()
            raise
        for one in (served, *served.further.values()):
            one.mark = mark if self._inside(one.package) else None
        return Loaded(served, plans, footprint)

    def _model(self, package: Package) -> LoadedModel:
        """A package, loaded by its runtime."""
        return self._runtime(package).load(package, lambda name: read_verified(package, name))

    def _runtime(self, package: Package) -> Runtime:
        """Raises LoadFailed where it is not known."""
        apart = APART if package.isolated and package.runtime == "onnx" else package.runtime
        runtime = self._runtimes.get(apart)
        if runtime is None:
            raise LoadFailed(
                f"no runtime {package.runtime!r} is known here",
                where=f"{package.name} version {package.version}",
                fix=f"Known: {', '.join(sorted(self._runtimes))}",
            )
        return runtime

    def _further(self, served: Served) -> list[Plan]:
        """Loads the further signatures of a version; the plan of each, in their order."""
        plans: list[Plan] = []
        own = served.package
        for name, listed in own.signatures.items():
            if listed is None:
                continue
            apart = listed.isolated or own.isolated
            package = replace(listed, name=own.name, version=own.version, isolated=apart)
            served.add(name, Served(package, self._model(package), {}))
            plans.append(warm(package, served.further[name].model, {}))
        return plans


def _key(package: Package) -> str:
    """What marks call a version with these files."""
    files = "".join(sorted(fact.sha256 for fact in package.files.values()))
    return key_of(package.name, package.version, sha256(files.encode()).hexdigest()[:16])


def reason_of(error: Exception) -> str:
    """Why a version could not be loaded, in a line."""
    if isinstance(error, FairleadError):
        return error.line()
    return f"{type(error).__name__}: {error}"


def read_guards(package: Package) -> Guarding | None:
    """The package's guards, None when it has learnt none. Raises LoadFailed."""
    try:
        return load_guards(package, lambda relative: read_verified(package, relative))
    except (ValueError, KeyError, OSError) as error:
        raise LoadFailed(
            f"the guards cannot be read: {error}", where=f"{package.name} version {package.version}"
        ) from None


def read_example(package: Package) -> dict[str, Any]:
    """The package's example rows, {} when it has none."""
    if EXAMPLE not in package.files:
        return {}
    return json.loads(read_verified(package, EXAMPLE))
