"""A contract's rules as JSON Schema: what refuses is a keyword, what does not is said in words."""

from __future__ import annotations

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tests.models import spec

from fairlead.documents.openapi_cells import column, element, nested, or_null
from fairlead.guards.contract import Contract, Rule

NUMBER = spec("x", "FP32", (-1, 1), missing=True)
TEXT = spec("x", "BYTES", (-1, 1))

NUMBERS = [
    Rule("x", "number"),
    Rule("x", "number", required=False),
    Rule("x", "number", required=False, minimum=-1, maximum=2.5),
    Rule("x", "number", minimum=0, otherwise="mark"),
    Rule("x", "number", minimum=0, otherwise="clip"),
    Rule("x", "category", choices=("1", "2"), required=False),
]
TEXTS = [
    Rule("x", "category", choices=("a", "b")),
    Rule("x", "category", choices=("a", "b"), required=False),
    Rule("x", "category", choices=("a", "b"), otherwise="mark"),
    Rule("x", "category", choices=("a", "")),
    Rule("x", "text"),
    Rule("x", "text", required=False),
    Rule("x", "text", shortest=2, longest=3),
    Rule("x", "text", shortest=2, required=False),
    Rule("x", "text", pattern="a+|b", required=False),
    Rule("x", "text", pattern="a+|b"),
    Rule("x", "text", longest=1, otherwise="clip"),
]


@pytest.mark.parametrize("rule", NUMBERS)
@pytest.mark.parametrize("value", [None, -2, -1, 0, 1, 2.5, 3])
def test_a_number_is_valid_where_the_contract_takes_it(rule, value):
    given = np.array([np.nan if value is None else value], np.float32)
    refused = [b for b in Contract([rule], 1).check({"x": given}) if b.action == "refuse"]
    assert Draft202012Validator(column(NUMBER, rule)).is_valid(value) is not bool(refused)


@pytest.mark.parametrize("rule", TEXTS)
@pytest.mark.parametrize("value", ["", "a", "b", "c", "aa", "aaaa", "ab"])
def test_a_text_is_valid_where_the_contract_takes_it(rule, value):
    given = np.array([value], dtype=object)
    refused = [b for b in Contract([rule], 1).check({"x": given}) if b.action == "refuse"]
    assert Draft202012Validator(column(TEXT, rule)).is_valid(value) is not bool(refused)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("x", "number", unit="kg"), "Unit: kg."),
        (Rule("x", "number", minimum=1, maximum=2, otherwise="clip"), "Moved to be at least 1 and"),
        (Rule("x", "number", minimum=1, otherwise="mark"), "Should be at least 1; a row with"),
        (Rule("x", "category", choices=("a",), otherwise="mark"), "Should be one of a; a row"),
        (Rule("x", "text", pattern=r"(?P<year>\d+)"), "Of the form (?P<year>"),
    ],
)
def test_what_no_keyword_says_is_said_in_words(rule, words):
    spec_of = TEXT if rule.kind in ("text", "category") else NUMBER
    made = column(spec_of, rule)
    assert words in made["description"]
    assert "pattern" not in made


def test_nothing_but_the_type_of_a_private_column_is_told():
    rule = Rule("x", "category", choices=("red",), private=True, pattern="red")
    made = column(TEXT, rule)
    assert made.keys() == {"type", "minLength", "description"}
    assert "red" not in made["description"]


@pytest.mark.parametrize(
    ("datatype", "low", "high"),
    [("INT8", -128, 127), ("UINT16", 0, 65_535), ("INT64", -(1 << 63), (1 << 63) - 1)],
)
def test_an_integer_has_the_range_of_its_type(datatype, low, high):
    made = column(spec("x", datatype, (-1,)), None)
    assert (made["minimum"], made["maximum"], made["format"]) == (low, high, datatype.lower())


def test_the_narrower_of_contract_and_type_is_told():
    made = column(spec("x", "INT8", (-1,)), Rule("x", "integer", minimum=-1000, maximum=9))
    assert (made["minimum"], made["maximum"]) == (-128, 9)


def test_a_unit_of_the_owners_words_stands_where_the_contract_has_none():
    assert column(NUMBER, Rule("x", "number"), "m")["description"] == "Unit: m."
    assert column(NUMBER, Rule("x", "number", unit="s"), "m")["description"] == "Unit: s."


def test_outputs_are_elements_in_lists():
    made = nested((2, -1), element(spec("y", "FP64", (-1,)).dtype))
    valid = Draft202012Validator(made).is_valid
    assert valid([[1.5], [None, 2]])
    assert not valid([[1.5]])
    assert not valid([[], [1]])


@pytest.mark.parametrize("schema", [{"type": "string", "enum": ["a"]}, {"anyOf": [{"const": "a"}]}])
def test_a_value_or_null(schema):
    valid = Draft202012Validator(or_null(schema)).is_valid
    assert (valid("a"), valid(None), valid("b")) == (True, True, False)
