"""Contracts: few rules learnt, any rule edited, every breach named with row and column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.contract import Contract, ContractInvalid, learn_contract


def columns(**given):
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else float)
        for name, values in given.items()
    }


TRAIN = columns(
    age=[20, 30, 40, 50] * 10,
    income=[1.5, 2.5, float("nan"), 4.5] * 10,
    city=["oslo", "rome", "oslo", "bonn"] * 10,
    note=[f"a note of its own, number {i}" for i in range(40)],
)


def test_what_is_learnt_are_kinds_and_few_rules():
    contract = learn_contract(TRAIN)
    kinds = {rule.name: rule.kind for rule in contract.rules}
    assert kinds == {"age": "integer", "income": "number", "city": "category", "note": "text"}
    assert {r.name for r in contract.rules if r.required} == {"age", "city", "note"}
    assert contract.rules[2].choices == ("bonn", "oslo", "rome")
    assert all(r.minimum is None and r.maximum is None for r in contract.rules)
    assert contract.rules[0].seen["maximum"] == 50


@pytest.mark.parametrize("number", [7.69, 28.11, -0.1])
def test_what_was_cut_to_single_precision_is_written_as_it_was_given(number):
    rows = {"a": np.linspace(number, number + 1, 50).astype(np.float32).astype(np.float64)}
    assert learn_contract(rows).rules[0].seen["minimum"] == number


@pytest.mark.parametrize("number", [np.pi, 123456792.0, 1e300])
def test_every_other_number_is_written_as_it_is(number):
    assert learn_contract({"a": np.full(20, number)}).rules[0].seen["maximum"] == number


def test_training_rows_keep_their_own_contract():
    assert learn_contract(TRAIN).check({k: v.copy() for k, v in TRAIN.items()}) == []


def edited(**rules):
    """The learnt contract with lines added below columns."""
    text = learn_contract(TRAIN).to_toml()
    for name, lines in rules.items():
        text = text.replace(f'[columns."{name}"]\n', f'[columns."{name}"]\n{lines}\n')
    return Contract.from_toml(text)


def row(**given):
    return columns(**({"age": [30], "income": [1.0], "city": ["oslo"], "note": ["x"]} | given))


@pytest.mark.parametrize(
    ("rules", "given", "action", "words"),
    [
        ({}, {"age": [float("nan")]}, "refuse", "age is missing"),
        ({}, {"city": [""]}, "refuse", "city is missing"),
        ({}, {"city": ["atlantis"]}, "refuse", "city = 'atlantis' is none of: bonn, oslo, rome"),
        ({"age": "maximum = 90"}, {"age": [430]}, "refuse", "age = 430 is above the maximum 90"),
        ({"age": "minimum = 18\nunit = 'years'"}, {"age": [3]}, "refuse",
         "age = 3 is below the minimum 18 years"),
        ({"note": "longest = 3"}, {"note": ["long"]}, "refuse",
         "note has 4 characters; 3 are the most"),
        ({"note": "pattern = '[a-z]+'"}, {"note": ["A1"]}, "refuse",
         "note is not of the form [a-z]+"),
    ],
)  # fmt: skip
def test_a_breach_names_the_value_and_the_rule(rules, given, action, words):
    (breach,) = edited(**rules).check(row(**given))
    assert (breach.row, breach.action, breach.words) == (0, action, words)


def test_a_value_is_clipped_only_where_the_owner_said_so_and_is_reported():
    text = learn_contract(TRAIN).to_toml()
    text = text.replace('otherwise = "refuse"', 'otherwise = "clip"\nmaximum = 90', 1)
    contract = Contract.from_toml(text)
    given = row(age=[430])
    (breach,) = contract.check(given)
    assert breach.action == "clip"
    assert given["age"].tolist() == [90]
    assert [b.action for b in contract.check(row(age=[float("nan")]))] == ["refuse"]


def test_a_contract_is_the_same_after_it_was_written_and_read():
    text = learn_contract(TRAIN).to_toml()
    assert Contract.from_toml(text).to_toml() == text


@given(
    st.lists(
        st.text(min_size=1, max_size=12).filter(lambda t: t < "\x7f"),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_any_column_name_and_category_survives_the_file(names):
    table = {n: np.array([names[0], names[-1]] * 5, dtype=object) for n in names}
    contract = learn_contract(table)
    again = Contract.from_toml(contract.to_toml())
    assert [r.name for r in again.rules] == names
    assert again.check(table) == contract.check(table)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = 2", "format must be 1"),
        ("format = 1\nfoo = 1", "foo is not known at the top"),
        ("format = 1\n[columns.a]\nkind = 'colour'", "columns.a.kind must be one of"),
        ("format = 1\n[columns.a]\nmin = 1", "columns.a: min is not known"),
        ("format = 1\n[columns.a]\nminimum = 'x'", "columns.a.minimum has a value of the wrong"),
        ("format = 1\n[columns.a]\nrequired = 1", "columns.a.required has a value of the wrong"),
        ("format = 1\n[columns.a]\nminimum = true", "columns.a.minimum has a value of the wrong"),
        ("format = 1\n[columns.a]\nminimum = 2\nmaximum = 1", "minimum is above maximum"),
        ("format = 1\n[columns.a]\nchoices = ['x']", "are for categories and texts"),
        ("format = 1\n[columns.a]\nkind='text'\npattern = '('", "is no regular expression"),
        ("format = 1\n[columns.a]\notherwise = 'drop'", "otherwise must be one of"),
        ("format = ", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_contract_that_makes_no_sense_is_refused_with_its_place(text, says):
    with pytest.raises(ContractInvalid, match=says):
        Contract.from_toml(text)


values = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(
    st.lists(st.one_of(values, st.just(float("nan"))), min_size=1, max_size=30),
    st.lists(st.sampled_from(["", "a", "b", "long text"]), min_size=1, max_size=30),
)
def test_any_table_keeps_the_contract_learnt_from_it_also_after_the_file(numbers, texts):
    count = min(len(numbers), len(texts))
    table = {
        "n": np.array(numbers[:count]),
        "t": np.array(texts[:count], dtype=object),
    }
    contract = learn_contract(table)
    assert contract.check(table) == []
    assert Contract.from_toml(contract.to_toml()).check(table) == []


@given(
    st.lists(values, min_size=1, max_size=30),
    values,
    values,
    st.sampled_from(["refuse", "mark", "clip"]),
)
def test_every_value_outside_the_owners_range_is_reported_and_no_other(given_, one, other, what):
    low, high = min(one, other), max(one, other)
    text = f"format = 1\n[columns.n]\nminimum = {low!r}\nmaximum = {high!r}\notherwise = {what!r}"
    contract = Contract.from_toml(text)
    table = {"n": np.array(given_)}
    breaches = contract.check(table)
    outside = [i for i, v in enumerate(given_) if not low <= v <= high]
    assert [breach.row for breach in breaches] == outside
    assert {breach.action for breach in breaches} <= {what}
    if what == "clip":
        assert table["n"].tolist() == [min(max(v, low), high) for v in given_]
        assert contract.check(table) == []
    else:
        assert table["n"].tolist() == given_


def test_a_private_column_breaks_the_contract_without_a_value_or_a_limit():
    text = """
