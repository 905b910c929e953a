"""The schemas of models, by what an address takes or answers."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.documents.openapi_cells import Schema
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_instances import (
    examples_of,
    instances_of,
    invocation_of,
    invoked_of,
    values_of,
)
from fairlead.documents.openapi_rows import predictions_of, row_of, rows_of
from fairlead.documents.openapi_schemas import ref
from fairlead.documents.openapi_tensors import flat_of, outputs_of, tensors_of

KINDS = (
    "rows", "predictions", "tensors", "outputs", "flat", "instances", "values", "examples",
    "invocation", "invoked",
)  # fmt: skip
"""What is said of a model: rows in and out of our own protocol, tensors in and out of the Open
Inference Protocol and what is generated from, instances, values and examples of TensorFlow Serving,
and both of `/invocations`."""
_ROWS = ("rows", "predictions")


def schema_of(kind: str, models: Sequence[ModelFacts], versioned: bool) -> Schema:
    """What an address of all or one of these models takes or answers, by one of KINDS.

    versioned: the address may name a version of which nothing is known.
    """
    able = [model for model in models if kind not in _ROWS or model.signature.batched]
    if not able or (versioned and not all(model.alone for model in able)):
        return ref(kind.capitalize())
    return ref(f"{kind}.{able[0].name}" if len(able) == 1 else f"any.{kind}")


def schemas_of(models: Sequence[ModelFacts]) -> dict[str, Schema]:
    """The schemas of these models, and for each kind the one that is any of them."""
    made: dict[str, Schema] = {}
    for model in models:
        made |= _of_model(model)
    for kind in KINDS:
        each = [ref(name) for name in made if name.partition(".")[0] == kind]
        if len(each) > 1:
            made[f"any.{kind}"] = {"anyOf": each}
    return made


def _of_model(model: ModelFacts) -> dict[str, Schema]:
    name = model.name
    made: dict[str, Schema] = {
        f"tensors.{name}": tensors_of(model),
        f"outputs.{name}": outputs_of(model),
        f"flat.{name}": flat_of(model),
        f"examples.{name}": examples_of(model),
        f"instances.{name}": instances_of(model),
        f"values.{name}": values_of(model),
        f"invocation.{name}": invocation_of(model),
        f"invoked.{name}": invoked_of(model),
    }
    if model.signature.batched:
        made |= {
            f"row.{name}": row_of(model, model.signature),
            f"rows.{name}": rows_of(model),
            f"predictions.{name}": predictions_of(model),
        }
        if model.sent is not None:
            made[f"sent.{name}"] = row_of(model, model.sent)
    return made
