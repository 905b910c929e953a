"""A loaded version, and the right to use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from fairlead.core.call import Call
from fairlead.core.errors import ModelNotReady
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.serving.crashes import Mark
from fairlead.serving.guarding import Guarding
from fairlead.serving.observe import Stats
from fairlead.serving.outcomes import Outcomes
from fairlead.serving.payloads import Payloads
from fairlead.serving.preparing import Preparing
from fairlead.serving.quarantine import Quarantine
from fairlead.serving.watching import Watch

_T = TypeVar("_T")


class Served:
    """A loaded version: its package, model, counts and what each wire derived from it.

    leases: calls that hold it; it is unloaded only at zero.
    submit: hands a decoded call to the version's batcher. pressed: refuses a call before it is
    decoded, while more wait than can be answered; None otherwise.
    example: the package's examples.json as read, {} when it has none. facts: the files of which
    its card is made, as read.
    positions: of all inputs; finite: of those that take finite numbers only.
    guarding: its guards, None when it has learnt none; watch: of what goes through it;
    outcomes: what it predicts, kept for true labels; payloads: a sample of what it is sent; each
    None unless the owner wants it. preparing: makes its inputs of pictures and texts, None where
    they are tensors only. quarantine: inputs that are refused, None while there are none.
    mark: of its executions, where they are in this process and may end it.
    trial: the rollout in which it takes part (trial.py), None for none.
    further: its other signatures by name; `main` is, of such a one, the version that it belongs to,
    which knows who may be told what.
    """

    __slots__ = (
        "_derived",
        "_used",
        "example",
        "facts",
        "finite",
        "further",
        "guarding",
        "key",
        "leases",
        "main",
        "mark",
        "model",
        "outcomes",
        "package",
        "payloads",
        "positions",
        "preparing",
        "pressed",
        "quarantine",
        "stats",
        "submit",
        "trial",
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
        self._used = 0.0
        self.watch: Watch | None = None
        self.outcomes: Outcomes | None = None
        self.payloads: Payloads | None = None
        self.preparing: Preparing | None = None
        self.further: dict[str, Served] = {}
        self.main: Served | None = None
        self.submit: Callable[[Any], None] = _not_ready
        self.quarantine: Quarantine | None = None
        self.mark: Mark | None = None
        self.pressed: Callable[[Call], None] | None = None
        self.trial: Any = None
        self._derived: dict[str, Any] = {}

    def rest(self) -> None:
        """Once a second: what is kept goes to the disk, a process that died is started again."""
        for kept in (self.outcomes, self.payloads):
            if kept is not None:
                kept.rest()
        for one in (self, *self.further.values()):
            revive: Callable[[], None] | None = getattr(one.model, "revive", None)
            if revive is not None:
                revive()

    def receive(self, call: Call) -> None:
        """Looks at a call before it is decoded. Raises CallerSuspended, Overloaded."""
        if self.watch is not None and self.watch.suspects:
            self.watch.restrain(call.caller.account)
        if self.pressed is not None:
            self.pressed(call)

    def wanted(self, outputs: tuple[int, ...], source: int | None) -> tuple[int, ...]:
        """The outputs to compute: those asked for, those that guards look at, and `source`."""
        if self.guarding is not None:
            outputs = self.guarding.wanted(outputs)
        return outputs if source is None or source in outputs else (*outputs, source)

    @property
    def source(self) -> int | None:
        """Position of the output that is kept whole, for the outcome log or for a rollout."""
        if self.outcomes is not None:
            return self.outcomes.source
        return self.trial.source if self.trial is not None else None

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
    def used(self) -> float:
        """`clock.now` at which it last became ready or answered."""
        return max(self._used, self.stats.last)

    @used.setter
    def used(self, moment: float) -> None:
        self._used = moment

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
        if self.mark is not None:
            self.mark.free()

    def derived(self, name: str, make: Callable[[Served], _T]) -> _T:
        """What a wire computed once from this version, made at first use."""
        found = self._derived.get(name)
        if found is None:
            found = self._derived[name] = make(self)
        return found


def _not_ready(call: Any) -> None:
    raise ModelNotReady("the version is not ready yet", fix="Try again shortly")


def release(served: Served) -> None:
    """Gives a lease back."""
    served.leases -= 1


def exchange(call: Call, further: Served) -> None:
    """Gives a call the lease of a further signature of its version for the one that it has."""
    release(call.lease)
    further.leases += 1
    call.lease = further
