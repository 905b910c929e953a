"""The form of a model: a control for each value of a row, from its signature and its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from fairlead.core.preparation import PICTURE, TEXT
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.contract import REFUSE, Rule
from fairlead.pages.control import Control
from fairlead.serving.registry import Served

_MOST_CHOICES = 100


def controls(served: Served, example: Any, given: Mapping[str, str] | None = None) -> list[Control]:
    """A control per value of a row, none where the model takes whole tensors.

    example: a row that works, whose values stand in the form until `given` are others.
    """
    signature = served.preparing.public if served.preparing else served.package.signature
    if not served.package.signature.batched:
        return []
    rules = served.guarding.rules if served.guarding else {}
    units: Mapping[str, Any] = served.package.words.get("units", {})
    row = cast("dict[str, Any]", example) if isinstance(example, dict) else {}
    made: list[Control] = []
    for name, spec, alone in _values(signature):
        rule = rules.get(name)
        value = _spelt(row.get(name)) if given is None else given.get(name, "")
        made.append(_control(name, spec, alone, rule, str(units.get(name, "")), value))
    return made


def _values(signature: Signature) -> list[tuple[str, TensorSpec, bool]]:
    """The values of a row: name, the input that holds each, and whether it is a single one."""
    if signature.columns:
        return [(c.name, signature.inputs[c.input], True) for c in signature.columns]
    return [(s.name, s, len(s.shape) == 1 or s.shape[1:] == (1,)) for s in signature.inputs]


def _control(
    name: str, spec: TensorSpec, alone: bool, rule: Rule | None, unit: str, value: str
) -> Control:
    if spec.role == PICTURE:
        return Control(name, "picture", hint="PNG, JPEG or WebP")
    if not alone:
        return Control(name, "json", value, hint=f"a list of shape {list(spec.shape[1:])}")
    text = spec.dtype.is_text
    optional = (spec.missing or text) and not (rule is not None and rule.required)
    unit = (rule.unit if rule else "") or unit
    if rule is None or rule.private:
        kind = "text" if text else _number_kind(spec)
        kind = "long" if spec.role == TEXT else kind
        hint = "private: what is allowed is not told" if rule is not None else ""
        return Control(name, kind, value, unit, hint, optional=optional)
    if text and rule.choices and len(rule.choices) <= _MOST_CHOICES:
        chosen = tuple(rule.choices)
        if value and value not in chosen:
            chosen = (*chosen, value)
        return Control(
            name, "choice", value, unit, _shares(rule), choices=chosen, optional=optional
        )
    if text:
        return Control(name, "text", value, unit, _lengths(rule), optional=optional)
    bound = rule.otherwise == REFUSE
    return Control(
        name,
        _number_kind(spec),
        value,
        unit,
        _range(rule),
        _number(rule.minimum) if bound else "",
        _number(rule.maximum) if bound else "",
        optional=optional,
    )


def _number_kind(spec: TensorSpec) -> str:
    if spec.dtype.letter == "?":
        return "truth"
    return "number" if spec.dtype.is_float else "integer"


def _range(rule: Rule) -> str:
    """What training rows held of a number."""
    low, high = rule.seen.get("minimum"), rule.seen.get("maximum")
    if low is None or high is None:
        return ""
    return f"{_number(low)} to {_number(high)}"


def _shares(rule: Rule) -> str:
    shares: dict[str, float] = rule.seen.get("shares", {})
    if not shares:
        return ""
    most = max(shares, key=lambda name: shares[name])
    return f"mostly {most[:40]}, {shares[most]:.0%}"


def _lengths(rule: Rule) -> str:
    longest = rule.seen.get("longest")
    return f"up to {longest} characters" if longest else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _spelt(value: Any) -> str:
    """A value of the example as it stands in a form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return json.dumps(value)
