"""What goes into a model and what comes out: named tensors with datatype and shape.

A dimension of -1 may have any size. When the first dimension of every tensor is -1 the model
is *batched*: rows of several calls may be joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.core.datatypes import DTYPES, DType

FORMAT = 1
BESIDE = ("decision", "reasons", "confidence", "set", "p_novel", "interval")
"""What an answered row says beside its outputs."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output.

    columns: names along the last axis of a table-shaped input ([-1, n]), empty when unnamed.
    missing: NaN (or null in JSON) is a legal value of this input.
    role:    what an output means: "label", "scores" (one per class), "value" (regression) or "".
    classes: class names of a "scores" output, in order; of a "label" output, its possible values.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()
    missing: bool = False
    role: str = ""
    classes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "name": self.name,
            "datatype": self.dtype.name,
            "shape": list(self.shape),
        }
        if self.columns:
            out["columns"] = list(self.columns)
        if self.missing:
            out["missing"] = True
        if self.role:
            out["role"] = self.role
        if self.classes:
            out["classes"] = list(self.classes)
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TensorSpec:
        """The inverse of `to_json`. Raises KeyError or TypeError on anything else."""
        return cls(
            name=str(data["name"]),
            dtype=DTYPES[data["datatype"]],
            shape=tuple(int(d) for d in data["shape"]),
            columns=tuple(str(c) for c in data.get("columns", ())),
            missing=bool(data.get("missing", False)),
            role=str(data.get("role", "")),
            classes=tuple(str(c) for c in data.get("classes", ())),
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One named value of a row: which input holds it, and where along the last axis.

    position is None when the input holds this column alone ([-1] or [-1, 1]).
    """

    name: str
    input: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Signature:
    """The named inputs and outputs of a model, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool = field(init=False)
    columns: tuple[Column, ...] = field(init=False)

    def __post_init__(self) -> None:
        specs = (*self.inputs, *self.outputs)
        batched = bool(self.inputs) and all(s.shape and s.shape[0] == -1 for s in specs)
        object.__setattr__(self, "batched", batched)
        object.__setattr__(self, "columns", _columns(self.inputs) if batched else ())

    @property
    def answer(self) -> int | None:
        """The position of the output that says most: the scores, else the value, else the label."""
        roles = [spec.role for spec in self.outputs]
        known = (roles.index(role) for role in ("scores", "value", "label") if role in roles)
        return next(known, None)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "inputs": [s.to_json() for s in self.inputs],
            "outputs": [s.to_json() for s in self.outputs],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Signature:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        if data["format"] != FORMAT:
            raise ValueError(f"signature format {data['format']!r} is not known, {FORMAT} is")
        made = cls(
            tuple(TensorSpec.from_json(s) for s in data["inputs"]),
            tuple(TensorSpec.from_json(s) for s in data["outputs"]),
        )
        for specs in (made.inputs, made.outputs):
            if not specs or len({s.name for s in specs}) != len(specs):
                raise ValueError("inputs and outputs need names, each its own")
            for spec in specs:
                _check(spec)
        return made


def row_keys(outputs: Sequence[TensorSpec]) -> list[str]:
    """The key of each output in an answered row: its role if no other has it, else its name."""
    wanted = [spec.role or spec.name for spec in outputs]
    taken = {*BESIDE}
    keys: list[str] = []
    for spec, key in zip(outputs, wanted, strict=True):
        if wanted.count(key) > 1:
            key = spec.name
        while key in taken:
            key += "_"
        taken.add(key)
        keys.append(key)
    return keys


def class_names(spec: TensorSpec, labels: Mapping[str, Any]) -> Sequence[str]:
    """The names of an output's classes; the owner's, where no two classes get the same."""
    names = [str(labels.get(name, name)) for name in spec.classes]
    return names if len({*names}) == len(names) else spec.classes


def _check(spec: TensorSpec) -> None:
    """Raises ValueError for a tensor whose words do not fit its shape."""
    if any(d < 1 and d != -1 for d in spec.shape):
        raise ValueError(f"{spec.name!r} has an impossible shape {list(spec.shape)}")
    width = spec.shape[-1] if spec.shape else 1
    one_each = spec.role == "scores" and len(spec.shape) == 2
    for words, what in ((spec.columns, "columns"), (spec.classes if one_each else (), "classes")):
        wanted = 1 if len(spec.shape) == 1 else width
        if words and (wanted not in (-1, len(words)) or len(set(words)) != len(words)):
            raise ValueError(f"{spec.name!r} has {len(words)} {what} for a width of {wanted}")


def _columns(inputs: tuple[TensorSpec, ...]) -> tuple[Column, ...]:
    """The row's columns in order, or () when some input is no table or a name comes twice."""
    found: list[Column] = []
    for index, spec in enumerate(inputs):
        if len(spec.shape) == 1 or (len(spec.shape) == 2 and spec.shape[1] == 1):
            name = spec.columns[0] if spec.columns else spec.name
            found.append(Column(name, index, None))
        elif len(spec.shape) == 2 and spec.shape[1] > 1:
            names = spec.columns or tuple(f"{spec.name}[{i}]" for i in range(spec.shape[1]))
            found.extend(Column(name, index, i) for i, name in enumerate(names))
        else:
            return ()
    return tuple(found) if len({column.name for column in found}) == len(found) else ()
