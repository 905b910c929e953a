"""What a card of Google's Model Card Toolkit is, schema 0.0.2: the part of it that we write.

Written anew from what the toolkit 2.0.0 reads, as strict as can be: every object is closed.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def several(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": one}


_DESCRIBED = several(closed("description", description=TEXT))
_FORMAT = several(closed("key", "value", key=TEXT, value=TEXT))
_LICENCE = closed(identifier=TEXT, custom_text=TEXT) | {
    "oneOf": [{"required": ["identifier"]}, {"required": ["custom_text"]}]
}
_VERSION = closed(
    "name", name=TEXT, date={"type": "string", "format": "date"}, diff={"type": "string"}
)
_METRIC = closed(
    "type",
    "value",
    type=TEXT,
    value=TEXT,
    slice=TEXT,
    confidence_interval=closed("lower_bound", "upper_bound", lower_bound=TEXT, upper_bound=TEXT),
)

TOOLKIT_0_0_2: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **closed(
        "schema_version",
        "model_details",
        schema_version={"const": "0.0.2"},
        model_details=closed(
            "name",
            name=TEXT,
            overview=TEXT,
            documentation=TEXT,
            owners=several(closed("name", name=TEXT, contact=TEXT)),
            version=_VERSION,
            licenses=several(_LICENCE),
            references=several(
                closed("reference", reference={"type": "string", "format": "uri", "minLength": 1})
            ),
            citations=several(closed("citation", citation=TEXT, style=TEXT)),
            path=TEXT,
        ),
        model_parameters=closed(
            model_architecture=TEXT,
            data=several(closed("name", name=TEXT, description=TEXT)),
            input_format=TEXT,
            input_format_map=_FORMAT,
            output_format=TEXT,
            output_format_map=_FORMAT,
        ),
        quantitative_analysis=closed(performance_metrics=several(_METRIC)),
        considerations=closed(
            users=_DESCRIBED,
            use_cases=_DESCRIBED,
            limitations=_DESCRIBED,
            tradeoffs=_DESCRIBED,
            ethical_considerations=several(
                closed("name", name=TEXT, mitigation_strategy={"type": "string"})
            ),
        ),
    ),
}
