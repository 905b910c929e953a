"""What OpenAPI says of a model's tensors in the Open Inference Protocol, in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fairlead.core.signature import TensorSpec
from fairlead.documents.openapi_cells import Schema, column, element
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_schemas import listed, record, ref

_BYTES = "BYTES"
_LISTS: Schema = {"type": "array", "minItems": 1}
"""Elements may be nested as their shape is."""


def tensors_of(model: ModelFacts) -> Schema:
    """A request of the Open Inference Protocol."""
    signature = model.signature
    inputs = [_tensor(model, spec) for spec in signature.inputs]
    known = {spec.name for spec in signature.inputs}
    sent = model.sent.inputs if model.sent is not None else ()
    inputs += [_tensor(model, spec) for spec in sent if spec.role or spec.name not in known]
    names = [spec.name for spec in (*signature.outputs, *model.added)]
    wanted = record(
        {"name": {"enum": names}, "parameters": ref("Parameters")}, optional=("parameters",)
    )
    made = record(
        {
            "id": {"type": "string"},
            "parameters": ref("Parameters"),
            "inputs": listed({"anyOf": inputs} if len(inputs) > 1 else inputs[0]),
            "outputs": {"type": "array", "items": wanted},
        },
        optional=("id", "parameters", "outputs"),
    )
    if model.tensors:
        made["examples"] = [{"inputs": list(model.tensors)}]
    return made


def _tensor(model: ModelFacts, spec: TensorSpec) -> Schema:
    sizes: list[Schema] = [{"const": d} if d != -1 else ref("Size") for d in spec.shape]
    count = len(sizes)
    if spec.shape[:1] == (-1,) and model.signature.batched:
        sizes[0] = {"type": "integer", "minimum": 1, "maximum": model.max_rows}
    made = record(
        {
            "name": {"const": spec.name},
            "datatype": {"const": spec.dtype.name},
            "shape": {
                "type": "array",
                "prefixItems": sizes,
                "minItems": count,
                "maxItems": count,
            },
            "data": {"type": "array", "items": {"anyOf": [_element(spec), _LISTS]}, "minItems": 1},
            "parameters": ref("Parameters"),
        },
        optional=("data", "parameters"),
    )
    cells = [c for c in model.signature.columns if model.signature.inputs[c.input] is spec]
    if len(cells) > 1:
        units = {c.name: model.unit(c.name) for c in cells}
        words = ", ".join(f"{name} ({unit})" if unit else name for name, unit in units.items())
        made["description"] = f"Columns, in order: {words}."
    return made


def outputs_of(model: ModelFacts) -> Schema:
    """An answer of the Open Inference Protocol."""
    specs = (*model.signature.outputs, *model.added)
    kinds = dict.fromkeys([spec.dtype.name for spec in specs])
    output = record(
        {
            "name": {"enum": [spec.name for spec in specs]},
            # What is reduced to its best classes is text.
            "datatype": {"enum": [*dict.fromkeys([*kinds, _BYTES])]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "data": {"type": "array", "items": _any_element(specs)},
            "parameters": ref("Parameters"),
        },
        optional=("data", "parameters"),
    )
    return record(
        {
            "model_name": {"const": model.name},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": ref("Parameters"),
            "outputs": listed(output),
        },
        optional=("id", "parameters"),
    )


def _any_element(specs: Sequence[TensorSpec]) -> Schema:
    """An element of any output, or the text of one of its best classes."""
    types: dict[str, None] = {"string": None}
    for spec in specs:
        kind = element(spec.dtype)["type"]
        types |= dict.fromkeys([kind] if isinstance(kind, str) else kind)
    return {"type": [*types]}


def flat_of(model: ModelFacts) -> Schema:
    """A request of generate: an input's value or values by its name; all else goes to the model."""
    cells = {
        spec.name: {"anyOf": [_element(spec), listed(_element(spec))]}
        for spec in model.signature.inputs
    }
    beside = {"id": {"type": "string"}, "parameters": ref("Parameters")}
    more = {"type": ["string", "number", "boolean"]}
    made = record({**beside, **cells}, optional=[*beside]) | {"additionalProperties": more}
    if model.tensors:
        flat = {tensor["name"]: _flat(tensor["data"]) for tensor in model.tensors}
        made["examples"] = [flat]
    return made


def _element(spec: TensorSpec) -> Schema:
    """An element of an input, without what the contract says of columns."""
    return column(spec, None)


def _flat(value: Any) -> list[Any]:
    """Nested lists as one."""
    if not isinstance(value, list):
        return [value]
    return [one for inner in cast("list[Any]", value) for one in _flat(inner)]
