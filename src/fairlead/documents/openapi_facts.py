"""What a document tells of a model, as plain facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.contract import Rule


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a document tells of a model.

    alone: it has no other version. body: bytes that a request may have. example: a row that works,
    None where it takes no rows; tensors: the same for the Open Inference Protocol.
    sent: its signature with pictures and texts in place of tensors, None where it takes none;
    media: the types of bodies that are themselves one. rules, units: of the contract, by column.
    keys: what the outputs are called in a row of an answer; named: the owner's names of labels.
    guarded: rows may be withheld. said: what guards add to a row: confidence, p_novel, interval.
    streams: its answers are many, which no unary call gives.
    added: outputs of the Open Inference Protocol that say what guards say.
    """

    name: str
    version: int
    signature: Signature
    max_rows: int
    alone: bool = True
    body: int = 0
    example: Any = None
    tensors: Sequence[Mapping[str, Any]] = ()
    sent: Signature | None = None
    media: Sequence[str] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    units: Mapping[str, Any] = field(default_factory=dict[str, Any])
    keys: Sequence[str] = ()
    named: Mapping[str, Any] = field(default_factory=dict[str, Any])
    guarded: bool = False
    said: Sequence[str] = ()
    streams: bool = False
    added: Sequence[TensorSpec] = ()

    def unit(self, name: str) -> str:
        """The unit of a column, "" for none."""
        rule = self.rules.get(name)
        return (rule.unit if rule is not None else "") or str(self.units.get(name, ""))
