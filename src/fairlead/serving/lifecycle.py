"""Versions from the repository into memory.

Which versions are wanted is a pure function; one manager thread alone loads, so nothing is ever
loaded on a thread that serves. A version is ready only after warm-up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.core.package import Package
from fairlead.core.promises import Runtime
from fairlead.packages.read import open_package, read_verified
from fairlead.packages.repository import Found
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.registry import (
    FAILED,
    LOADING,
    UNLOADED,
    WAITING,
    WARMING,
    Registry,
    Served,
)
from fairlead.serving.warmup import warm

EXAMPLE = "examples.json"


def wanted(found: Iterable[Found], policy: str) -> set[tuple[str, int]]:
    """Which versions should be in memory: the newest of each model ("latest"), or "all"."""
    versions: dict[str, list[int]] = {}
    for version in found:
        versions.setdefault(version.name, []).append(version.version)
    if policy == "all":
        return {(name, v) for name, numbers in versions.items() for v in numbers}
    return {(name, max(numbers)) for name, numbers in versions.items()}


class Manager:
    """Loads the wanted versions of this worker, one after the other, on its own thread."""

    def __init__(
        self,
        registry: Registry,
        runtimes: Mapping[str, Runtime],
        loop: asyncio.AbstractEventLoop,
        make_batcher: Callable[[Served, Plan], Batcher],
        log: Callable[..., None],
    ) -> None:
        self._registry = registry
        self._runtimes = runtimes
        self._loop = loop
        self._make_batcher = make_batcher
        self._log = log
        self._queue: list[Found] = []
        self.batchers: list[Batcher] = []

    def start(self, found: Sequence[Found], policy: str) -> None:
        """Begins to load what is wanted of `found`; returns at once."""
        want = wanted(found, policy)
        for version in found:
            chosen = (version.name, version.version) in want
            state = WAITING if chosen else UNLOADED
            self._registry.know(version.name, version.version, None, state)
            if chosen:
                self._queue.append(version)
        Thread(target=self._load_all, name="manager", daemon=True).start()

    def unload(self) -> None:
        """Ends the batchers and closes every loaded model; for a worker that is done."""
        for batcher in self.batchers:
            batcher.close()
        for served in self._registry.served():
            served.model.close()

    def _load_all(self) -> None:
        for version in self._queue:
            try:
                self._load(version)
            except FairleadError as error:
                self._tell(version, FAILED, error.line())
            except Exception as error:
                self._tell(version, FAILED, f"{type(error).__name__}: {error}")

    def _load(self, found: Found) -> None:
        self._tell(found, LOADING)
        package = open_package(found.folder)
        runtime = self._runtimes.get(package.runtime)
        if runtime is None:
            raise LoadFailed(
                f"no runtime {package.runtime!r} is known here",
                where=f"{found.name} version {found.version}",
                fix=f"Known: {', '.join(sorted(self._runtimes))}",
            )
        model = runtime.load(package, lambda relative: read_verified(package, relative))
        self._tell(found, WARMING)
        served = Served(package, model, read_example(package))
        plan = warm(package, model, served.example)
        self._loop.call_soon_threadsafe(self._ready, served, plan)

    def _ready(self, served: Served, plan: Plan) -> None:
        self.batchers.append(self._make_batcher(served, plan))
        package = served.package
        self._registry.versions[package.name][package.version].package = package
        self._registry.publish(served)
        how = "inline" if plan.inline else f"{plan.slots} threads"
        self._log("ready", model=served.key, runs=how, joins_rows=plan.max_rows)

    def _tell(self, found: Found, state: str, reason: str = "") -> None:
        if reason:
            self._log("load_failed", model=f"{found.name}/{found.version}", reason=reason)
        self._loop.call_soon_threadsafe(
            self._registry.mark, found.name, found.version, state, reason
        )


def read_example(package: Package) -> dict[str, Any]:
    """The package's example rows, {} when it has none."""
    if EXAMPLE not in package.files:
        return {}
    return json.loads(read_verified(package, EXAMPLE))


def found_at(folders: Iterable[str], names: Iterable[str]) -> list[Found]:
    """Versions named one by one: (folder, model name) pairs of single packages."""
    return [
        Found(name, open_package(Path(folder)).version, Path(folder))
        for folder, name in zip(folders, names, strict=True)
    ]
