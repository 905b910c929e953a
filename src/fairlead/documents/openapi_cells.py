"""JSON Schema of single values: a column as callers send it, an output as it is answered.

A rule of the contract that refuses a row is a keyword; one that only marks or moves a value is said
in words, as such a row is answered all the same. Of a private column only its type is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fairlead.core.datatypes import DType
from fairlead.core.signature import TensorSpec
from fairlead.guards.contract import CLIP, MARK, REFUSE, Rule

Schema = dict[str, Any]

_FORMATS = {"FP32": "float", "FP64": "double"}
_EXACT = 1 << 53
_PYTHONS_OWN = re.compile(r"\(\?(?![:=!])|\\[AZ]|[*+?}]\+")
"""Parts of a pattern that ECMA-262, and so JSON Schema, reads otherwise or not at all."""


def column(spec: TensorSpec, rule: Rule | None, unit: str = "") -> Schema:
    """One cell of a column that an input holds. unit: the owner's word, where the rule has none."""
    made = _typed(spec.dtype)
    rule = rule or Rule("", "number", required=False)
    refused = rule.otherwise != MARK and rule.required
    if not rule.private and rule.otherwise == REFUSE:
        made |= _limits(spec.dtype, rule, made)
    if spec.dtype.is_text:
        made = _text(made, rule, refused)
    elif spec.missing and spec.dtype.is_float and not refused:
        made = or_null(made)
    words = _words(rule, rule.unit or unit)
    return made | ({"description": words} if words else {})


def _typed(dtype: DType) -> Schema:
    """The values that a datatype holds."""
    if dtype.is_text or dtype.letter == "?":
        return {"type": "string" if dtype.is_text else "boolean"}
    if dtype.is_float:
        return {"type": "number"} | ({"format": _FORMATS[dtype.name]} if dtype.itemsize > 2 else {})
    bits = 8 * dtype.itemsize
    low, high = (0, 2**bits) if dtype.letter.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return {"type": "integer", "format": dtype.name.lower(), "minimum": low, "maximum": high - 1}


def _limits(dtype: DType, rule: Rule, typed: Schema) -> Schema:
    """What a contract adds to a type: the narrower of both."""
    made: Schema = {}
    if rule.choices:
        chosen = _choices(dtype, rule.choices)
        made |= {"enum": chosen} if chosen else {}
    if dtype.is_text:
        made |= {"minLength": rule.shortest} if rule.shortest is not None else {}
        made |= {"maxLength": rule.longest} if rule.longest is not None else {}
        if rule.pattern and not _PYTHONS_OWN.search(rule.pattern):
            made["pattern"] = f"^(?:{rule.pattern})$"
        return made
    if rule.minimum is not None:
        made["minimum"] = _number(max(rule.minimum, typed.get("minimum", rule.minimum)))
    if rule.maximum is not None:
        made["maximum"] = _number(min(rule.maximum, typed.get("maximum", rule.maximum)))
    return made


def _choices(dtype: DType, choices: Sequence[str]) -> list[Any]:
    """The choices as values of the type; none where they are no numbers, and so bind none."""
    if dtype.is_text:
        return list(choices)
    if dtype.letter == "?":
        return []
    try:
        return [_number(float(choice)) for choice in choices]
    except ValueError:
        return []


def _text(made: Schema, rule: Rule, refused: bool) -> Schema:
    """A text; an empty one is a missing value, whatever else the contract says of texts."""
    if "enum" in made:
        return made if refused or "" in made["enum"] else made | {"enum": [*made["enum"], ""]}
    if refused:
        return made | {"minLength": max(1, made.get("minLength", 1))}
    if "minLength" in made or "pattern" in made:
        return {"anyOf": [made, {"type": "string", "maxLength": 0}]}
    return made


def _words(rule: Rule, unit: str) -> str:
    """What no keyword says."""
    said = [f"Unit: {unit}."] if unit else []
    if rule.private:
        return " ".join([*said, "Private: what is allowed is not told."])
    lowest = [f"at least {rule.minimum:g}"] if rule.minimum is not None else []
    highest = [f"at most {rule.maximum:g}"] if rule.maximum is not None else []
    limits = " and ".join(lowest + highest)
    if rule.otherwise == CLIP and limits:
        said.append(f"Moved to be {limits}.")
    if rule.otherwise == MARK:
        listed = f"one of {', '.join(rule.choices[:12])}" if rule.choices else ""
        usual = "; ".join(filter(None, (limits, listed)))
        said += [f"Should be {usual}; a row with another value is answered with a warning."] * bool(
            usual
        )
    if rule.pattern and (rule.otherwise != REFUSE or _PYTHONS_OWN.search(rule.pattern)):
        said.append(f"Of the form {rule.pattern} (a regular expression of Python).")
    return " ".join(said)


def _number(value: float) -> int | float:
    """A number without a fraction where it has none."""
    return int(value) if float(value).is_integer() and abs(value) <= _EXACT else value


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    if schema.get("type").__class__ is not str:
        return {"anyOf": [schema, {"type": "null"}]}
    made = schema | {"type": [schema["type"], "null"]}
    return made | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def element(dtype: DType) -> Schema:
    """An element of an output; a number that JSON has none for is null."""
    made = {key: value for key, value in _typed(dtype).items() if key in ("type", "format")}
    return or_null(made) if dtype.is_float else made


def nested(shape: Sequence[int], inner: Schema) -> Schema:
    """Lists in lists, a dimension each; -1 is any size."""
    for size in reversed(shape):
        bound = {"minItems": size, "maxItems": size} if size >= 0 else {"minItems": 1}
        inner = {"type": "array", "items": inner, **bound}
    return inner
