"""The categories beyond which a model has no answer, as rules of its contract.

An encoder that was told to refuse what it never saw makes the original raise; its graph makes NaN,
or worse, an answer. The contract refuses such a row first, and says which column is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from fairlead.core.errors import AirlockFailed
from fairlead.core.signature import Signature
from fairlead.guards.contract import REFUSE, Contract, Rule

MOST = 10_000
"""A column of more categories is not written into a contract: nobody would read it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a column may hold. missing: also nothing."""

    values: tuple[str, ...]
    missing: bool


def choices_of(facts: Mapping[str, Any]) -> dict[str, Choices]:
    """What a converter says of its columns, checked: it ran where a stranger's file was read.

    Raises AirlockFailed.
    """
    found: dict[str, Choices] = {}
    try:
        given = cast("Mapping[Any, Any]", facts.get("choices", {}))
        for name, told in given.items():
            values = tuple(told["values"])
            if not all(isinstance(v, str) for v in (name, *values)):
                raise TypeError
            if 0 < len(values) <= MOST:
                found[name] = Choices(values, bool(told["missing"]))
    except (TypeError, KeyError, AttributeError):
        raise AirlockFailed("the airlock's facts about categories cannot be used") from None
    return found


def with_choices(contract: Contract, choices: Mapping[str, Choices]) -> Contract:
    """The contract in which these columns take what the model knows, and nothing else."""
    rules = [_ruled(rule, choices.get(rule.name)) for rule in contract.rules]
    return Contract(rules, contract.rows)


def contract_of(signature: Signature, choices: Mapping[str, Choices]) -> Contract | None:
    """The contract of a model without reference rows; None when it knows no categories."""
    if not any(column.name in choices for column in signature.columns):
        return None
    rules: list[Rule] = []
    for column in signature.columns:
        kind = signature.inputs[column.input].dtype
        word = "text" if kind.is_text else "number" if kind.is_float else "integer"
        rules.append(Rule(column.name, word, required=False))
    return with_choices(Contract(rules, 0), choices)


def _ruled(rule: Rule, known: Choices | None) -> Rule:
    if known is None:
        return rule
    return replace(
        rule,
        kind="category",
        choices=tuple(sorted(known.values)),
        required=not known.missing,
        otherwise=REFUSE,
    )