format = 1
[columns.salary]
private = true
minimum = 20000.5
maximum = 90909.5
[columns.clinic]
kind = "category"
private = true
choices = ["north", "south"]
[columns.note]
kind = "text"
private = true
longest = 3
otherwise = "mark"
"""
    contract = Contract.from_toml(text)
    breaches = contract.check(
        {
            "salary": np.array([31337.25e3, np.nan]),
            "clinic": np.array(["west", "north"], dtype=object),
            "note": np.array(["secret", "ok"], dtype=object),
        }
    )
    assert [(b.row, b.column, b.words) for b in breaches] == [
        (0, "salary", "salary is not what the contract allows"),
        (0, "clinic", "clinic is not what the contract allows"),
        (0, "note", "note is not what the contract allows"),
        (1, "salary", "salary is missing"),
    ]
    again = Contract.from_toml(contract.to_toml())
    assert [rule.private for rule in again.rules] == [True, True, True]
    assert "private" not in learn_contract({"a": np.arange(20.0)}).to_toml()


def test_a_contract_of_aggregates_tells_what_ten_rows_stand_behind_and_refuses_no_rare_category():
    random = np.random.default_rng(0)
    numbers = np.append(random.normal(size=499), 1e6)
    few = np.array(["a"] * 300 + ["b"] * 191 + ["hapax"] * 9, dtype=object)
    many = np.array(["a"] * 300 + ["b"] * 200, dtype=object)
    contract = learn_contract({"n": numbers, "few": few, "many": many}, aggregates=True)
    seen = {rule.name: rule.seen for rule in contract.rules}
    assert seen["n"]["maximum"] < 3.0
    assert not np.isin([seen["n"]["minimum"], seen["n"]["maximum"]], numbers).any()
    assert set(seen["few"]["shares"]) == {"a", "b"}
    choices = {rule.name: rule.choices for rule in contract.rules}
    assert choices == {"n": (), "few": (), "many": ("a", "b")}
    assert "hapax" not in contract.to_toml()
    Contract.from_toml(contract.to_toml())
    alone = {"n": np.array([1.5] * 5 + [np.nan] * 95), "t": np.array(["xyz"] * 5, dtype=object)}
    (rule, text) = learn_contract(alone, aggregates=True).rules
    assert set(rule.seen) == {"missing"}
    assert "longest" not in text.seen
