"""The report on drift: a page that needs and does nothing, and text that says the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.documents.parts import HOSTILE, known, tally

from fairlead.documents.drift_facts import Known, drift_facts
from fairlead.documents.drift_report import MOST_CARDS, html_page, json_text, text, verdict
from fairlead.guards import learn_drift
from fairlead.usage.outcomes import NUMBERS

VOID = {"meta", "br"}


class Parsed(HTMLParser):
    """The elements of a page; fails where one is not closed as it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture(scope="module")
def facts():
    return drift_facts(known(accuracy=tally().facts()))


@pytest.fixture(scope="module")
def parsed(facts):
    return Parsed(html_page(facts))


def test_a_page_runs_nothing_and_asks_for_nothing(facts, parsed):
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "a", "base", "use"}
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert not {n for n in names if n.startswith("on")} | names & {"src", "href", "style", "action"}
    policy = next(a for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    style = re.search(r"<style>(.*?)</style>", html_page(facts), re.S)
    assert style
    assert not re.search(r"url\(|@import|http", style[1])


def test_a_hostile_text_is_shown_and_nothing_more(facts, parsed):
    page = html_page(facts)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert '<script>alert("1")</script>\ufffd[31m\ufffd\'&amp;' in parsed.words
    assert "\x1b" not in text(facts)
    assert json.loads(json_text(facts))["standing"] == facts["standing"]
    assert any(alarm["column"] == HOSTILE for alarm in facts["standing"])


def test_every_column_has_a_card_and_a_line(facts, parsed):
    cards = [a for tag, a in parsed.elements if tag == "article"]
    assert [("moved" in (card["class"] or "")) for card in cards] == [
        column["moved"] for column in facts["columns"]
    ]
    assert sum(tag == "tr" for tag, _ in parsed.elements) == 1 + len(facts["columns"])
    words = "".join(parsed.words)
    assert "3 of 7 columns have moved" in words
    assert "Of 400 rows the true label is known: 75.0% of the answers are right" in words
    assert "with a chance of at most 0.01" in words


def test_light_and_dark_and_paper_are_thought_of(facts):
    page = html_page(facts)
    assert "@media (prefers-color-scheme: dark)" in page
    assert "@media print" in page
    used = set(re.findall(r"var\((--[\w-]+)\)", page))
    for part in page.split("@media (prefers-color-scheme: dark)")[:2]:
        assert used <= set(re.findall(r"(--[\w-]+):", part))


def test_text_says_what_has_moved_and_what_an_alarm_is(facts):
    lines = text(facts).splitlines()
    assert lines[0] == "churn version 3: 2,600 rows looked at since 2026-11-25T08:00:00+00:00"
    assert lines[1] == "3 of 7 columns have moved"
    assert sum(line.startswith("  ") for line in lines) == 3
    assert "at the latest: betting on it has made a stake of 1 into" in lines[5]
    assert lines[6].startswith(
        "Of 400 rows the true label is known: 75.0% of the answers are right "
        "(95 % interval 70.5% to 79.0%); the live accuracy is 0.750"
    )


def test_errors_of_numbers_are_said_as_they_are_and_no_label_as_nothing():
    told = tally(NUMBERS, labelled=100, error=250.0, squares=700.0).facts()
    said = text(drift_facts(known(accuracy=told)))
    assert "answers are off by 2.5 on average (95 % interval 2.3" in said
    assert "true label" not in text(drift_facts(known(accuracy=tally(labelled=0).facts())))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (0, "Nothing can be said yet: 0 of 256 rows are in"),
        (100, "Nothing can be said yet: 100 of 256 rows are in"),
        (2000, "None of 7 columns has moved"),
    ],
)
def test_the_verdict_claims_no_more_than_is_known(rows, says):
    facts = drift_facts(known(rows, moved=0.0))
    assert verdict(facts) == says
    assert says in "".join(Parsed(html_page(facts)).words)


def test_one_column_is_said_in_the_singular():
    drift = learn_drift(np.random.default_rng(0).normal(size=(1000, 2)))
    drift.see({"x0": np.full(256, 5.0), "x1": np.random.default_rng(1).normal(size=256)})
    facts = drift_facts(replace(known(0), drift=drift, bet=None))
    assert verdict(facts) == "1 of 2 columns has moved"
    assert "strange" not in text(facts)


def test_a_page_of_very_many_columns_draws_the_strongest_and_lists_all():
    drift = learn_drift(np.random.default_rng(0).normal(size=(100, MOST_CARDS + 40)))
    parsed = Parsed(html_page(drift_facts(Known("m", 1, drift, "", ""))))
    assert sum(tag == "article" for tag, _ in parsed.elements) == MOST_CARDS
    assert sum(tag == "tr" for tag, _ in parsed.elements) == MOST_CARDS + 41


def test_older_alarms_are_folded_away_or_said_to_be_lost():
    random = np.random.default_rng(0)
    drift = learn_drift(random.normal(size=(1000, 10)))
    for number in range(14):
        drift.see({f"x{i}": random.normal(2, 1, 256) for i in range(10)}, f"minute {number:02}")
    words = "".join(Parsed(html_page(drift_facts(Known("m", 1, drift, "", "")))).words)
    assert re.search(r"\d+ more windows with an alarm before these", words)
    assert f"{drift.raised - 100} older alarms are not kept" in words
