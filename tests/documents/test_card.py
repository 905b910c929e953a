"""A card says all that is known, leaves open what nobody said, and is inert whoever wrote what."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.documents.cards import WORDS, known, statistics

from fairlead.documents.card_cyclonedx import cyclonedx
from fairlead.documents.card_facts import card_of, without_columns
from fairlead.documents.card_html import html_page, prose, sections
from fairlead.documents.card_markdown import markdown
from fairlead.documents.card_toolkit import toolkit
from fairlead.documents.card_words import KNOWN, NOT_STATED, SECTIONS
from fairlead.guards.contract import Contract, Rule

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "a | b | c\n| --- |\n# heading",
    "---\nlicense: evil\n---",
    "`code` **bold** ~~gone~~ <!-- hidden",
    "\x00\x1b[31mred\u202e",
    "https://evil.example www.evil.example @everyone",
    "- list\n1. one\n> quote\n    indented",
    "]]></style><style>*{display:none}",
    "{{7*7}} ${x} $$math$$",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
TAGS = {
    "a", "article", "b", "body", "br", "circle", "dd", "details", "div", "dl", "dt", "footer",
    "h1", "h2", "h3", "head", "header", "html", "li", "line", "main", "meta", "nav", "p", "path",
    "polygon", "polyline", "pre", "rect", "section", "span", "style", "summary", "svg", "table",
    "tbody", "td", "text", "th", "thead", "title", "tr", "ul",
}  # fmt: skip


def card(text: str = "west", **more: Any) -> dict[str, Any]:
    return card_of(known(text, **more))


def hostile(text: str) -> dict[str, Any]:
    return card(text, words=dict.fromkeys(WORDS, text))


class Looking(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.text += data


# --- the record ---------------------------------------------------------------------------


def test_the_sections_are_the_nine_of_the_paper_in_its_order():
    assert [one["title"] for one in card()["sections"]] == list(SECTIONS)


def test_every_question_stands_in_its_section_once():
    asked = [(w["key"], one["title"]) for one in card()["sections"] for w in one["words"]]
    assert sorted(asked) == sorted((word.key, word.section) for word in KNOWN)


def test_a_card_is_json():
    json.dumps(card(), allow_nan=False)


def test_what_the_owner_has_not_said_is_visibly_open_in_every_form():
    made = card(words={"purpose": "To tell colours.", "ethics": "TODO"})
    assert made["completeness"]["stated"] == ["purpose"]
    assert Looking(html_page(made)).text.count(NOT_STATED) == len(KNOWN) - 1
    assert markdown(made).count(NOT_STATED) == len(KNOWN) - 1
    assert "ethics" in {p["name"]: p["value"] for p in _properties(made)}["fairlead:not-stated"]
    assert "ethical_considerations" not in toolkit(made)["considerations"]


def test_slips_in_the_owners_words_are_named():
    assert card(words={"purpos": "x"})["slips"] == [
        "[words] purpos is no key of the card: do you mean purpose?"
    ]


def test_without_labelled_rows_performance_is_unknown_loudly_in_every_form():
    made = card(statistics={"performance": "unknown", "identity": {}})
    assert made["performance"] == "unknown"
    assert made["limitations"][0].startswith("Performance is unknown")
    assert "Unknown" in Looking(html_page(made)).text
    assert "**Performance: UNKNOWN.**" in markdown(made)
    assert {p["name"]: p["value"] for p in _properties(made)}["fairlead:performance"] == "unknown"


def test_limitations_are_written_by_measurement():
    told = "\n".join(card()["limitations"])
    for words in (
        "Accuracy is 60.0 % where region = west (100 rows), against 80.0 %",
        "raw scores are off by 8.0 %",
        "promise 90.0 % hold the truth in 80.0 %",
        "less than the four fifths",
        "With noise, accuracy goes from 80.0 % to 70.0 %",
        "age 18 to 80",
    ):
        assert words in told


def test_a_private_column_is_told_by_name_alone_in_every_form():
    rules = [Rule("region", "category", private=True, choices=("secret place",))]
    made = card(
        "secret place",
        contract=Contract(rules, 500),
        statistics=without_secret(statistics("secret place")),
    )
    forms = [json.dumps(made["measured"]), json.dumps(made["columns"])]
    assert [form for form in forms if "secret place" in form] == []
    assert made["measured"]["slices"]["worst"] is None
    assert [one["of"][0][0] for one in made["measured"]["slices"]["slices"]] == ["age", "age"]


def test_an_example_with_a_private_value_is_shown_in_no_form():
    rules = [Rule("region", "category", private=True, choices=("secret place",))]
    example = {"rows": [{"region": "secret place", "age": 30}]}
    made = card(contract=Contract(rules, 500), example=example)
    assert made["example"] is None
    forms = [json.dumps(made), html_page(made), markdown(made)]
    assert [form for form in forms if "secret place" in form] == []
    assert "client.predict" in markdown(card(example=example))


def without_secret(found: dict[str, Any]) -> dict[str, Any]:
    """Statistics in which the text stands only as a value of the column `region`."""
    keep = ("format", "performance", "task", "headline", "metrics", "slices", "risk_coverage")
    return {key: found[key] for key in keep} | {
        "evaluation": {**found["evaluation"], "target": "y"}
    }


def test_groups_of_a_private_column_are_left_out():
    assert without_columns(statistics(), {"sex"})["groups"] == []


# --- HTML ---------------------------------------------------------------------------------


def test_a_page_needs_no_script_no_style_attribute_and_nothing_from_elsewhere():
    found = Looking(html_page(card()))
    assert found.tags <= TAGS
    assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
    assert all(link.startswith("#card-") for link in found.links)
    assert "<style" not in sections(card())


@given(TEXTS)
def test_a_page_shows_any_text_and_obeys_none(text):
    found = Looking(html_page(hostile(text)))
    assert found.tags <= TAGS
    assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
    assert all(link.startswith("#card-") for link in found.links)


def test_what_the_owner_wrote_is_shown_whole_in_paragraphs():
    long = "word " * 400
    assert prose(f"{long}\n\nsecond") == f"<p>{long.strip()}</p><p>second</p>"


def test_the_charts_stand_in_their_order():
    page = html_page(card())
    places = [
        page.index(words)
        for words in (
            'class="mc-big">80.0 %',
            "Accuracy by kinds of rows",
            "<h3>Reliability",
            "<h3>Errors among the surest",
            "<h3>Strangeness",
            "<h3>Latency",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("task", ["regression", "nothing measured", "no slices"])
def test_every_form_is_made_of_whatever_there_is(task):
    found = statistics()
    if task == "regression":
        for name in ("confusion", "reliability", "risk_coverage", "sets"):
            del found[name]
        found |= {"task": "regression", "headline": "mean_absolute_error"}
        found["metrics"] = [found["metrics"][0] | {"name": "mean_absolute_error"}]
        found["baseline"] = {"name": "mean_absolute_error", "value": 2.0}
        found["intervals"] = [
            {"promised": 0.9, "reached": 0.9, "low": 0.8, "high": 1.0, "n": 300, "mean_width": None}
        ]
    elif task == "nothing measured":
        found = {}
    else:
        found |= {"slices": None, "novelty": None, "robustness": []}
    made = card(statistics=found, live=None, example={}, measured={}, contract=None)
    assert Looking(html_page(made)).tags <= TAGS
    assert markdown(made).startswith("---\n")
    assert _invalid(cyclonedx(made)) is None
    toolkit(made)


# --- Markdown -----------------------------------------------------------------------------


def test_the_front_matter_is_what_hubs_read():
    made = card(words={**WORDS, "licence": "Apache-2.0"})
    told = yaml.safe_load(markdown(made).split("---\n")[1])
    assert told["license"] == "apache-2.0"
    (index,) = told["model-index"]
    (result,) = index["results"]
    assert result["task"]["type"] == "tabular-classification"
    assert result["dataset"] == {
        "name": "evaluation rows of the owner",
        "type": "private",
        "revision": "ab" * 32,
    }
    assert {m["type"]: m["value"] for m in result["metrics"]} == {"accuracy": 0.8, "auc": 0.9}


def test_a_licence_that_hubs_do_not_know_is_named():
    told = yaml.safe_load(markdown(card(words={"licence": "Ours, 1.0"})).split("---\n")[1])
    assert (told["license"], told["license_name"]) == ("other", "Ours, 1.0")
    none = yaml.safe_load(markdown(card(words={})).split("---\n")[1])
    assert "license" not in none


@given(TEXTS)
def test_markdown_shows_any_text_and_obeys_none(text):
    whole = markdown(hostile(text))
    head, body = whole.split("\n---\n", 1)
    told = yaml.safe_load(head.removeprefix("---\n"))
    assert set(told) <= {"license", "license_name", "library_name", "tags", "model-index"}
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(body)
    kinds = [t.type for token in tokens for t in (token, *(token.children or []))]
    forbidden = {
        "html_block", "html_inline", "link_open", "image", "code_inline", "code_block",
        "ordered_list_open", "blockquote_open", "hr", "s_open",
    }  # fmt: skip
    assert not forbidden & {*kinds}
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert [h for h in headings if h in SECTIONS] == list(SECTIONS)
    fences = [token for token in tokens if token.type == "fence"]
    assert len(headings) == len(SECTIONS) + 8 + len(fences)
    for fence in fences:  # what is to be run is what we wrote, around one literal
        assert fence.content.count("\n") == 4
        assert fence.content.startswith("import fairlead\n\nwith fairlead.Client(")
        assert _calls(fence.content) == ["fairlead.Client", "print", "client.predict"]


def _calls(code: str) -> list[str]:
    return [ast.unparse(n.func) for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)]


def test_a_table_keeps_its_columns_whatever_stands_in_it():
    body = markdown(hostile("a | b\n| c |")).split("\n---\n", 1)[1]
    for row in re.findall(r"^\|.*\|$", body, re.M):
        assert row.count(" | ") >= 1
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(body)
    widths: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            widths.append(0)
        widths[-1:] = [widths[-1] + 1] if token.type in ("td_open", "th_open") else widths[-1:]
    assert {*widths} <= {2, 3, 4, 5, 6}


# --- CycloneDX and the toolkit ------------------------------------------------------------


def _properties(made: dict[str, Any]) -> list[dict[str, str]]:
    return cyclonedx(made)["metadata"]["component"]["modelCard"]["properties"]


def _invalid(document: dict[str, Any]) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_the_bill_of_materials_is_valid_cyclonedx_and_holds_the_card():
    made = cyclonedx(card(words={**WORDS, "licence": "MIT"}))
    assert _invalid(made) is None
    model = made["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["licenses"] == [{"license": {"id": "MIT"}}]
    first = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]
    assert first == {
        "type": "accuracy",
        "value": "0.8",
        "confidenceInterval": {"lowerBound": "0.75", "upperBound": "0.85"},
    }
    considered = model["modelCard"]["considerations"]
    assert considered["users"] == ["What is said of users."]
    assert considered["fairnessAssessments"][0]["groupAtRisk"] == "sex: west"


def test_the_same_card_has_the_same_bill_of_materials():
    assert cyclonedx(card()) == cyclonedx(card())


@given(TEXTS)
def test_the_bill_of_materials_is_valid_whatever_was_written(text):
    assert _invalid(cyclonedx(hostile(text))) is None


@given(TEXTS)
def test_the_toolkits_form_has_its_types_whatever_was_written(text):
    made = toolkit(hostile(text))
    assert made["schema_version"] == "0.0.2"
    for one in made["quantitative_analysis"]["performance_metrics"]:
        assert {type(value) for key, value in one.items() if key != "confidence_interval"} == {str}
    for kind in ("users", "use_cases", "limitations", "tradeoffs"):
        for one in made["considerations"].get(kind, ()):
            assert list(one) == ["description"]
    for one in made["model_details"].get("references", ()):
        assert one["reference"].startswith(("http://", "https://"))
