"""What OpenAPI says of instances and predictions of TensorFlow Serving and the clouds."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import TensorSpec
from fairlead.documents.openapi_cells import Schema, column, element, nested, or_null
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_rows import forms
from fairlead.documents.openapi_schemas import listed, record, ref


def instances_of(model: ModelFacts) -> Schema:
    """A request of TensorFlow Serving: rows as `instances`, or whole tensors as `inputs`."""
    asked: dict[str, Schema] = {"signature_name": ref("SignatureName"), "inputs": _inputs(model)}
    either: list[Schema] = [{"required": ["inputs"]}]
    if model.signature.batched:
        asked["instances"] = listed({"anyOf": _instance_forms(model)})
        either.append({"required": ["instances"]})
    made = record(asked, optional=asked) | {"oneOf": either}
    if model.example is not None:
        made["examples"] = [{"instances": [model.example]}]
    return made


def examples_of(model: ModelFacts) -> Schema:
    """Examples for TensorFlow Serving to classify, or to make a value of."""
    features = {"type": "object", "description": "Features by column: values, or lists of one."}
    made = record(
        {
            "signature_name": ref("SignatureName"),
            "context": features,
            "examples": listed(features),
        },
        optional=("signature_name", "context"),
    )
    if model.example is not None and model.signature.columns:
        made["examples"] = [{"examples": [model.example]}]
    return made


def _instance_forms(model: ModelFacts) -> list[Schema]:
    """A row as our own protocol takes it, or an object by input."""
    specs = model.signature.inputs
    names = [c.name for c in model.signature.columns] or [s.name for s in specs]
    if names == [spec.name for spec in specs]:
        return forms(model)
    cells = {spec.name: _either(spec, spec.shape[1:]) for spec in specs}
    return [*forms(model), record(cells) | {"additionalProperties": False}]


def _inputs(model: ModelFacts) -> Schema:
    """Whole tensors by input; of the only input, alone."""
    if model.sent is not None:
        return {"description": "Tensors, pictures or texts by input."}
    each = {spec.name: _either(spec, spec.shape) for spec in model.signature.inputs}
    if len(each) > 1:
        return record(each)
    return {"anyOf": [record(each), *each.values()]}


def _either(spec: TensorSpec, shape: Sequence[int]) -> Schema:
    """Lists of this shape; a bare value may stand where a list of one belongs."""
    cell = column(spec, None)
    whole = nested(shape, cell)
    return {"anyOf": [whole, nested(shape[:-1], cell)]} if shape[-1:] == (1,) else whole


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
