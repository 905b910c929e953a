"""Which versions are served now, and the right to use them.

The registry is read on every call and changed only from the event loop, by the lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from fairlead.core.call import Call
from fairlead.core.errors import (
    FairleadError,
    LabelUnassignable,
    LabelUnknown,
    ModelNotFound,
    ModelNotReady,
)
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.documents.card_words import completeness
from fairlead.serving.choosing import STABLE
from fairlead.serving.guarding import Guarding
from fairlead.serving.observe import Stats
from fairlead.serving.outcomes import Outcomes
from fairlead.serving.payloads import Payloads
from fairlead.serving.preparing import Preparing
from fairlead.serving.quarantine import Quarantine
from fairlead.serving.watching import Watch

WAITING, LOADING, WARMING, READY = "waiting", "loading", "warming", "ready"
DRAINING, UNLOADED, FAILED = "draining", "unloaded", "failed"

LATEST = -1
"""Stands for the version that answers when a caller names none."""

_T = TypeVar("_T")


class Served:
    """A loaded version: its package, model, counts and what each wire derived from it.

    leases: calls that hold it; it is unloaded only at zero.
    submit: hands a decoded call to the version's batcher.
    example: the package's examples.json as read, {} when it has none. facts: the files of which
    its card is made, as read.
    positions: of all inputs; finite: of those that take finite numbers only.
    guarding: its guards, None when it has learnt none; watch: of what goes through it;
    outcomes: what it predicts, kept for true labels; payloads: a sample of what it is sent; each
    None unless the owner wants it. preparing: makes its inputs of pictures and texts, None where
    they are tensors only. quarantine: inputs that are refused, None while there are none.
    further: its other signatures by name; `main` is, of such a one, the version that it belongs to,
    which knows who may be told what.
    """

    __slots__ = (
        "_derived",
        "example",
        "facts",
        "finite",
        "further",
        "guarding",
        "key",
        "leases",
        "main",
        "model",
        "outcomes",
        "package",
        "payloads",
        "positions",
        "preparing",
        "quarantine",
        "stats",
        "submit",
        "watch",
    )

    def __init__(
        self,
        package: Package,
        model: LoadedModel,
        example: dict[str, Any],
        guarding: Guarding | None = None,
    ) -> None:
        self.package = package
        self.guarding = guarding
        self.model = model
        self.example = example
        self.facts: Mapping[str, bytes] = {}
        self.key = f"{package.name}/{package.version}"
        inputs = package.signature.inputs
        self.positions = range(len(inputs))
        self.finite = [i for i, s in enumerate(inputs) if s.dtype.is_float and not s.missing]
        self.stats = Stats()
        self.leases = 0
        self.watch: Watch | None = None
        self.outcomes: Outcomes | None = None
        self.payloads: Payloads | None = None
        self.preparing: Preparing | None = None
        self.quarantine: Quarantine | None = None
        self.further: dict[str, Served] = {}
        self.main: Served | None = None
        self.submit: Callable[[Any], None] = _not_ready
        self._derived: dict[str, Any] = {}

    def wanted(self, outputs: tuple[int, ...]) -> tuple[int, ...]:
        """The outputs to compute: those asked for, those that guards look at, the outcome."""
        if self.guarding is not None:
            outputs = self.guarding.wanted(outputs)
        source = self.outcomes.source if self.outcomes is not None else None
        return outputs if source is None or source in outputs else (*outputs, source)

    @property
    def suspects(self) -> Mapping[str, Any]:
        """The callers that are suspected of misuse."""
        watch = self.watch if self.main is None else self.main.watch
        return watch.suspects if watch is not None else {}

    @property
    def private(self) -> Collection[str]:
        """Columns whose values are told to nobody."""
        guarding = self.guarding if self.main is None else self.main.guarding
        return guarding.private if guarding is not None else ()

    @property
    def held(self) -> bool:
        """Whether a call holds it, or one of its further signatures."""
        return self.leases > 0 or any(one.leases for one in self.further.values())

    def add(self, name: str, further: Served) -> None:
        """Adds a further signature, which is counted with this one."""
        further.main, further.stats = self, self.stats
        self.further[name] = further

    def close(self) -> None:
        """Gives the memory of the model and of its further signatures back."""
        for one in (self, *self.further.values()):
            one.model.close()

    def derived(self, name: str, make: Callable[[Served], _T]) -> _T:
        """What a wire computed once from this version, made at first use."""
        found = self._derived.get(name)
        if found is None:
            found = self._derived[name] = make(self)
        return found


def _not_ready(call: Any) -> None:
    raise ModelNotReady("the version is not ready yet", fix="Try again shortly")


class Version:
    """What is known of one version in the repository, loaded or not."""

    __slots__ = ("package", "reason", "state")

    def __init__(self, package: Package | None, state: str = WAITING, reason: str = "") -> None:
        self.package = package
        self.state = state
        self.reason = reason


class Source(NamedTuple):
    """What a platform calls a model, and the path from which it was loaded."""

    called: str
    path: str


class Registry:
    """Every known version with its state, and the loaded ones by name."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[int, Version]] = {}
        self._ready: dict[tuple[str, int], Served] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._places: dict[str, int] = {STABLE: LATEST - 1}
        self.bodies: dict[tuple[str, int], int] = {}
        """Bytes that a request may have, of the loaded versions whose owner has said so."""
        self.gated: dict[tuple[str, int], tuple[str, ...]] = {}
        """What the cards of loaded versions lack, of those whose owner requires that they say more:
        only who administers models is served by them."""
        self.sources: dict[str, Source] = {}
        """Of the models that a platform has loaded while the server runs."""

    def lease(self, model: str, version: int) -> Served:
        """The loaded version, held until `release`. Raises ModelNotFound or ModelNotReady."""
        served = self._ready.get((model, version))
        if served is None:
            raise self.absence(model, version)
        served.leases += 1
        return served

    def get(self, model: str, version: int) -> Served | None:
        """The loaded version without holding it, for what ends before the loop turns."""
        return self._ready.get((model, version))

    def check(self, model: str, version: int) -> None:
        """Raises ModelNotFound or ModelNotReady unless a version answers now."""
        if (model, version) not in self._ready:
            raise self.absence(model, version)

    def newest(self, model: str, version: int) -> int:
        """The number of the version that answers, 0 when none does."""
        served = self._ready.get((model, version))
        return 0 if served is None else served.package.version

    def publish(self, served: Served) -> None:
        """Makes a warmed version answer, and answer for the model when it is the newest."""
        package = served.package
        self._ready[package.name, package.version] = served
        self._point(package.name)
        self.mark(package.name, package.version, READY)

    def label(self, model: str, labels: Mapping[str, int]) -> None:
        """Gives the labels of a model to versions that answer, and takes all others away.

        What stands for a label stays the same whatever it points to.
        Raises LabelUnassignable; then nothing is changed.
        """
        for label, version in labels.items():
            if (model, version) not in self._ready:
                raise label_unassignable(model, label, version)
        self._labels[model] = dict(labels)
        for label in labels:
            self._places.setdefault(label, LATEST - 1 - len(self._places))
        self._point(model)

    def labelled(self, label: str) -> int:
        """What stands for a label in place of a version, of whatever model. Raises LabelUnknown."""
        place = self._places.get(label)
        if place is None:
            raise label_unknown(label)
        return place

    def _point(self, model: str) -> None:
        """Brings what stands for the newest version and for labels up to what answers now."""
        answering = {s.package.version: s for s in self.served() if s.package.name == model}
        for place in (LATEST, *self._places.values()):
            self._ready.pop((model, place), None)
        if answering:
            newest = max(answering)
            wanted = {STABLE: newest, **self._labels.get(model, {})}
            self._ready[model, LATEST] = answering[newest]
            for label, number in wanted.items():
                if number in answering:
                    self._ready[model, self._places[label]] = answering[number]
        self._note_owners()

    @property
    def sole(self) -> str:
        """The only model that is known, "" when there are several or none."""
        return next(iter(self.versions)) if len(self.versions) == 1 else ""

    def withdraw(self, model: str, keep: Collection[int] = ()) -> list[Served]:
        """Makes the versions of a model answer no more, but for those that are kept; they drain."""
        ending = [
            s for s in self.served() if s.package.name == model and s.package.version not in keep
        ]
        for served in ending:
            del self._ready[model, served.package.version]
            self.mark(model, served.package.version, DRAINING)
        self._point(model)
        return ending

    def _note_owners(self) -> None:
        """Brings `bodies` and `gated` up to what is loaded now; who reads them keeps the same
        dictionaries."""
        own = {key: s.package.limits.max_body_mib << 20 for key, s in self._ready.items()}
        self.bodies.clear()
        self.bodies.update({key: most for key, most in own.items() if most})
        lacking = {key: _lacking(served.package) for key, served in self._ready.items()}
        self.gated.clear()
        self.gated.update({key: missing for key, missing in lacking.items() if missing})

    def know(self, name: str, version: int, package: Package | None, state: str) -> None:
        """Notes a version found in the repository."""
        self.versions.setdefault(name, {})[version] = Version(package, state)

    def note_source(self, model: str, source: Source) -> None:
        """Notes where a model lies that a platform has loaded from a place of its own."""
        self.sources[model] = source

    def forget(self, model: str) -> None:
        """Knows nothing any more of a model that a platform loaded and ended."""
        self.sources.pop(model, None)
        self.versions.pop(model, None)

    def mark(self, name: str, version: int, state: str, reason: str = "") -> None:
        """Sets the state of a known version."""
        known = self.versions[name][version]
        known.state, known.reason = state, reason

    def served(self) -> list[Served]:
        """Every loaded version once."""
        return [s for (_, version), s in self._ready.items() if version >= 0]

    def absence(self, model: str, version: int) -> FairleadError:
        """Why a version does not answer."""
        known = self.versions.get(model)
        if known is None:
            return ModelNotFound(f"no model {model!r} is served here", fix="GET /models lists them")
        if version < LATEST:
            label = next(name for name, place in self._places.items() if place == version)
            labels = self._labels.get(model, {})
            if label not in labels and label != STABLE:
                return label_unknown(label)
            version = labels.get(label, LATEST)
        if version != LATEST and version not in known:
            return ModelNotFound(
                f"model {model!r} has no version {version}",
                fix=f"Known: {', '.join(str(v) for v in sorted(known))}",
            )
        found = known[version if version != LATEST else max(known)]
        reason = f": {found.reason}" if found.reason else ""
        return ModelNotReady(
            f"model {model!r} is {found.state}{reason}", fix="GET /models shows its state"
        )


