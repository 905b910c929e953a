"""A fresh model.toml is valid as it is, and with each of its examples uncommented."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.package import Limits
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import DTYPES
from fairlead.packages.read import read_words
from fairlead.packing.words import first_words

NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True)


def words(columns: list[str], classes: list[str]) -> str:
    shape = (-1, len(columns)) if len(columns) > 1 else (-1,)
    x = TensorSpec("x", DTYPES["FP32"], shape, columns=tuple(columns))
    label = TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=tuple(classes))
    return first_words("m", Signature((x,), (label,)))


def test_it_is_served_as_it_is_with_the_standard_limits():
    found, limits = read_words(words(["a", "b"], ["yes", "no"]).encode(), "here")
    assert limits == Limits()
    assert found["words"] == {"purpose": "", "licence": "", "contact": ""}


@given(NAMES, NAMES)
def test_its_examples_are_valid_whatever_columns_and_labels_are_called(columns, classes):
    text = words(columns, classes)
    lines = text.split("\n")[1:]
    told = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert list(told["labels"]) == classes[:3]
    assert list(told["units"]) == columns[:3]
    assert told["limits"] == {"max_rows": 10_000, "max_batch": 256, "time_budget_s": 30}
    read_words("\n".join(line.removeprefix("# ") for line in lines).encode(), "here")
    assert tomllib.loads(text)["limits"] == {}
