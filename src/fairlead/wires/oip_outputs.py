"""The outputs that requests chose, as every encoder of the protocol has them before it writes."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.decision import Verdicts
from fairlead.core.tensor import Array
from fairlead.serving.array_json import most_rows
from fairlead.serving.deciding import said
from fairlead.wires.oip_classes import classified, framed
from fairlead.wires.oip_decisions import ADDED
from fairlead.wires.oip_model import OipModel, Wanted


class OutputsEncoder:
    """What encoders of one choice of outputs have in common.

    _written: the outputs as they are given, what the guards say behind those of the model.
    _fixed:   rows alone decide the shapes of these.
    """

    def __init__(self, model: OipModel, wanted: Wanted) -> None:
        package = model.served.package
        self.outputs = wanted.outputs
        self.decides = "decision" in wanted.added
        self.specs = [package.signature.outputs[i] for i in wanted.outputs]
        self._most = model.limits.answer
        self.most_rows = most_rows(package.limits.max_rows, self.specs, self._most)
        self._added = wanted.added
        self._classes = wanted.classes if any(wanted.classes) else ()
        self._batched = package.signature.batched
        added = [ADDED[name] for name in wanted.added]
        self._written = [*framed(self.specs, wanted.classes), *added]
        self._fixed = self._batched and all(-1 not in spec.shape[1:] for spec in self._written)

    def _chosen(self, outputs: Sequence[Array], verdicts: Verdicts | None) -> Sequence[Array]:
        """The arrays of `_written`, of the model's outputs and of what the guards say."""
        if self._classes:
            outputs = classified(outputs, self.specs, self._classes)
        if self._added and verdicts is not None:
            outputs = [*outputs, *[said(name, verdicts) for name in self._added]]
        return outputs
