"""Versions from the repository into memory.

Which versions are wanted is a pure function; one manager thread alone loads, so nothing is ever
loaded on a thread that serves. A version is ready only after warm-up. What ends is waited for: a
version is closed once nobody holds it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from fairlead.core.errors import FairleadError, LoadFailed, ModelNotFound
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel, Runtime
from fairlead.documents.card_facts import NEEDED
from fairlead.packages.read import open_package, read_verified
from fairlead.packages.repository import Found, committed
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.choosing import NEWEST, Choice
from fairlead.serving.guarding import Guarding, load_guards
from fairlead.serving.preparing import preparing_of
from fairlead.serving.registry import (
    FAILED,
    LOADING,
    UNLOADED,
    WAITING,
    WARMING,
    Registry,
    Served,
    Source,
    label_unassignable,
)
from fairlead.serving.streaming import Streamer
from fairlead.serving.warmup import warm

EXAMPLE = "examples.json"
_LOOK_S = 0.02
Done = Callable[[FairleadError | None], None]
"""Is told that something is done, or why not."""
Held = Mapping[int, Callable[[], Found]]
"""The versions of a model by number, and what makes each a package."""
APART = "onnx apart"
"""The runtime of an ONNX graph that is kept in a runner."""


def wanted(found: Iterable[Found], policy: str) -> set[tuple[str, int]]:
    """Which versions should be in memory: the newest of each model ("latest"), or "all"."""
    versions: dict[str, list[int]] = {}
    for version in found:
        versions.setdefault(version.name, []).append(version.version)
    if policy == "all":
        return {(name, v) for name, numbers in versions.items() for v in numbers}
    return {(name, max(numbers)) for name, numbers in versions.items()}


def stand_ins(found: Iterable[Found], version: Found) -> list[Found]:
    """What is loaded in place of a version that cannot be: the older ones, newest first."""
    older = [f for f in found if f.name == version.name and f.version < version.version]
    return sorted(older, key=lambda f: f.version, reverse=True)


class Manager:
    """Loads and ends the versions of this worker, one after the other, on its own thread."""

    def __init__(
        self,
        registry: Registry,
        runtimes: Mapping[str, Runtime],
        loop: asyncio.AbstractEventLoop,
        make_batcher: Callable[[Served, Plan], Batcher | Streamer],
        log: Callable[..., None],
        isolate: Container[str] = (),
        forget: Callable[[Served], None] = lambda served: None,
        held: Callable[[str, Sequence[Found], str], Held] = lambda m, found, s: packages(found),
    ) -> None:
        """isolate: models whose graphs are kept in a runner although they need not be.

        forget: is told of a version that has ended, before its memory is given back.
        held: adds to what is found of a model what is packed only once it is wanted; what it gives
        for a model that is loaded from a place of its own is all.
        """
        self._registry = registry
        self._runtimes = runtimes
        self._loop = loop
        self._make_batcher = make_batcher
        self._log = log
        self._isolate = isolate
        self._forget = forget
        self._add = held
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._roots: set[Path] = set()
        self.batchers: list[Batcher | Streamer] = []

    def start(self, found: Sequence[Found], policy: str) -> None:
        """Begins to load what is wanted of `found`; returns at once."""
        want, latest = wanted(found, policy), policy == "latest"
        for version in found:
            chosen = (version.name, version.version) in want
            state = WAITING if chosen else UNLOADED
            self._registry.know(version.name, version.version, None, state)
            if version.folder.parent.name == version.name:
                self._roots.add(version.folder.parent.parent)
            if chosen:
                tried = [version, *(stand_ins(found, version) if latest else [])]
                self._jobs.put(partial(self._load_one_of, tried))
        Thread(target=self._work, name="manager", daemon=True).start()

    def load(self, model: str, done: Done, choice: Choice = NEWEST) -> None:
        """Loads what is wanted of the versions of a model that its repository holds now.

        done: is told on the loop, once all of them answer or it is known why they cannot. Then the
        others end; nothing ends where something cannot be loaded.
        """
        self._jobs.put(partial(self._load_chosen, model, choice, done))

    def end(self, model: str, done: Done) -> None:
        """Ends every version of a model; `done` is told once their memory is given back.

        It comes behind what is being loaded: that ends too.
        """

        def later() -> None:
            self._loop.call_soon_threadsafe(self._end, model, done)

        self._jobs.put(later)

    def _end(self, model: str, done: Done) -> None:
        ending = self._registry.withdraw(model)
        self._registry.label(model, {})
        if not ending and model not in self._registry.versions:
            done(ModelNotFound(f"no model {model!r} is served here"))
            return
        placed = model in self._registry.sources

        def ended() -> None:
            if placed:
                self._registry.forget(model)
            done(None)

        self._end_when_free(ending, ended)

    def unload(self) -> None:
        """Ends the batchers and closes every loaded model; for a worker that is done."""
        for batcher in self.batchers:
            batcher.close()
        for served in self._registry.served():
            served.close()

    def _work(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and the worker with it
            while True:
                self._jobs.get()()

    def _load_chosen(self, model: str, choice: Choice, done: Done) -> None:
        """On the manager's thread: finds the versions and loads those that do not answer yet."""
        tell = self._loop.call_soon_threadsafe
        try:
            held = self._held(model, choice.source)
            wanted = choice.of(held)
            fresh = [number for number in wanted if not self._answers(model, number)]
            alone = choice.exact or bool(fresh)
            for label, number in (choice.labels or {}).items():
                if number not in wanted and (alone or not self._answers(model, number)):
                    raise label_unassignable(model, label, number)
            for number in fresh:
                self._bring(model, number, held)
        except FairleadError as error:
            if choice.source:  # what cannot be loaded was never promised to be served
                tell(self._registry.forget, model)
            tell(done, error)
            return
        if choice.source:
            tell(self._registry.note_source, model, Source(choice.called or model, choice.source))
        tell(self._settle, model, wanted if alone else None, choice.labels, done)

    def _answers(self, model: str, number: int) -> bool:
        return self._registry.get(model, number) is not None

    def _held(self, model: str, source: str) -> Held:
        """What its repository or its own place holds of a model now.

        Raises ModelNotFound and FileUnreadable.
        """
        found = [f for root in self._roots for f in committed(root) if f.name == model]
        held = self._add(model, found, source)
        if not held:
            where = source or "the repository"
            raise ModelNotFound(f"{where[:200]} holds no version of a model {model!r}")
        return held

    def _bring(self, model: str, number: int, held: Held) -> None:
        """Raises ModelNotFound, what packing raises, and LoadFailed."""
        if number not in held:
            raise ModelNotFound(f"the repository holds no version {number} of model {model!r}")
        found = held[number]()
        self._loop.call_soon_threadsafe(self._registry.know, model, number, None, WAITING)
        reason = self._attempt(found)
        if reason:
            self._tell(found, FAILED, reason)
            raise LoadFailed(reason, where=f"{model} version {number}")

    def _settle(
        self, model: str, keep: Sequence[int] | None, labels: Mapping[str, int] | None, done: Done
    ) -> None:
        """All that is wanted answers: labels follow, and the others end; nobody waits for that.

        keep: None where nothing ends.
        """
        try:
            if labels is not None:
                self._registry.label(model, labels)
        except FairleadError as error:
            done(error)
            return
        if keep is not None:
            self._end_when_free(self._registry.withdraw(model, keep), lambda: None)
        done(None)

    def _end_when_free(self, ending: list[Served], done: Callable[[], None]) -> None:
        """Closes versions once no call holds them any more."""
        if any(served.held for served in ending):
            self._loop.call_later(_LOOK_S, self._end_when_free, ending, done)
            return
        for served in ending:
            self._forget(served)
            for batcher in [b for b in self.batchers if b.model == served.key]:
                batcher.close()
                self.batchers.remove(batcher)
        self._jobs.put(partial(self._close, ending, done))

    def _close(self, ending: list[Served], done: Callable[[], None]) -> None:
        for served in ending:
            served.close()
            package = served.package
            self._loop.call_soon_threadsafe(
                self._registry.mark, package.name, package.version, UNLOADED
            )
        self._loop.call_soon_threadsafe(done)

    def _load_one_of(self, versions: Sequence[Found]) -> None:
        """Loads the first version that can be."""
        for version, older in zip_longest(versions, versions[1:]):
            reason = self._attempt(version)
            if not reason:
                return
            if older is not None:
                self._tell(older, WAITING)
            self._tell(version, FAILED, reason)

    def _attempt(self, version: Found) -> str:
        """Loads a version, or says why it cannot be."""
        try:
            self._load(version)
        except FairleadError as error:
            return error.line()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _load(self, found: Found) -> None:
        self._tell(found, LOADING)
        # The folder names a version, whatever name its package was given when it was packed.
        package = replace(open_package(found.folder), name=found.name, version=found.version)
        if package.name in self._isolate:
            package = replace(package, isolated=True)
        preparing = preparing_of(package, lambda relative: read_verified(package, relative))
        model = self._loaded(package)
        self._tell(found, WARMING)
        served: Served | None = None
        try:
            served = Served(package, model, read_example(package), read_guards(package))
            served.preparing = preparing
            served.facts = {n: read_verified(package, n) for n in NEEDED if n in package.files}
            plan = warm(package, model, served.example)
            plans = [plan, *self._load_further(served)]
        except BaseException:
            (served or model).close()
            raise
        self._loop.call_soon_threadsafe(self._ready, served, plans)

    def _loaded(self, package: Package) -> LoadedModel:
        """A package by its runtime. Raises LoadFailed."""
        apart = APART if package.isolated and package.runtime == "onnx" else package.runtime
        runtime = self._runtimes.get(apart)
        if runtime is None:
            raise LoadFailed(
                f"no runtime {package.runtime!r} is known here",
                where=f"{package.name} version {package.version}",
                fix=f"Known: {', '.join(sorted(self._runtimes))}",
            )
        return runtime.load(package, lambda relative: read_verified(package, relative))

    def _load_further(self, served: Served) -> list[Plan]:
        """Loads the further signatures of a version; the plan of each, in their order."""
        plans: list[Plan] = []
        own = served.package
        for name, listed in own.signatures.items():
            if listed is None:
                continue
            apart = listed.isolated or own.isolated
            package = replace(listed, name=own.name, version=own.version, isolated=apart)
            served.add(name, Served(package, self._loaded(package), {}))
            plans.append(warm(package, served.further[name].model, {}))
        return plans

    def _ready(self, served: Served, plans: Sequence[Plan]) -> None:
        each = zip((served, *served.further.values()), plans, strict=True)
        self.batchers += [self._make_batcher(one, plan) for one, plan in each]
        plan = plans[0]
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


def packages(found: Iterable[Found]) -> dict[int, Callable[[], Found]]:
    """Versions that are packages already."""
    return {version.version: partial(_itself, version) for version in found}


def _itself(found: Found) -> Found:
    return found


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
