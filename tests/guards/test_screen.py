"""A screen lets pass what keeps the contract, and nothing that breaks it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec
from fairlead.guards.contract import Contract, Rule
from fairlead.guards.screen import screens

NUMBERS = ["FP64", "FP32", "FP16", "INT64", "INT8", "UINT64", "UINT8", "BOOL"]
_BESIDE = [0.0, 1e-9, 1.0]


def signature(kind, *shapes):
    inputs = tuple(TensorSpec(f"in{i}", DTYPES[kind], shape) for i, shape in enumerate(shapes))
    return Signature(inputs, (TensorSpec("out", DTYPES["FP32"], (-1,)),))


def table(random, kind, count, width):
    dtype = DTYPES[kind].numpy
    if dtype.kind == "b":
        return random.random((count, width)) < 0.5
    if dtype.kind == "f":
        values = random.normal(size=(count, width)).astype(dtype)
        values[random.random((count, width)) < 0.02] = np.nan
        values[random.random((count, width)) < 0.01] = np.inf
        return values
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, (count, width), dtype=dtype, endpoint=True)


def rules(random, columns, values, sizes):
    """Bounds that lie at, beside or far from values of the table."""
    found = []
    for i, column in enumerate(columns):
        seen = float(np.nan_to_num(values[random.integers(len(values)), i], posinf=2.0))
        low, high = (float(seen * random.choice(sizes) + random.choice(_BESIDE)) for _ in "lh")
        bounds = {"minimum": min(low, high), "maximum": max(low, high)}
        kept = {name: bound for name, bound in bounds.items() if random.random() < 0.3}
        required = bool(random.random() < 0.5)
        found.append(Rule(column.name, "number", required=required, **kept))
    return found


@given(st.integers(0, 10**6), st.sampled_from(NUMBERS), st.integers(1, 6), st.integers(2, 9))
def test_what_passes_keeps_the_contract_and_what_keeps_it_passes(seed, kind, count, width):
    random = np.random.default_rng(seed)
    made = signature(kind, (-1, width))
    values = table(random, kind, count, width)
    contract = Contract(rules(random, made.columns, values, [0.0, 1.0, 1.0, 2.0]), 0)
    (screen,) = screens(contract, made)
    columns = {c.name: values[:, c.position] for c in made.columns}
    bounds = [abs(b) for r in contract.rules for b in (r.minimum, r.maximum) if b is not None]
    with np.errstate(over="ignore"):  # a bound that half precision cannot hold
        kept = contract.check(columns) == []
        passed = screen.passes(values)
    assert kept or not passed
    # Beyond 2^53 integers and floats are not the same numbers: the contract is asked.
    assert passed or not kept or max(bounds, default=0.0) >= 2.0**53


@pytest.mark.parametrize("value", [2**53 + 1, 2**60 + 1])
def test_an_integer_just_beyond_a_bound_that_floats_cannot_tell_does_not_pass(value):
    made = signature("INT64", (-1, 1))
    contract = Contract([Rule(made.columns[0].name, "integer", maximum=value - 1)], 0)
    (screen,) = screens(contract, made)
    assert not screen.passes(np.array([[value]]))


def test_each_input_has_the_rules_of_its_own_columns():
    made = signature("FP32", (-1, 2), (-1,), (-1, 1))
    names = [c.name for c in made.columns]
    contract = Contract([Rule(names[2], "number", maximum=1.0), Rule(names[1], "number")], 0)
    first, second, third = screens(contract, made)
    gone = np.array([[np.nan, 0.0]], np.float32)
    assert first.passes(gone), "its first column has no rule"
    assert not first.passes(gone[:, ::-1].copy())
    assert second.passes(np.float32([0.5]))
    assert not second.passes(np.float32([1.5]))
    assert third.passes(np.float32([[np.nan]]))


def test_texts_with_a_rule_are_always_asked_of_the_contract():
    made = signature("BYTES", (-1,), (-1,))
    name = made.columns[0].name
    first, second = screens(Contract([Rule(name, "text", required=False)], 0), made)
    assert not first.passes(np.array(["a"], dtype=object))
    assert second.passes(np.array(["a"], dtype=object))
