"""The outputs that requests chose, as every encoder of the protocol has them before it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.core.decision import Verdicts
from fairlead.core.signature import row_keys
from fairlead.core.tensor import Array, Tensor, join
from fairlead.serving.array_json import most_rows
from fairlead.serving.deciding import said
from fairlead.wires.native_tails import Tails
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
        self.decides = "decision" in wanted.added or "verdict" in wanted.added
        self.specs = [package.signature.outputs[i] for i in wanted.outputs]
        self._most = model.limits.answer
        self.most_rows = most_rows(package.limits.max_rows, self.specs, self._most)
        self._added = wanted.added
        self._classes = wanted.classes if any(wanted.classes) else ()
        self._batched = package.signature.batched
        labels: dict[str, Any] = package.words.get("labels", {})
        told = "verdict" in wanted.added
        served, keys = model.served, row_keys(self.specs)
        self._tails = Tails(served, keys, self.specs, labels) if told else None
        added = [ADDED[name] for name in wanted.added]
        self._written = [*framed(self.specs, wanted.classes), *added]
        self._fixed = self._batched and all(-1 not in spec.shape[1:] for spec in self._written)

    def _chosen(self, outputs: Sequence[Array], verdicts: Verdicts | None) -> Sequence[Array]:
        """The arrays of `_written`, of the model's outputs and of what the guards say."""
        made = classified(outputs, self.specs, self._classes) if self._classes else outputs
        if self._added and verdicts is not None:
            made = [*made, *[self._said(name, outputs, verdicts) for name in self._added]]
        return made

    def _said(self, name: str, outputs: Sequence[Array], verdicts: Verdicts) -> Array:
        """What the guards say under one name, one value per row."""
        if name != "verdict" or self._tails is None:
            return said(name, verdicts)
        texts = [text.decode() for text in self._tails.apart(outputs, verdicts)]
        return join([Tensor(ADDED[name].dtype, (len(texts),), texts)])
