"""What the owner has said of a model, and what is missing, is counted and never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.house.source import ROOT

from fairlead.documents.card_words import KNOWN, SECTIONS, completeness, misspelt, said, slips

KEYS = [word.key for word in KNOWN]


def test_nothing_said_is_nothing_complete():
    assert completeness({}) == {"score": 0.0, "stated": [], "missing": KEYS}


def test_everything_said_is_complete():
    found = completeness(dict.fromkeys(KEYS, "yes"))
    assert found == {"score": 1.0, "stated": KEYS, "missing": []}


@given(st.sets(st.sampled_from(KEYS)))
def test_every_key_is_either_stated_or_missing_and_the_score_is_their_share(given_keys):
    found = completeness(dict.fromkeys(given_keys, "said"))
    assert sorted(found["stated"] + found["missing"]) == sorted(KEYS)
    assert set(found["stated"]) == given_keys
    assert found["score"] == pytest.approx(len(given_keys) / len(KEYS), abs=1e-4)


@pytest.mark.parametrize(
    "value",
    ["", "  ", "TODO", "todo.", "TODO: ask Ann", "TBD", "...", "?", "-", [], ["", "TODO"], None],
)
def test_an_empty_text_and_a_reminder_count_as_not_said(value):
    assert said(value) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" For iris. ", "For iris."),
        (["Ann", "TODO", "Ben"], "Ann\nBen"),
        ({"title": "T"}, "title: T"),
        ("Things to do: none", "Things to do: none"),
        (3, "3"),
    ],
)
def test_what_was_said_is_kept_as_it_was_said(value, text):
    assert said(value) == text


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("purpos", "purpose"),
        ("license", "licence"),
        ("out-of-scope", "out_of_scope"),
        ("Training_Data", "training_data"),
        ("owner", "owners"),
        ("limitation", "limitations"),
    ],
)
def test_a_key_that_looks_like_a_known_one_is_named_with_it(key, meant):
    assert misspelt({key: "x"}) == {key: meant}
    assert slips({key: "x"}) == [f"[words] {key} is no key of the card: do you mean {meant}?"]


def test_free_keys_and_known_ones_are_no_slips():
    assert misspelt(dict.fromkeys([*KEYS, "motto", "team", "x"], "y")) == {}


def test_a_key_that_is_given_rightly_too_is_not_suggested_again():
    assert misspelt({"licence": "MIT", "license": "MIT"}) == {}


def test_the_sections_are_the_nine_of_the_paper_and_every_question_has_one():
    assert len(SECTIONS) == 9
    assert {word.section for word in KNOWN} <= set(SECTIONS)


def test_the_reference_lists_every_key_with_its_question():
    page = (ROOT / "docs/reference/package.md").read_text(encoding="utf-8")
    assert [w.key for w in KNOWN if f"| `{w.key}` | {w.question} | {w.section} |" not in page] == []
