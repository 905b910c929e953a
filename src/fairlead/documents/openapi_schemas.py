"""JSON Schema of what no model decides: health, metadata, settings, errors, lists of models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fairlead.documents.openapi_cells import Schema


def record(properties: Mapping[str, Any], optional: Collection[str] = ()) -> Schema:
    """An object; what is not optional is always there."""
    made: Schema = {"type": "object", "properties": dict(properties)}
    required = [name for name in properties if name not in optional]
    return {**made, "required": required} if required else made


def listed(items: Schema, least: int = 1) -> Schema:
    """A list of at least so many."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def ref(name: str) -> Schema:
    """What stands under this name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ANY: Schema = {"type": "object"}
_MAYBE: Schema = {"type": ["string", "null"]}
_TEXTS = listed(_TEXT, 0)
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": -1}}
_ID: Schema = {"type": "string", "pattern": r"^FRL-\d{4}$"}
_CODE: Schema = {"type": "string", "pattern": r"^[A-Z0-9_]+$"}


def _errors() -> dict[str, Schema]:
    about = {"code": _CODE, "id": _ID}
    problem = {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        **about,
        "where": _TEXT,
        "fix": _TEXT,
        "row": _COUNT,
        "column": _TEXT,
    }
    return {
        "Problem": record(problem, optional=("where", "fix", "row", "column")),
        "Error": record({"error": _TEXT, **about}),
        "MlflowError": record({"error_code": _TEXT, "message": _TEXT, **about}),
    }


def _ready_of_model() -> Schema:
    version = {"version": _COUNT, "ready_workers": _COUNT, "state": _TEXT, "reason": _TEXT}
    told = {"model": _TEXT, "ready": _FLAG, "workers": _COUNT, "why": _TEXT}
    versions = listed(record(version, optional=("reason",)), 0)
    return record({**told, "versions": versions}, optional=("why",))


def _native() -> dict[str, Schema]:
    version = record({"version": _COUNT, "state": _TEXT, "reason": _TEXT}, optional=("reason",))
    left = record(
        {
            "name": _TEXT,
            "of": _TEXT,
            "dimension": _TEXT,
            "amount": {"type": "number"},
            "per": _MAYBE,
            "burst": {"type": ["number", "null"]},
            "left": {"type": "number"},
            "reset_s": {"type": ["number", "null"]},
        }
    )
    allowed = {"rows": _COUNT, "compute_s": {"type": "number"}, "content_types": _TEXTS}
    allowed["limits"] = listed(left, 0)
    limits = {
        "key": _MAYBE,
        "tenant": _MAYBE,
        "plan": _MAYBE,
        "limits": listed(left, 0),
        "request": record({"body_bytes": _COUNT, "json_depth": _COUNT}),
        "answer": record({"body_bytes": _COUNT}),
        "models": {
            "type": "object",
            "additionalProperties": record(
                allowed, optional=("rows", "compute_s", "content_types")
            ),
        },
    }
    counted = ("requests", "rows", "bytes_in", "bytes_out", "withheld")
    more = {"compute_ms": {"type": "number", "minimum": 0}, "decisions": _ANY}
    used = {name: _COUNT for name in counted} | more
    listing = {"name": _TEXT, "versions": listed(version, 0), "address": _TEXT}
    return {
        "Alive": record({"status": {"const": "alive"}}),
        "Live": record({"live": {"const": True}}),
        "Ready": record({"ready": _FLAG, "why": _TEXT}, optional=("why",)),
        "ReadyOfModel": _ready_of_model(),
        "Limits": record(limits),
        "Usage": record({"usage": listed(record(used), 0)}),
        "Models": record({"models": listed(record(listing), 0)}),
        "Model": _model(version),
        "Card": _card(),
        "Accepted": record({"accepted": {"type": "integer", "minimum": 1}}),
        "OpenApi": record({"openapi": _TEXT, "info": _ANY, "paths": _ANY, "components": _ANY}),
        "Protos": record({"protos": _TEXTS}),
        "Feedback": _feedback(),
        "Rows": {"description": "Rows of the model: GET /models/{model} has an example."},
        "Predictions": record(
            {
                "model": _TEXT,
                "version": _COUNT,
                "predictions": listed(record({"decision": _TEXT, "reasons": _TEXTS})),
            }
        ),
    }


def _model(version: Schema) -> Schema:
    """What a model takes and answers; without a version that answers, its versions alone."""
    tensor = record(
        {
            "name": _TEXT,
            "datatype": _TEXT,
            "shape": _SHAPE,
            "columns": _TEXTS,
            "missing": _FLAG,
            "role": _TEXT,
            "classes": _TEXTS,
        },
        optional=("columns", "missing", "role", "classes"),
    )
    always = {"name": _TEXT, "versions": listed(version, 0)}
    more = {
        "version": _COUNT,
        "runtime": _TEXT,
        "isolated": _FLAG,
        "guards": {"anyOf": [{"const": "unlearnt"}, _ANY]},
        "standing": _ANY,
        "inputs": listed(tensor),
        "outputs": listed(tensor),
        "columns": _TEXTS,
        "limits": record({"max_rows": _COUNT}),
        "words": _ANY,
        "takes": listed(_ANY),
        "example": _ANY,
        "predict": _TEXT,
        "infer": _TEXT,
        "isolated_because": _TEXT,
        "native_because": _TEXT,
    }
    return record({**always, **more}, optional=more)


def _card() -> Schema:
    """A model card; docs/reference/package.md says what stands in it."""
    word = record({"key": _TEXT, "question": _TEXT, "text": _TEXT})
    fact = record({"name": _TEXT, "value": _TEXT})
    section = record({"title": _TEXT, "words": listed(word, 0), "facts": listed(fact, 0)})
    said = {"score": {"type": "number"}, "stated": _TEXTS, "missing": _TEXTS}
    return record(
        {
            "format": {"const": 1},
            "model": _TEXT,
            "version": _COUNT,
            "performance": {"enum": ["measured", "unknown"]},
            "completeness": record(said),
            "sections": listed(section),
            "limitations": _TEXTS,
            "measured": _ANY,
            "live": _ANY,
        }
    )


def _feedback() -> Schema:
    """True labels of one call, or of several."""
    label: Schema = {"type": ["string", "number", "boolean", "null"]}
    one = record({"usage_id": _TEXT, "labels": listed(label)}) | {"additionalProperties": False}
    many = record({"feedback": listed(one)}) | {"additionalProperties": False}
    return {"anyOf": [one, many]}


def _oip_tensors() -> dict[str, Schema]:
    plain: Schema = {"type": ["string", "number", "boolean"]}
    tensor = {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}
    beside = {"parameters": ref("Parameters")}
    sent = record({**tensor, "data": listed({}), **beside}, optional=("data", *beside))
    given = record({**tensor, "data": listed({}, 0), **beside}, optional=("data", *beside))
    wanted = record({"name": _TEXT, **beside}, optional=beside)
    about = {"id": _TEXT, **beside}
    return {
        "Parameters": {"type": "object", "additionalProperties": plain},
        "Size": {"type": "integer", "minimum": 1},
        "Tensors": record(
            {**about, "inputs": listed(sent), "outputs": listed(wanted, 0)},
            optional=(*about, "outputs"),
        ),
        "Outputs": record(
            {"model_name": _TEXT, "model_version": _TEXT, **about, "outputs": listed(given)},
            optional=about,
        ),
        "Flat": {
            "description": "Inputs by name, a value or a list each; `id` and `parameters` beside.",
            **record({**about}, optional=about),
        },
        "FlatAnswer": record({"id": _TEXT, "model_name": _TEXT, "model_version": _TEXT}, ("id",)),
    }


def _oip() -> dict[str, Schema]:
    tensor = {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}
    declared = record(
        {"name": _TEXT, "data_type": {"type": "string", "pattern": "^TYPE_"}, "dims": _SHAPE}
    )
    index = {"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT}
    return {
        "Server": record({"name": _TEXT, "version": _TEXT, "extensions": _TEXTS}),
        "Metadata": record(
            {
                "name": _TEXT,
                "versions": _TEXTS,
                "platform": _TEXT,
                "inputs": listed(record(tensor)),
                "outputs": listed(record(tensor)),
            }
        ),
        "ModelReady": record({"name": _TEXT, "ready": {"const": True}}),
        "ModelNames": record({"models": _TEXTS}),
        "Config": record(
            {
                "name": _TEXT,
                "platform": _TEXT,
                "backend": _TEXT,
                "version_policy": _ANY,
                "max_batch_size": _COUNT,
                "input": listed(declared),
                "output": listed(declared),
                "model_transaction_policy": record({"decoupled": _FLAG}),
                "dynamic_batching": _ANY,
            },
            optional=("dynamic_batching",),
        ),
        "Statistics": record({"model_stats": listed(_statistics(), 0)}),
        "Index": listed(record(index, optional=("reason",)), 0),
        "IndexAsked": record({"ready": _FLAG}, optional=("ready",)),
        "Loaded": record({"name": _TEXT, "load": {"const": True}}),
        "Unloaded": record({"name": _TEXT, "unload": {"const": True}}),
        "LoadAsked": record(
            {"parameters": record({"unload_dependents": _FLAG}, ("unload_dependents",))},
            optional=("parameters",),
        ),
        "LogSettings": _settings(
            "log_file log_info log_warning log_error log_verbose_level", "log"
        ),
        "TraceSettings": _settings("trace_file trace_level trace_rate trace_count", "trace"),
        "Regions": {"type": "array", "maxItems": 0},
        "Nothing": {"type": "object", "maxProperties": 0},
    }


def _settings(names: str, kind: str) -> Schema:
    """Every setting. A request may name those that it wants to hold."""
    last = "log_format" if kind == "log" else "log_frequency"
    return record({name: {} for name in [*names.split(), last]})


def _statistics() -> Schema:
    spent = record({"count": _COUNT, "ns": _COUNT})
    each = (
        "success", "fail", "queue", "compute_input", "compute_infer", "compute_output",
        "cache_hit", "cache_miss",
    )  # fmt: skip
    return record(
        {
            "name": _TEXT,
            "version": _TEXT,
            "last_inference": _COUNT,
            "inference_count": _COUNT,
            "execution_count": _COUNT,
            "inference_stats": record(dict.fromkeys(each, spent)),
            "response_stats": _ANY,
            "batch_stats": listed(_ANY, 0),
            "memory_usage": listed(_ANY, 0),
        }
    )


def _tfs() -> dict[str, Schema]:
    status = record({"error_code": _TEXT, "error_message": _TEXT})
    version = record({"version": _TEXT, "state": _TEXT, "status": status})
    dims = listed(record({"size": _TEXT, "name": _TEXT}), 0)
    tensor = record(
        {
            "dtype": {"type": "string", "pattern": "^DT_"},
            "tensor_shape": record({"dim": dims, "unknown_rank": _FLAG}),
            "name": _TEXT,
        }
    )
    tensors = {"type": "object", "additionalProperties": tensor}
    signature = record(
        {"inputs": tensors, "outputs": tensors, "method_name": _TEXT, "defaults": _ANY}
    )
    signatures = record({"serving_default": signature})
    example = {"type": "object", "description": "Features by column."}
    name = ref("SignatureName")
    asked = {"signature_name": name, "instances": listed({}), "inputs": {}}
    either: Schema = {"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]}
    # Tools of this day read no prefixItems here.
    pair: Schema = {
        "type": "array",
        "items": {"type": ["string", "number", "null"]},
        "description": "A label, and its score.",
    }
    return {
        "Status": record(
            {
                "model_version_status": listed(version),
                "name": _TEXT,
                "ready": _FLAG,
                "error": _TEXT,
            },
            optional=("error",),
        ),
        "Signatures": record(
            {
                "model_spec": record({"name": _TEXT, "signature_name": _TEXT, "version": _TEXT}),
                "metadata": record({"signature_def": record({"signature_def": signatures})}),
            }
        ),
        "SignatureName": {"type": "string", "examples": ["serving_default"]},
        "Instances": record(asked, optional=asked) | either,
        "Values": {
            "oneOf": [record({"predictions": listed({})}), record({"outputs": {}})],
        },
        "Examples": record(
            {"signature_name": name, "context": _ANY, "examples": listed(example)},
            optional=("signature_name", "context"),
        ),
        "Classes": record({"results": listed(listed(pair | {"minItems": 2, "maxItems": 2}))}),
        "Numbers": record({"results": listed({"type": ["number", "null"]})}),
    }


def _unnamed() -> dict[str, Schema]:
    bodies = {
        "instances": listed({}),
        "inputs": {},
        "dataframe_split": ref("Split"),
        "dataframe_records": listed(_ANY),
        "rows": listed({}),
    }
    parameters = {"params": _ANY}
    one = [{"required": [name]} for name in bodies]
    asked = record({**bodies, **parameters}, optional=(*bodies, *parameters))
    return {
        "Batching": record(
            {
                "MaxConcurrentTransforms": _COUNT,
                "BatchStrategy": _TEXT,
                "MaxPayloadInMB": {"type": "integer", "minimum": 1},
            }
        ),
        "Split": record({"columns": _TEXTS, "data": listed({}, 0)}),
        "Invocation": {"anyOf": [asked | {"oneOf": one}, ref("Tensors"), listed({})]},
        "Invoked": {
            "anyOf": [
                record({"predictions": listed({})}),
                record({"outputs": {}}),
                ref("Outputs"),
            ]
        },
    }


def common_schemas() -> dict[str, Schema]:
    """All of them by name."""
    return _errors() | _native() | _oip_tensors() | _oip() | _tfs() | _unnamed()
