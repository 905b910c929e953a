"""A fresh model.toml is valid as it is, and with each of its examples uncommented."""

from __future__ import annotations

import tomllib
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.datatypes import DTYPES
from fairlead.core.package import GuardChoice, Limits
from fairlead.core.signature import Signature, TensorSpec
from fairlead.documents.card_words import KNOWN
from fairlead.packages.expect import KEYS
from fairlead.packages.read import guards_of, read_words
from fairlead.packages.rollout import KEYS as ROLLOUT
from fairlead.packing.words import first_words, slips_of

NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True)


def words(columns: list[str], classes: list[str], **chosen: object) -> str:
    shape = (-1, len(columns)) if len(columns) > 1 else (-1,)
    x = TensorSpec("x", DTYPES["FP32"], shape, columns=tuple(columns))
    label = TensorSpec("label", DTYPES["BYTES"], (-1,), role="label", classes=tuple(classes))
    return first_words("m", Signature((x,), (label,)), chosen)


def test_it_is_served_as_it_is_with_the_standard_limits():
    found, limits = read_words(words(["a", "b"], ["yes", "no"]).encode(), "here")
    assert limits == Limits()
    assert found["words"] == {word.key: "" for word in KNOWN}


def test_what_each_of_the_words_is_for_stands_beside_it():
    text = words(["a"], ["yes"])
    assert [w.key for w in KNOWN if f'{w.key} = ""' not in text or w.question not in text] == []


def test_a_slip_in_the_words_is_named():
    assert slips_of('[words]\npurpos = "x"\n') == [
        "[words] purpos is no key of the card: do you mean purpose?"
    ]
    assert slips_of("") == []


@given(NAMES, NAMES)
def test_its_examples_are_valid_whatever_columns_and_labels_are_called(columns, classes):
    text = words(columns, classes)
    lines = text.split("\n")[1:]
    told = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert list(told["labels"]) == classes[:3]
    assert list(told["units"]) == columns[:3]
    numbers = {"max_rows": 10_000, "max_batch": 256, "time_budget_s": 30, "max_body_mib": 128}
    numbers |= {"threads": 2}
    assert told["limits"] == numbers | {"usage": ["rows=100000/minute"]}
    assert list(told["payloads"]["fields"]) == (columns[:2] or ["column"])
    assert tuple(told["expect"]) == KEYS
    assert tuple(told["rollout"]) == ROLLOUT
    read_words("\n".join(line.removeprefix("# ") for line in lines).encode(), "here")
    assert tomllib.loads(text)["limits"] == {}


def test_what_the_owner_chose_of_the_guards_stands_there_and_nothing_else_does():
    chosen = {"novelty": "warn", "false_alarm_rate": 1e-05, "error_goal": 0.02, "assurance": 0.9}
    found, _ = read_words(words(["a"], ["yes"], **chosen).encode(), "here")
    assert found["guards"] == chosen
    assert guards_of(found, "here") == GuardChoice(**chosen)
    assert read_words(words(["a"], ["yes"]).encode(), "here")[0]["guards"] == {}


def test_every_key_of_the_guards_has_its_line():
    text = words(["a"], ["yes"])
    assert [k for k in asdict(GuardChoice()) if f"# {k} = " not in text] == []
