"""What OpenAPI says of instances and predictions of TensorFlow Serving and the clouds."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import DTYPES
from fairlead.documents.openapi_cells import Schema, element, nested, or_null
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_rows import forms
from fairlead.documents.openapi_schemas import listed, record, ref


def instances_of(model: ModelFacts) -> Schema:
    """A request of TensorFlow Serving: rows as `instances`, or whole tensors as `inputs`."""
    name = {"type": "string", "description": "serving_default, the only one there is."}
    signature = model.signature
    inputs: Schema = {"description": f"By input: {', '.join(s.name for s in signature.inputs)}."}
    asked = record(
        {"signature_name": name, "inputs": inputs, "instances": listed({})},
        optional=("signature_name", "inputs", "instances"),
    )
    either: list[Schema] = [{"required": ["inputs"]}]
    if signature.batched:
        either.append({"required": ["instances"]})
        asked["properties"]["instances"]["items"]["description"] = (
            "An object by column or by input, or the value of the only input."
        )
        if model.example is not None:
            asked["examples"] = [{"instances": [model.example]}]
    return asked | {"oneOf": either}


def values_of(model: ModelFacts) -> Schema:
    """An answer of TensorFlow Serving: a value or an object a row, or whole tensors."""
    specs = model.signature.outputs
    whole = _by_name(specs, [nested(spec.shape, _bare(spec)) for spec in specs])
    if not model.signature.batched:
        return record({"outputs": whole})
    row = _by_name(specs, [nested(spec.shape[1:], _bare(spec)) for spec in specs])
    return {"oneOf": [record({"predictions": listed(row)}), record({"outputs": whole})]}


def invocation_of(model: ModelFacts) -> Schema:
    """A body of `/invocations` in JSON: one of the keys that say what it holds, or tensors."""
    bodies: dict[str, Schema] = {"inputs": {}}
    if model.signature.batched:
        row = {"anyOf": forms(model)}
        bodies |= {
            "instances": listed(row),
            "rows": listed(row),
            "dataframe_records": listed({"type": "object"}),
            "dataframe_split": ref("Split"),
        }
    asked = record({**bodies, "params": {"type": "object"}}, optional=(*bodies, "params"))
    if model.example is not None:
        asked["examples"] = [{"instances": [model.example]}]
    one = {"oneOf": [{"required": [name]} for name in bodies]}
    return {"anyOf": [asked | one, ref(f"tensors.{model.name}"), listed({})]}


def invoked_of(model: ModelFacts) -> Schema:
    """An answer of `/invocations` in JSON: an object a row, or tensors to who sent them."""
    specs = model.signature.outputs
    if not model.signature.batched:
        whole = {spec.name: nested(spec.shape, element(spec.dtype)) for spec in specs}
        answer = {"outputs": record(whole)}
    else:
        answer = {"predictions": listed(record({spec.name: _single(spec) for spec in specs}))}
    return {"anyOf": [record(answer), ref(f"outputs.{model.name}")]}


def _single(spec: TensorSpec) -> Schema:
    """What an object holds of an output: a list of one is its value."""
    inner = or_null(_bare(spec)) if spec.dtype.is_float else _bare(spec)
    return nested(() if spec.shape[1:] == (1,) else spec.shape[1:], inner)


def _by_name(specs: Sequence[TensorSpec], each: Sequence[Schema]) -> Schema:
    """An object by output; of a single one, what it holds."""
    if len(each) == 1:
        return each[0]
    return record({spec.name: one for spec, one in zip(specs, each, strict=True)})


def _bare(spec: TensorSpec) -> Schema:
    """An element; NaN and infinity are written so. Texts of some outputs are base64."""
    if spec.dtype is DTYPES["BYTES"] and spec.name.endswith("_bytes"):
        return record({"b64": {"type": "string"}})
    return {"type": "number"} if spec.dtype.is_float else element(spec.dtype)
