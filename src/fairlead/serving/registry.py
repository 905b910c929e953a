"""Which versions are served now, and the right to use them.

The registry is read on every call and changed only from the event loop, by the lifecycle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import NamedTuple

from fairlead.core.call import Call
from fairlead.core.errors import (
    FairleadError,
    LabelUnassignable,
    LabelUnknown,
    MemoryTooSmall,
    ModelAsleep,
    ModelNotFound,
    ModelNotReady,
)
from fairlead.core.model_record import STABLE
from fairlead.core.package import Package
from fairlead.documents.card_words import completeness
from fairlead.serving.ready import has_every_model as has_every_model
from fairlead.serving.served import Served
from fairlead.serving.states import DRAINING, READY, WAITING
from fairlead.serving.waking import Again, Waking

LATEST = -1
"""Stands for the version that answers when a caller names none."""
_STABLE = LATEST - 1
"""Stands for the label of that name."""


class Version:
    """What is known of one version in the repository, loaded or not.

    fault: why it could not be loaded. promised: it is missed when it does not answer, since it was
    there when the server started, or has answered before.
    """

    __slots__ = ("fault", "package", "promised", "reason", "state")

    def __init__(self, package: Package | None, state: str = WAITING, reason: str = "") -> None:
        self.package = package
        self.state = state
        self.reason = reason
        self.fault: Exception | None = None
        self.promised = False


class Source(NamedTuple):
    """What a platform calls a model, and the path from which it was loaded."""

    called: str
    path: str


class Registry:
    """Every known version with its state, and the loaded ones by name.

    waking: the calls that wait for models that sleep.
    """

    def __init__(self, waking: Waking | None = None) -> None:
        self.waking = waking or Waking()
        self.versions: dict[str, dict[int, Version]] = {}
        self._ready: dict[tuple[str, int], Served] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._defaults: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._asleep: dict[str, Collection[int]] = {}
        self._places: dict[str, int] = {STABLE: _STABLE}
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

    def take(self, call: Call) -> Served:
        """The version that answers a call, held until `release`. Raises as `lease`.

        Where a rollout is under way that may be its candidate, if the call names no version.
        """
        version = call.route.version
        served = self.lease(call.route.model, version)
        if served.trial is not None and (version in (LATEST, _STABLE)):
            served.leases -= 1
            served = served.trial.of(call)
            served.leases += 1
        call.lease = served
        return served

    def get(self, model: str, version: int) -> Served | None:
        """The loaded version without holding it, for what ends before the loop turns."""
        return self._ready.get((model, version))

    def check(self, model: str, version: int) -> None:
        """Raises ModelNotFound or ModelNotReady unless a version answers now or once it is awake;
        one that sleeps is loaded from now on."""
        if (model, version) not in self._ready:
            if not self._sleeps(model, version):
                raise self.absence(model, version)
            self.waking.wake(model)

    def answers(self, model: str, version: int) -> bool:
        """Whether calls for a version are taken: it is ready, or is loaded when they come."""
        return (model, version) in self._ready or self._sleeps(model, version)

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
        self.versions[package.name][package.version].package = package
        self._awake(package.name, package.version)

    def label(self, model: str, labels: Mapping[str, int], default: int = 0) -> None:
        """Gives the labels of a model to versions, and takes all others away.

        What stands for a label stays the same whatever it points to. Who asks for a version that
        does not answer is told so. default: the version that answers when none is named, 0 for the
        newest; until it can, the one that did before goes on.
        """
        before = self._ready.get((model, LATEST))
        # What answered before anything was said of the model need not be what was wanted.
        if before is not None and default != self._defaults.get(model, default):
            self._before[model] = before.package.version
        self._labels[model] = dict(labels)
        self._defaults[model] = default
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
            default = self._defaults.get(model, 0) or max(answering)
            if default in answering:
                self._before.pop(model, None)
            else:
                default = self._before.get(model, default)
            wanted = {STABLE: default, **self._labels.get(model, {})}
            if default in answering:
                self._ready[model, LATEST] = answering[default]
            for label, number in wanted.items():
                if number in answering:
                    self._ready[model, self._places[label]] = answering[number]
        self._note_owners()

    @property
    def sole(self) -> str:
        """The only model that is known, "" when there are several or none."""
        return next(iter(self.versions)) if len(self.versions) == 1 else ""

    def withdraw(self, model: str, version: int) -> Served:
        """Makes a version answer no more; it drains."""
        served = self._ready.pop((model, version))
        if served.trial is not None:
            served.trial.end()  # else calls would be assigned to what is about to be closed
        self.mark(model, version, DRAINING)
        self._point(model)
        return served

    def sleep(self, model: str, versions: Collection[int]) -> None:
        """These versions of a model are loaded when somebody asks for them; none of the others.

        Whoever asks waits, until a version answers or it is known why it cannot.
        """
        self._asleep[model] = {v for v in versions if (model, v) not in self._ready}
        if not self._asleep[model]:
            del self._asleep[model]

    def _awake(self, model: str, version: int) -> None:
        self.sleep(model, set(self._asleep.get(model, ())) - {version})
        self.waking.woken(model)

    def _sleeps(self, model: str, version: int) -> bool:
        asleep = self._asleep.get(model, ())
        return bool(asleep) and (version < 0 or version in asleep)

    def _note_owners(self) -> None:
        """Brings `bodies` and `gated` up to what is loaded now; who reads them keeps the same
        dictionaries."""
        own = {key: s.package.limits.max_body_mib << 20 for key, s in self._ready.items()}
        self.bodies.clear()
        self.bodies.update({key: most for key, most in own.items() if most})
        lacking = {key: _lacking(served.package) for key, served in self._ready.items()}
        self.gated.clear()
        self.gated.update({key: missing for key, missing in lacking.items() if missing})

    def note_source(self, model: str, source: Source) -> None:
        """Notes where a model lies that a platform has loaded from a place of its own."""
        self.sources[model] = source

    def forget(self, model: str) -> None:
        """Knows nothing any more of a model that a platform loaded and ended."""
        self.sources.pop(model, None)
        self.versions.pop(model, None)

    def forget_version(self, model: str, version: int) -> None:
        """The repository holds a version no more."""
        known = self.versions.get(model, {})
        known.pop(version, None)
        if not known:
            self.versions.pop(model, None)
            self.sleep(model, ())
            self.waking.woken(model)

    def mark(self, name: str, version: int, state: str, reason: str = "") -> None:
        """Sets the state of a version, which is known from then on."""
        known = self.versions.setdefault(name, {}).setdefault(version, Version(None))
        known.state, known.reason = state, reason
        if state == READY:
            known.promised, known.fault = True, None

    def blame(self, name: str, version: int, fault: Exception) -> None:
        """Why a version could not be loaded."""
        self.versions[name][version].fault = fault
        self._awake(name, version)

    def promise(self) -> None:
        """What is known now is missed when it does not answer."""
        for versions in self.versions.values():
            for version in versions.values():
                version.promised = True

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
        if self._sleeps(model, version):
            asleep = ModelAsleep(f"model {model!r} is being loaded", fix="Ask again in a second")
            asleep.park = partial(self._wait, model)
            return asleep
        default = self._defaults.get(model, 0)
        found = known.get(version if version != LATEST else default) or known[max(known)]
        if isinstance(found.fault, MemoryTooSmall):
            return found.fault
        reason = f": {found.reason}" if found.reason else ""
        return ModelNotReady(
            f"model {model!r} is {found.state}{reason}", fix="GET /models shows its state"
        )

    def _wait(self, model: str, again: Again, deadline: float) -> None:
        self.waking.wait(model, again, deadline)


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
