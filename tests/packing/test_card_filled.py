"""How much of a card is filled in without a word of the owner, and with all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from sklearn.linear_model import LogisticRegression
from tests.documents.toolkit_schema import TOOLKIT_0_0_2

import fairlead
from fairlead.documents.card_facts import card_of
from fairlead.documents.card_markdown import markdown
from fairlead.documents.card_toolkit import toolkit
from fairlead.documents.card_words import KNOWN, NOT_STATED
from fairlead.packing.amend import amend
from fairlead.packing.card import known_card

Card = dict[str, Any]

WORDS = {word.key: f"What is said of {word.key}." for word in KNOWN}
WORDS |= {"licence": "Apache-2.0", "references": "https://example.org/m"}


def packed(folder: Path) -> Any:
    random = np.random.default_rng(7)
    x = random.normal(size=(900, 2))
    place = random.choice(["north", "south"], 900).astype(object)
    y = np.where(x[:, 0] + (place == "north") + random.normal(size=900) > 0, "yes", "no")
    model = LogisticRegression().fit(x[:500], y[:500])
    rows = {"a": x[:, 0], "b": x[:, 1]}
    return fairlead.pack(
        model,
        name="m",
        repository=folder,
        reference={name: values[:500] for name, values in rows.items()},
        evaluation=({n: v[500:] for n, v in rows.items()} | {"place": place[500:]}, y[500:]),
    )


@pytest.fixture(scope="module")
def untold(tmp_path_factory) -> Card:
    """The card of a model whose owner has typed nothing."""
    return card_of(known_card(packed(tmp_path_factory.mktemp("models"))))


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Card:
    """The card of one whose owner has answered every question."""
    folder = tmp_path_factory.mktemp("models")
    packed(folder)
    file = folder.parent / "told.toml"
    lines = [f'{key} = "{text}"' for key, text in WORDS.items()]
    file.write_text("\n".join(["[words]", *lines, "[card]", 'groups = ["place"]', ""]))
    return card_of(known_card(amend(folder, "m", file)))


def fact(card: Card, title: str, name: str) -> str:
    facts = next(one["facts"] for one in card["sections"] if one["title"] == title)
    return next((one["value"] for one in facts if one["name"] == name), "")


MEASURABLE = {
    "model date": lambda c: fact(c, "Model details", "Packed"),
    "model version": lambda c: fact(c, "Model details", "Version"),
    "model type": lambda c: fact(c, "Model details", "Kind of model"),
    "parameters": lambda c: fact(c, "Model details", "Parameters"),
    "features": lambda c: fact(c, "Intended use", "Takes") and c["columns"],
    "evaluation factors": lambda c: fact(c, "Factors", "Compared by"),
    "performance measures": lambda c: fact(c, "Metrics", "Accuracy"),
    "decision thresholds": lambda c: fact(c, "Metrics", "Goal"),
    "approaches to uncertainty and variability": lambda c: all(
        one["low"] <= one["value"] <= one["high"] and one["interval"]
        for one in c["measured"]["metrics"]
    ),
    "evaluation data": lambda c: (
        fact(c, "Evaluation data", "Evaluation rows")
        and fact(c, "Evaluation data", "SHA-256 of the rows")
    ),
    "distribution of training data": lambda c: (
        fact(c, "Training data", "Reference rows")
        and all(one["minimum"] is not None for one in c["columns"])
    ),
    "unitary results": lambda c: c["measured"]["slices"]["slices"],
    "intersectional results": lambda c: c["measured"]["slices"]["pairs"],
    "caveats": lambda c: c["limitations"],
}
"""What of the paper's list (Mitchell et al. 2019, figure 1) can be measured, and where it is."""


def test_nine_of_ten_measurable_items_of_the_paper_are_filled_without_a_word(untold):
    assert untold["completeness"]["stated"] == []
    empty = [item for item, filled in MEASURABLE.items() if not filled(untold)]
    # A threshold is a goal, and the owner has set none.
    assert empty == ["decision thresholds"]
    assert 1 - len(empty) / len(MEASURABLE) >= 0.9


# --- the rubric ---------------------------------------------------------------------------


def body(text: str, *headings: str) -> str:
    """What stands below a heading, up to the next one; "" where nobody has said anything."""
    pattern = rf"^#+ (?:{'|'.join(headings)})$\n(.*?)(?=^#|\Z)"
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    written = found[1] if found else ""
    answer = [line for line in written.splitlines() if line and not re.match(r"\*\*.*\*\*$", line)]
    return "" if answer[:1] == [f"*{NOT_STATED}*"] else "\n".join(answer)


def front(text: str) -> Card:
    return yaml.safe_load(text.split("---\n")[1])


def results(text: str) -> Card:
    return front(text)["model-index"][0]["results"][0]


RUBRIC = {
    "there is a card": lambda t: len(t) > 1000,
    "its front matter can be read": front,
    "intended use": lambda t: body(t, "Intended use"),
    "users": lambda t: "users" in body(t, "Intended use"),
    "out of scope": lambda t: body(t, "Out-of-scope use"),
    "limitations": lambda t: body(t, "Limitations"),
    "limitations by measurement": lambda t: "- " in body(t, "Limitations"),
    "bias and risks": lambda t: body(t, "Bias, risks and limitations"),
    "groups are compared": lambda t: body(t, "Groups by place"),
    "how to get started": lambda t: "client.predict" in body(t, "How to get started"),
    "the library": lambda t: front(t)["library_name"] == "scikit-learn",
    "training data": lambda t: body(t, "Training data"),
    "right to the data": lambda t: "consent" in body(t, "Training data"),
    "evaluation data": lambda t: body(t, "Evaluation data"),
    "metrics": lambda t: "Accuracy" in body(t, "Metrics"),
    "results that programs read": lambda t: len(results(t)["metrics"]) >= 3,
    "the data of the results": lambda t: results(t)["dataset"]["revision"],
    "licence": lambda t: front(t)["license"] == "apache-2.0",
    "contact": lambda t: "What is said of contact" in body(t, "Model details"),
    "citation": lambda t: "What is said of citation" in body(t, "Model details"),
}
"""Twenty points in the manner of public rubrics: a section counts when something is said in it."""


def test_a_card_whose_owner_has_answered_gets_twenty_of_twenty(told):
    text = markdown(told)
    assert len(RUBRIC) == 20
    assert [point for point, given in RUBRIC.items() if not given(text)] == []


@pytest.mark.parametrize("section", ["Intended use", "Out-of-scope use", "Training data"])
def test_what_nobody_has_said_earns_no_point(untold, section):
    assert body(markdown(untold), section) == ""


# --- the toolkit --------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["told", "untold"])
def test_the_toolkits_form_is_a_card_of_its_schema(which, request):
    made = toolkit(request.getfixturevalue(which))
    checker = Draft7Validator(TOOLKIT_0_0_2, format_checker=FormatChecker())
    assert [error.message for error in checker.iter_errors(made)] == []


def test_the_schema_refuses_what_the_toolkit_does_not_read(told):
    made = toolkit(told)
    made["quantitative_analysis"]["performance_metrics"][0]["value"] = 0.5
    made["considerations"]["risks"] = []
    checker = Draft7Validator(TOOLKIT_0_0_2, format_checker=FormatChecker())
    assert len(list(checker.iter_errors(made))) == 2
