"""The form of a model: what the signature, the contract and the owner say of each value."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.contract import Rule
from fairlead.pages.controls import MOST_CONTROLS, controls, values_of

TABLE = TensorSpec("x", DTYPES["FP32"], (-1, 2), columns=("age", "income"), missing=True)
PLAN = TensorSpec("plan", DTYPES["BYTES"], (-1, 1))
VALUE = TensorSpec("value", DTYPES["FP32"], (-1, 1), role="value")
RULES = {
    "age": Rule("age", "number", minimum=18.0, maximum=99.0, seen={"minimum": 19, "maximum": 87}),
    "plan": Rule(
        "plan", "category", choices=("basic", "plus"), seen={"shares": {"plus": 0.7, "basic": 0.3}}
    ),
}
ROW = {"age": 40.5, "income": None, "plan": "plus"}


def served(*inputs: TensorSpec, rules: Any = RULES, units: Any = (), guards: bool = True) -> Any:
    """What the form is made of, and nothing else of a served version."""
    package = SimpleNamespace(
        signature=Signature(inputs or (TABLE, PLAN), (VALUE,)), words={"units": dict(units)}
    )
    guarding = SimpleNamespace(rules=rules) if guards else None
    return SimpleNamespace(package=package, preparing=None, guarding=guarding)


def form(*inputs: TensorSpec, example: Any = ROW, whole: bool = False, given=None, **more: Any):
    return {c.name: c for c in controls(served(*inputs, **more), example, given, whole=whole)}


def test_a_form_has_a_control_for_each_value_of_a_row_in_order():
    assert list(form()) == ["age", "income", "plan"]


def test_the_example_stands_in_the_form_until_something_else_was_entered():
    assert [c.value for c in form().values()] == ["40.5", "", "plus"]
    entered = form(given={"age": "41", "plan": "basic"})
    assert [c.value for c in entered.values()] == ["41", "", "basic"]


def test_what_the_contract_refuses_bounds_the_control():
    age = form()["age"]
    assert (age.kind, age.least, age.most) == ("number", "18", "99")
    marked = {"age": Rule("age", "number", maximum=99.0, otherwise="mark")}
    assert form(rules=marked)["age"].most == ""


def test_a_category_is_chosen_among_its_choices():
    plan = form()["plan"]
    assert (plan.kind, plan.choices, plan.value) == ("choice", ("basic", "plus"), "plus")
    odd = form(example={"plan": "gold"})["plan"]
    assert odd.choices == ("basic", "plus", "gold")


def test_what_training_rows_held_is_told_to_those_who_may_see_it_alone():
    assert "19 to 87" not in form()["age"].hint
    assert "at least 18 and at most 99" in form()["age"].hint
    assert "19 to 87 in training" in form(whole=True)["age"].hint
    assert form()["plan"].hint == ""
    assert "plus in 70%" in form(whole=True)["plan"].hint


def test_of_a_private_column_nothing_is_told():
    hidden = {"age": Rule("age", "number", private=True, minimum=1.0, seen={"minimum": 19})}
    age = form(rules=hidden, whole=True)["age"]
    assert (age.least, age.hint) == ("", "private: what is allowed is not told")


def test_a_value_may_be_left_empty_where_the_model_takes_none_and_no_rule_asks_for_it():
    found = form()
    assert not found["age"].optional
    assert found["income"].optional
    assert form(guards=False)["age"].optional


def test_the_unit_is_the_contracts_or_else_the_owners():
    rules = {"age": Rule("age", "number", unit="years")}
    found = form(rules=rules, units={"age": "months", "income": "EUR"})
    assert (found["age"].unit, found["income"].unit) == ("years", "EUR")


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("FP64", "number"), ("INT32", "integer"), ("BOOL", "truth"), ("BYTES", "text")],
)
def test_the_datatype_says_how_a_value_is_entered(dtype, kind):
    spec = TensorSpec("a", DTYPES[dtype], (-1, 1))
    assert form(spec, guards=False, example={})["a"].kind == kind


def test_what_is_no_single_value_is_entered_as_json():
    spec = TensorSpec("grid", DTYPES["FP32"], (-1, 2, 2))
    found = form(spec, guards=False, example={"grid": [[1, 2], [3, 4]]})["grid"]
    assert (found.kind, found.value) == ("json", "[[1, 2], [3, 4]]")


def test_a_model_of_whole_tensors_has_no_form():
    assert form(TensorSpec("x", DTYPES["FP32"], (2, 3))) == {}


def test_of_a_row_with_many_values_the_first_have_controls():
    names = tuple(f"c{n}" for n in range(MOST_CONTROLS + 1))
    wide = served(TensorSpec("x", DTYPES["FP32"], (-1, len(names)), columns=names))
    assert [c.name for c in controls(wide, {})] == list(names[:-1])
    assert values_of(wide) == len(names)
