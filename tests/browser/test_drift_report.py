"""The report on drift, as `fairlead drift report --html` writes it and a person opens it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.browser import shop
from tests.browser.bench import (
    DESKTOP,
    PHONE,
    THEMES,
    WIDTHS,
    journey,
    loads,
    screenshot,
    sideways,
    violations,
    weight,
)
from tests.documents.parts import known, tally
from tests.processes import until

from fairlead.documents.drift_facts import drift_facts
from fairlead.documents.drift_report import html_page

STATES = {
    "moved": lambda: known(8000, accuracy=tally().facts()),
    "quiet": lambda: known(2000, moved=0.0),
    "nothing yet": lambda: known(100),
}


@pytest.fixture(scope="module", params=STATES)
def report(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("drift") / "drift.html"
    file.write_text(html_page(drift_facts(STATES[request.param]())), encoding="utf-8")
    return file


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_breaks_no_rule_of_accessibility_and_fits_the_screen(look, report, theme, width):
    page = look(report, theme=theme, width=width, scripts=False)
    assert violations(page) == []
    assert sideways(page) == 0


def test_a_report_is_one_small_file(look, report):
    page = look(report)
    assert loads(page) == [report.as_uri()]
    assert weight(page) <= 60_000


def test_the_keyboard_reaches_what_can_be_opened_and_scrolled(look, report):
    stops = journey(look(report, width=PHONE))
    assert all(stop.ring and stop.seen for stop in stops)
    assert "Every column" in [stop.name for stop in stops]


def test_the_command_writes_the_page_of_a_served_model(look, site, tmp_path):
    for older in (0, 12):
        rows = shop.customers(600, older).to_dict("records")
        assert site.running.asked("/predict/churn", body=rows)[0] == 200
    file = tmp_path / "drift.html"
    words = [sys.executable, "-P", "-m", "fairlead", "drift", "report", "churn"]

    def written() -> bool:
        done = subprocess.run(
            [*words, "--state", str(site.state), "--html", str(file)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return "1,200 rows" in done.stdout

    until(written, 60, "the rows were never counted")
    for theme in THEMES:
        page = look(file, theme=theme, width=DESKTOP)
        assert page.inner_text("h1") == "churn version 1"
        assert violations(page) == []
        screenshot(page, "drift-report")
