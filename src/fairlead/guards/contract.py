"""What a valid row is, column by column: learnt from reference rows, edited by the owner.

A contract is a readable file. What training rows held is written down as `seen` and is a fact, not
a rule; rules are few at first (what must not be missing, which categories there are) and the owner
adds others. Each rule says what happens to a row that breaks it: `refuse` (an error that names row
and column), `mark` (served, and said so), or `clip` (moved to the nearest allowed value, and said
so).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.aggregates import LEAST, aggregated

FORMAT = 1
REFUSE, MARK, CLIP = "refuse", "mark", "clip"
ACTIONS = (REFUSE, MARK, CLIP)
KINDS = ("number", "integer", "boolean", "category", "text")
MOST_CATEGORIES = 100
_CATEGORY_SHARE = 0.2
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MOST_SHARES = 20
_RULES = ("minimum", "maximum", "choices", "pattern", "shortest", "longest")


class ContractInvalid(ValueError):
    """A contract that cannot be read or makes no sense; says which column and key."""


@dataclass(slots=True)
class Rule:
    """One column.

    kind:     one of KINDS. unit: the owner's words.
    private:  its values are told to nobody: not in a reason, an example, a card or an error.
    required: a missing value breaks the contract.
    minimum, maximum: of a number; choices: of a category; pattern: a regular expression for the
    whole of a text; shortest, longest: characters of a text.
    otherwise: what happens to a row that breaks a rule.
    seen:     what training rows held.
    """

    name: str
    kind: str
    unit: str = ""
    private: bool = False
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    shortest: int | None = None
    longest: int | None = None
    otherwise: str = REFUSE
    seen: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Breach:
    """A value that breaks its column's rule. words: what is wrong, in words for the caller."""

    row: int
    column: str
    action: str
    words: str