def _lacking(package: Package) -> tuple[str, ...]:
    """The keys of [words] that a version lacks, where it says less than its owner requires."""
    required = package.card.required
    if not required:
        return ()
    found = completeness(package.words.get("words", {}))
    return tuple(found["missing"]) if found["score"] < required else ()


def label_unknown(label: str) -> FairleadError:
    """That a label points to no version, in TensorFlow Serving's words."""
    return LabelUnknown(f"Unrecognized servable version label: {label[:80]}")


def label_unassignable(model: str, label: str, version: int) -> FairleadError:
    """That a label cannot point to a version, because it does not answer."""
    return LabelUnassignable(
        f"Request to assign label {label[:80]} to version {version} of model {model}, which is not "
        "currently available for inference",
        fix="Let the model's version policy ask for that version too",
    )


def release(served: Served) -> None:
    """Gives a lease back."""
    served.leases -= 1


def exchange(call: Call, further: Served) -> None:
    """Gives a call the lease of a further signature of its version for the one that it has."""
    release(call.lease)
    further.leases += 1
    call.lease = further


def has_every_model(models: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether each model has a version that is ready, by the states of all versions.

    One of which every version was ended is not missed.
    """
    ready = {key.partition("/")[0] for key, model in models.items() if model["state"] == READY}
    ended = (UNLOADED, DRAINING)
    missed = {key.partition("/")[0] for key, model in models.items() if model["state"] not in ended}
    return bool(models) and missed <= ready
