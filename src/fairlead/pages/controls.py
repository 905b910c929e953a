"""The form of a model: a control for each value of a row, from its signature and its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from fairlead.core.preparation import PICTURE, TEXT
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.contract import REFUSE, Rule
from fairlead.pages.control import Control
from fairlead.serving.served import Served

_MOST_CHOICES = 100
MOST_CONTROLS = 200
"""Values of a row that a page shows: nobody fills in more, and pages are made between answers."""


def controls(
    served: Served, example: Any, given: Mapping[str, str] | None = None, *, whole: bool = False
) -> list[Control]:
    """A control for each of the first values of a row, none where the model takes whole tensors.

    example: a row that works, whose values stand in the form until `given` are others. whole: say
    what training rows held too, and not only what the contract asks for.
    """
    signature = _public(served)
    if not served.package.signature.batched:
        return []
    rules = served.guarding.rules if served.guarding else {}
    units: Mapping[str, Any] = served.package.words.get("units", {})
    row = cast("dict[str, Any]", example) if isinstance(example, dict) else {}
    made: list[Control] = []
    for name, spec, alone in _values(signature)[:MOST_CONTROLS]:
        rule = rules.get(name)
        value = _spelt(row.get(name)) if given is None else given.get(name, "")
        hint = _hint(rule, whole=whole) if rule is not None else ""
        made.append(_control(name, spec, alone, rule, str(units.get(name, "")), value, hint))
    return made


def values_of(served: Served) -> int:
    """How many values a row has, with and without a control."""
    return len(_public(served).columns or _public(served).inputs)


def _public(served: Served) -> Signature:
    return served.preparing.public if served.preparing else served.package.signature


def _values(signature: Signature) -> list[tuple[str, TensorSpec, bool]]:
    """The values of a row: name, the input that holds each, and whether it is a single one."""
    if signature.columns:
        return [(c.name, signature.inputs[c.input], True) for c in signature.columns]
    return [(s.name, s, len(s.shape) == 1 or s.shape[1:] == (1,)) for s in signature.inputs]


def _control(
    name: str,
    spec: TensorSpec,
    alone: bool,
    rule: Rule | None,
    unit: str,
    value: str,
    hint: str,
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
        return Control(name, kind, value, unit, hint, optional=optional)
    if text and rule.choices and len(rule.choices) <= _MOST_CHOICES:
        chosen = tuple(rule.choices)
        if value and value not in chosen:
            chosen = (*chosen, value)
        return Control(name, "choice", value, unit, hint, choices=chosen, optional=optional)
    if text:
        return Control(name, "text", value, unit, hint, optional=optional)
    bound = rule.otherwise == REFUSE
    return Control(
        name,
        _number_kind(spec),
        value,
        unit,
        hint,
        _number(rule.minimum) if bound else "",
        _number(rule.maximum) if bound else "",
        optional=optional,
    )


def _number_kind(spec: TensorSpec) -> str:
    if spec.dtype.letter == "?":
        return "truth"
    return "number" if spec.dtype.is_float else "integer"


def _hint(rule: Rule, *, whole: bool) -> str:
    """What the contract asks of a value, and what training rows held."""
    if rule.private:
        return "private: what is allowed is not told"
    asked = [f"at least {rule.minimum:.6g}"] if rule.minimum is not None else []
    asked += [f"at most {rule.maximum:.6g}"] if rule.maximum is not None else []
    asked += [f"up to {rule.longest} characters"] if rule.longest is not None else []
    seen = _seen(rule) if whole else ""
    return "; ".join([" and ".join(asked), seen]).strip("; ")


def _seen(rule: Rule) -> str:
    """What training rows held of a column."""
    told = rule.seen
    if "minimum" in told and "maximum" in told:
        return f"{_number(told['minimum'])} to {_number(told['maximum'])} in training"
    shares: dict[str, float] = told.get("shares", {})
    if shares:
        most = max(shares, key=lambda name: shares[name])
        return f"{most[:40]} in {shares[most]:.0%} of training rows"
    return f"up to {told['longest']} characters in training" if told.get("longest") else ""


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