class Contract:
    """The rules of all columns, in order."""

    def __init__(self, rules: list[Rule], rows: int) -> None:
        self.rules = rules
        self.rows = rows
        self._checked = [r for r in rules if _bites(r)]
        self._patterns = {r.name: re.compile(r.pattern) for r in rules if r.pattern}
        self._choices = {r.name: frozenset(r.choices) for r in rules if r.choices}
        self._numbers_allowed = {r.name: _as_numbers(r.choices) for r in rules if r.choices}

    @property
    def bites(self) -> bool:
        """Whether any value can break it."""
        return bool(self._checked)

    def check(self, columns: Mapping[str, Any]) -> list[Breach]:
        """Every breach in these columns, by row; rules of columns that are not given are left out.

        Columns with `clip` are changed in place.
        """
        found: list[Breach] = []
        for rule in self._checked:
            values = columns.get(rule.name)
            if values is None:
                continue
            if values.dtype.kind in "fiub":
                found += self._numbers(rule, values)
            else:
                found += self._texts(rule, values)
        return sorted(found, key=lambda breach: breach.row)

    def _numbers(self, rule: Rule, values: Any) -> list[Breach]:
        breaches: list[Breach] = []
        if rule.required and values.dtype.kind == "f":
            missing = np.flatnonzero(np.isnan(values))
            breaches += [_missing(rule, int(row)) for row in missing]
        allowed = self._numbers_allowed.get(rule.name)
        if allowed is not None:
            for row in np.flatnonzero(~np.isin(values, allowed) & ~np.isnan(values)):
                words = _none_of(rule, f"{values[row]:g}", self._choices[rule.name])
                words = _not_allowed(rule) if rule.private else words
                breaches.append(Breach(int(row), rule.name, rule.otherwise, words))
        for bound, limit, word in (
            (rule.minimum, np.less, "below the minimum"),
            (rule.maximum, np.greater, "above the maximum"),
        ):
            if bound is None:
                continue
            with np.errstate(invalid="ignore"):
                rows = np.flatnonzero(limit(values, bound))
            for row in rows:
                words = f"{rule.name} = {values[row]:g} is {word} {bound:g}{_unit(rule)}"
                words = _not_allowed(rule) if rule.private else words
                breaches.append(Breach(int(row), rule.name, rule.otherwise, words))
            if rule.otherwise == CLIP and len(rows):
                values[rows] = bound
        return breaches

    def _texts(self, rule: Rule, values: NDArray[Any]) -> list[Breach]:
        breaches: list[Breach] = []
        choices, pattern = self._choices.get(rule.name), self._patterns.get(rule.name)
        for row, value in enumerate(values.tolist()):
            if value == "":
                if rule.required and not (choices and "" in choices):
                    breaches.append(_missing(rule, row))
                continue
            words = _wrong(rule, value, choices, pattern)
            if words:
                words = _not_allowed(rule) if rule.private else words
                breaches.append(Breach(row, rule.name, rule.otherwise, words))
                if rule.otherwise == CLIP and rule.longest is not None:
                    values[row] = value[: rule.longest]
        return breaches

    def to_toml(self) -> str:
        """The contract as its owner reads and edits it."""
        lines = [
            f"# What a valid row is. Learnt from {self.rows} reference rows; edit it and give it",
            "# to `fairlead amend --contract`. `seen` is what training rows held: facts, no rules.",
            f"format = {FORMAT}",
            f"rows = {self.rows}",
        ]
        for rule in self.rules:
            lines += ["", f"[columns.{_toml(rule.name)}]"]
            for key in ("kind", "unit", "private", "required", *_RULES, "otherwise"):
                value = getattr(rule, key)
                if value not in (None, (), "") and (key, value) != ("private", False):
                    lines.append(f"{key} = {_toml(value)}")
            seen = ", ".join(f"{key} = {_toml(value)}" for key, value in rule.seen.items())
            lines.append(f"seen = {{ {seen} }}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str) -> Contract:
        """The contract in a file. Raises ContractInvalid naming column and key."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ContractInvalid(f"not valid TOML: {error}") from None
        if data.get("format") != FORMAT:
            raise ContractInvalid(f"format must be {FORMAT}")
        unknown = set(data) - {"format", "rows", "columns"}
        if unknown:
            raise ContractInvalid(f"{min(unknown)} is not known at the top")
        columns = data.get("columns", {})
        if not isinstance(columns, dict):
            raise ContractInvalid("columns must be tables")
        given = cast("dict[str, Any]", columns)
        return cls([_rule(name, table) for name, table in given.items()], int(data.get("rows", 0)))


def _bites(rule: Rule) -> bool:
    return rule.required or any(getattr(rule, key) not in (None, (), "") for key in _RULES)


def _as_numbers(choices: tuple[str, ...]) -> NDArray[np.float64] | None:
    """Choices of a column of numbers; None when they are no numbers, and so bind none."""
    try:
        return np.array([float(choice) for choice in choices])
    except ValueError:
        return None


def _none_of(rule: Rule, value: str, choices: frozenset[str]) -> str:
    listed = ", ".join(sorted(choices)[:10])
    return f"{rule.name} = {value} is none of: {listed}"


def _missing(rule: Rule, row: int) -> Breach:
    action = REFUSE if rule.otherwise == CLIP else rule.otherwise
    return Breach(row, rule.name, action, f"{rule.name} is missing")


def _not_allowed(rule: Rule) -> str:
    """All that is said of a private column: neither the value nor what it is held against."""
    return f"{rule.name} is not what the contract allows"


def _unit(rule: Rule) -> str:
    return f" {rule.unit}" if rule.unit else ""


def _wrong(
    rule: Rule, value: str, choices: frozenset[str] | None, pattern: re.Pattern[str] | None
) -> str:
    """What is wrong with a text, "" when nothing is."""
    if choices is not None and value not in choices:
        return _none_of(rule, repr(value[:60]), choices)
    if rule.longest is not None and len(value) > rule.longest:
        return f"{rule.name} has {len(value)} characters; {rule.longest} are the most"
    if rule.shortest is not None and len(value) < rule.shortest:
        return f"{rule.name} has {len(value)} characters; {rule.shortest} are the least"
    if pattern is not None and not pattern.fullmatch(value):
        return f"{rule.name} is not of the form {rule.pattern}"
    return ""


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON's text, numbers and lists are TOML's."""
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value)
        return "{ " + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if np.isfinite(value) else "nan"
    plain = list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
    shown = json.dumps(plain, ensure_ascii=False)
    return shown.replace("\x7f", "\\u007f")  # the one character that JSON may hold and TOML not


def _rule(name: str, table: Any) -> Rule:
    if not isinstance(table, dict):
        raise ContractInvalid(f"columns.{name} must be a table")
    given = dict(cast("dict[str, Any]", table))
    kinds: dict[str, tuple[type, ...]] = {
        "kind": (str,), "unit": (str,), "private": (bool,), "required": (bool,),
        "minimum": (int, float), "maximum": (int, float), "choices": (list,), "pattern": (str,),
        "shortest": (int,), "longest": (int,), "otherwise": (str,), "seen": (dict,),
    }  # fmt: skip
    for key, value in given.items():
        if key not in kinds:
            raise ContractInvalid(f"columns.{name}: {key} is not known; known: {', '.join(kinds)}")
        if not isinstance(value, kinds[key]) or (
            isinstance(value, bool) and bool not in kinds[key]
        ):
            raise ContractInvalid(f"columns.{name}.{key} has a value of the wrong kind")
    given["choices"] = tuple(str(c) for c in given.get("choices", ()))
    values: dict[str, Any] = {"kind": "number", **given}
    rule = Rule(name, **values)
    _check_rule(rule)
    return rule


