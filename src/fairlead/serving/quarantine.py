"""What becomes of a call on which its model's process died: tried once more, then kept out.

The process may have died for another reason, so that a call alone is tried again in a fresh one, if
its caller waits long enough. Inputs on which it dies twice are refused from then on, for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.errors import InputQuarantined
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.core.tensor import Tensor
from fairlead.serving.log import log

MOST = 1024
"""Inputs that are kept out at once, of one version; the oldest makes room."""
KEPT_S = 3600.0
"""Seconds in which an input is refused; then it is tried again."""
DEATHS = 2
"""Of the process on the same inputs, after which they are refused."""
_BYTES = 16


class Quarantine:
    """The inputs on which a version's process died, by their fingerprints."""

    def __init__(self) -> None:
        self._deaths: dict[bytes, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._deaths)

    def sweep(self) -> None:
        """Forgets the inputs that are tried again: while there are none, no input is looked at."""
        moment = now()
        # What was counted last stands last, so that what is over first stands first.
        while self._deaths and next(iter(self._deaths.values()))[1] < moment:
            del self._deaths[next(iter(self._deaths))]

    def died(self, mark: bytes, times: int = 1) -> bool:
        """Counts deaths on these inputs alone; whether they are refused from now on."""
        before, _ = self._deaths.pop(mark, (0, 0.0))
        while len(self._deaths) >= MOST:
            del self._deaths[next(iter(self._deaths))]
        self._deaths[mark] = before + times, now() + KEPT_S
        return before + times >= DEATHS

    def holds(self, mark: bytes) -> bool:
        """Whether these inputs are refused, as of the last `sweep`."""
        return self._deaths.get(mark, (0, 0.0))[0] >= DEATHS

    def clear(self, mark: bytes) -> None:
        """The process has answered these inputs: it did not die of them."""
        self._deaths.pop(mark, None)


class Version(Protocol):
    """What is told of a loaded version."""

    key: str
    model: LoadedModel
    package: Package
    quarantine: Quarantine | None


def fingerprint(inputs: Sequence[Tensor]) -> bytes:
    """The same for the same tensors, and for no others."""
    made = blake2b(digest_size=_BYTES)
    for tensor in inputs:
        made.update(f"{tensor.dtype.name}{tensor.shape}".encode())
        data = tensor.data
        if isinstance(data, list):
            for text in data:
                raw = text.encode("utf-8", "surrogatepass")
                made.update(b"%d:" % len(raw) + raw)
        else:
            made.update(data)
    return made.digest()


def let_in(served: Version, calls: Sequence[Call]) -> list[Call]:
    """The calls whose inputs are not kept out; the others get their error."""
    quarantine = served.quarantine
    if quarantine is None:
        return [*calls]
    quarantine.sweep()
    if not quarantine:
        return [*calls]
    found: list[Call] = []
    for call in calls:
        if quarantine.holds(fingerprint(call.inputs)):
            call.error = InputQuarantined(
                "the model's process died twice on these inputs, so they are refused",
                fix="Send other values, and tell the owner of the model: it should not die of any",
            )
        else:
            found.append(call)
    return found


def crashed(served: Version, calls: Sequence[Call]) -> bool:
    """Counts a death of the model's process under these calls; whether to try them once more.

    Several are tried apart, which is their further attempt, and shows whose fault it was. One that
    was alone, and is still waited for, is tried again; one that was there twice is kept out.
    """
    for call in calls:
        call.crashes += 1
    if len(calls) > 1:
        return False
    (call,) = calls
    if call.crashes > 1:
        _keep_out(served, call)
        return False
    again_s = getattr(served.model, "again_s", None)
    # What is told more than tensors may remember: it is not asked twice.
    late = served.package.takes or again_s is None or call.deadline - now() <= again_s
    if late:
        _keep_out(served, call)
    return not late


def cleared(quarantine: Quarantine, calls: Sequence[Call]) -> None:
    """The process has answered these calls."""
    for call in calls:
        quarantine.clear(fingerprint(call.inputs))


def _keep_out(served: Version, call: Call) -> None:
    if served.quarantine is None:
        served.quarantine = Quarantine()
    mark = fingerprint(call.inputs)
    if served.quarantine.died(mark, call.crashes):
        log("input_quarantined", model=served.key, fingerprint=mark.hex())
