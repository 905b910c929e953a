"""What OpenAPI says of rows in our own protocol, as they are sent and as they are answered."""

from __future__ import annotations

from urllib.parse import quote

from fairlead.core.decision import OUTCOMES, SERVE
from fairlead.core.signature import Signature, TensorSpec
from fairlead.documents.openapi_cells import Schema, column, element, nested, or_null
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_schemas import listed, record, ref

# --- rows in ------------------------------------------------------------------------------------


def row_of(model: ModelFacts, signature: Signature) -> Schema:
    """One row as an object, by column or by input."""
    if signature.columns:
        specs = signature.inputs
        cells = {
            c.name: column(specs[c.input], model.rules.get(c.name), model.unit(c.name))
            for c in signature.columns
        }
    else:
        cells = {spec.name: _whole(spec) for spec in signature.inputs}
    made = record(cells) | {"additionalProperties": False}
    if model.example is not None and signature is model.signature:
        made["examples"] = [model.example]
    return made


def _whole(spec: TensorSpec) -> Schema:
    """What one row holds of an input that is no table."""
    return nested(spec.shape[1:], column(spec, None))


def rows_of(model: ModelFacts) -> Schema:
    """What a body of rows is."""
    rows = listed({"anyOf": forms(model)}) | {"maxItems": model.max_rows}
    one: Schema = {"anyOf": forms(model, whole=True)}
    made: Schema = {"anyOf": [_asked(rows=rows), rows, one, *_by_columns(model)]}
    if model.example is not None:
        made["examples"] = [{"rows": [model.example]}]
    return made


def forms(model: ModelFacts, *, whole: bool = False) -> list[Schema]:
    """Every form of a row: an object, its values in order, or the only value alone.

    whole: only those that are a body by themselves; a list of single values is as many rows.
    """
    found: list[Schema] = []
    for kind, signature in (("sent", model.sent), ("row", model.signature)):
        if signature is None:
            continue
        found.append(ref(f"{kind}.{model.name}"))
        names = [c.name for c in signature.columns] or [spec.name for spec in signature.inputs]
        cells = [_cell(kind, model.name, name) for name in names]
        if signature.columns and (len(cells) > 1 or not whole):
            bound: Schema = {"minItems": len(cells), "maxItems": len(cells)}
            found.append({"type": "array", "prefixItems": cells, **bound})
        if len(cells) == 1 and not whole:
            found += cells
    return found


def _cell(kind: str, model: str, name: str) -> Schema:
    """The cell of a column, where the row describes it."""
    pointer = name.replace("~", "~0").replace("/", "~1")
    return ref(f"{kind}.{model}/properties/{quote(pointer, safe='~')}")


def _asked(**given: Schema) -> Schema:
    """A body that names what it gives, and which outputs it asks for."""
    properties = {**given, "outputs": {"type": "array", "items": {"type": "string"}}}
    return record(properties, optional=("outputs",)) | {"additionalProperties": False}


def _by_columns(model: ModelFacts) -> list[Schema]:
    """The same rows column by column, where the model has any."""
    made: list[Schema] = []
    for kind, given in (("sent", model.sent), ("row", model.signature)):
        names = [c.name for c in given.columns] if given is not None else []
        if names and "columns" not in names:
            cells = {name: listed(_cell(kind, model.name, name)) for name in names}
            made.append(_asked(columns=record(cells) | {"additionalProperties": False}))
    return made


# --- rows out -----------------------------------------------------------------------------------


def predictions_of(model: ModelFacts) -> Schema:
    """An answer: a row with outputs, what guards say, and what was decided, for each row."""
    specs = model.signature.outputs
    cells: dict[str, Schema] = {}
    for key, spec in zip(model.keys, specs, strict=True):
        given = _answered(model, spec)
        cells[key] = or_null(given) if model.guarded else given
    cells |= {name: schema for name, schema in _guards(model).items() if name in model.said}
    cells |= {
        "decision": {"enum": list(OUTCOMES if model.guarded else (SERVE,))},
        "reasons": {"type": "array", "items": {"type": "string"}},
    }
    row = record(cells, optional=[key for key in cells if key not in ("decision", "reasons")])
    return record(
        {
            "model": {"const": model.name},
            "version": {"type": "integer", "minimum": 0},
            "predictions": listed(row | {"additionalProperties": False}),
        }
    )


def _answered(model: ModelFacts, spec: TensorSpec) -> Schema:
    """What a row holds of an output."""
    leaf = element(spec.dtype)
    names = [str(model.named.get(name, name)) for name in spec.classes]
    if spec.role == "scores" and names and len(spec.shape) == 2:
        # Two classes of one name keep their own.
        kept = names if len({*names}) == len(names) else spec.classes
        return record(dict.fromkeys(kept, leaf)) | {"additionalProperties": False}
    if spec.shape[1:] not in ((), (1,)):
        return nested(spec.shape[1:], leaf)
    if spec.role == "label" and spec.dtype.is_text and names:
        return {"type": "string", "enum": [*dict.fromkeys(names)]}
    if spec.role == "label" and model.named:
        return {"type": ["string", leaf["type"]]}
    return leaf


def _guards(model: ModelFacts) -> dict[str, Schema]:
    classes = next((s.classes for s in model.signature.outputs if s.role == "scores"), ())
    names = [*dict.fromkeys(str(model.named.get(name, name)) for name in classes)]
    share = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
    likely: Schema = {"enum": names} if names else {"type": "string"}
    ends = or_null({"type": "number"})
    return {
        "confidence": share | {"description": "Calibrated probability that the answer is right."},
        "set": {
            "type": ["array", "null"],
            "items": likely,
            "description": "Classes of which the right one is one, nine times in ten.",
        },
        "p_novel": share | {"description": "Share of training rows that are as strange."},
        "interval": nested((2,), ends) | {"description": "Holds the truth nine times in ten."},
    }