def _check_rule(rule: Rule) -> None:
    place = f"columns.{rule.name}"
    if rule.kind not in KINDS:
        raise ContractInvalid(f"{place}.kind must be one of {', '.join(KINDS)}")
    if rule.otherwise not in ACTIONS:
        raise ContractInvalid(f"{place}.otherwise must be one of {', '.join(ACTIONS)}")
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        raise ContractInvalid(f"{place}: minimum is above maximum")
    texts = rule.kind in ("category", "text")
    if texts and (rule.minimum is not None or rule.maximum is not None):
        raise ContractInvalid(f"{place}: minimum and maximum are for numbers")
    if not texts and (rule.choices or rule.pattern):
        raise ContractInvalid(f"{place}: choices and pattern are for categories and texts")
    if rule.otherwise == CLIP and (rule.choices or rule.pattern):
        raise ContractInvalid(f"{place}: a value outside choices or pattern cannot be clipped")
    try:
        re.compile(rule.pattern)
    except re.error as error:
        raise ContractInvalid(f"{place}.pattern is no regular expression: {error}") from None


def learn_contract(columns: Mapping[str, Any], *, aggregates: bool = False) -> Contract:
    """The contract of reference rows: columns of numbers (NaN is missing) or text ("" is missing).

    Rules are few: what never was missing is required, and a category is one of those seen.
    aggregates: ten rows stand behind everything that is written down; where a category has fewer,
    the column gets no list of those allowed.
    """
    count = len(next(iter(columns.values())))
    rules = [_learn_rule(name, values, aggregates) for name, values in columns.items()]
    return Contract(rules, count)


def _learn_rule(name: str, values: Any, aggregates: bool) -> Rule:
    if values.dtype.kind in "OUS":
        return _learn_text(name, values.astype(str), aggregates)
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    whole = bool(len(finite)) and bool((finite == np.trunc(finite)).all())
    kind = "boolean" if values.dtype.kind == "b" else "integer" if whole else "number"
    seen: dict[str, Any] = {"missing": round(1 - len(finite) / max(1, len(numbers)), 6)}
    told = aggregated(finite) if aggregates else finite
    if len(told) and not np.isnan(told).any():
        cuts = np.quantile(told, _QUANTILES)
        seen |= {
            "minimum": _short(float(told.min())),
            "maximum": _short(float(told.max())),
            "quantiles": [float(f"{q:.6g}") for q in cuts],
            "distinct": len(np.unique(finite)),
        }
        if aggregates:
            seen["averages_of"] = LEAST
    return Rule(name, kind, required=len(finite) == len(numbers), seen=seen)


def _short(value: float) -> float:
    """A number as it was written before it became single precision: 7.69, not 7.69000006."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value and not value.is_integer() else value


def _learn_text(name: str, values: Any, aggregates: bool) -> Rule:
    filled = values[values != ""]
    found, counts = np.unique(filled, return_counts=True)
    few = len(found) <= MOST_CATEGORIES and len(found) <= max(2, _CATEGORY_SHARE * len(filled))
    seen: dict[str, Any] = {
        "missing": round(1 - len(filled) / max(1, len(values)), 6),
        "distinct": len(found),
        **_lengths(filled, aggregates),
    }
    required = len(filled) == len(values)
    if not few:
        return Rule(name, "text", required=required, seen=seen)
    kept = counts >= (LEAST if aggregates else 1)
    order = [i for i in np.argsort(-counts, kind="stable") if kept[i]]
    seen["shares"] = {
        str(found[i]): round(float(counts[i]) / len(filled), 6) for i in order[:_MOST_SHARES]
    }
    choices = tuple(sorted(str(c) for c in found)) if kept.all() else ()
    return Rule(name, "category", required=required, choices=choices, seen=seen)


def _lengths(filled: Any, aggregates: bool) -> dict[str, int]:
    """The fewest and the most characters of a text; none where too few rows hold any."""
    lengths = np.array([len(v) for v in filled.tolist()] or [0], dtype=np.float64)
    told = aggregated(lengths) if aggregates else lengths
    if np.isnan(told).any():
        return {}
    return {"shortest": round(float(told.min())), "longest": round(float(told.max()))}
