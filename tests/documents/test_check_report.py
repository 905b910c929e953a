"""The deployment check for a terminal, as JSON and as a page; nothing written steers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fairlead.documents.check_page import html_page
from fairlead.documents.check_report import counts, json_text, summary, text

HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\x00\u202e\nfake line"


def answer(verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"an-{verdict}",
        "question": f"Is it {verdict}?",
        "group": "Host and exposure",
        "verdict": verdict,
        "measured": f"measured {verdict}",
        "fix": "" if verdict == "pass" else f"fix {verdict}",
    } | more


def report(*answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "model": "iris",
        "version": 3,
        "exposure": "internet",
        "when": "2026-11-26T04:44:00+00:00",
        "verdict": "fail",
        "answers": list(answers),
    } | more


EVERY = report(
    answer("pass"),
    answer("fail"),
    answer("warn", group="Misuse"),
    answer("owner must say", group="Documentation"),
)


def test_text_shows_by_group_what_is_not_in_order_and_the_verdict_last():
    assert text([EVERY]) == (
        "Host and exposure  (1 pass)\n"
        "  FAIL  Is it fail?\n"
        "        measured fail\n"
        "        fix: fix fail\n"
        "\n"
        "Misuse\n"
        "  warn  Is it warn?\n"
        "        measured warn\n"
        "        fix: fix warn\n"
        "\n"
        "Documentation\n"
        "  say!  Is it owner must say?\n"
        "        measured owner must say\n"
        "        fix: fix owner must say\n"
        "\n"
        "iris version 3: NOT READY for the internet: 1 fail, 1 warn, 1 owner must say, 1 pass\n"
        "What passes is in --json and --html: 1 of 4"
    )


def test_text_of_what_is_in_order_is_the_verdict_alone():
    good = report(answer("pass"), verdict="pass", exposure="laptop")
    assert text([good]).splitlines()[0] == "iris version 3: ready for this laptop alone: 1 pass"


def test_text_has_colours_only_where_they_are_asked_for():
    assert "\x1b" not in text([EVERY])
    assert "  \x1b[1;31mFAIL\x1b[0m  Is it fail?" in text([EVERY], colours=True)


def test_a_command_stays_in_one_line_and_a_long_fact_does_not():
    told = text([report(answer("fail", measured="word " * 60, fix="command " * 60))])
    lines = told.splitlines()
    assert all(len(line) <= 104 for line in lines if "word" in line)
    assert sum("command" in line for line in lines) == 1


def test_lines_of_model_toml_are_shown_together_and_their_command_once():
    amend = "fairlead amend iris --repository models --model-toml model.toml"

    def fix(section: str, lines: str) -> dict[str, Any]:
        return answer("warn", fix=f"{lines} under [{section}] of model.toml; {amend}")

    told = text(
        [
            report(
                fix("words", 'purpose = "..."'),
                fix("words", 'purpose = "twice"'),
                fix("words", 'contact = "ours and theirs"'),
                fix("expect", "requests_per_second = 50 and latency_ms = 100"),
                answer("fail", fix="fairlead serve models"),
            )
        ]
    )
    assert told.count(amend) == 1
    assert 'fix: purpose = "..." under [words] of model.toml\n' in told
    assert "fix: fairlead serve models\n" in told
    block = told.partition("model.toml, with what is yours in place of the dots:\n")[2]
    assert block.startswith(
        '  [words]\n  purpose = "..."\n  contact = "ours and theirs"\n'
        f"  [expect]\n  requests_per_second = 50\n  latency_ms = 100\nthen: {amend}\n"
    )


def test_json_is_the_report_or_all_of_them():
    assert json.loads(json_text([EVERY])) == EVERY
    assert json.loads(json_text([EVERY, EVERY])) == {"models": [EVERY, EVERY]}


def test_each_of_several_reports_says_first_whose_it_is():
    told = text([EVERY, EVERY | {"model": "wine"}])
    assert told.startswith("== iris version 3 ==\n\nHost and exposure")
    assert "\n\n\n== wine version 3 ==\n\n" in told


def test_verdicts_are_counted_from_the_gravest():
    assert list(counts(EVERY).items()) == [
        ("fail", 1), ("warn", 1), ("owner must say", 1), ("pass", 1),
    ]  # fmt: skip


def test_the_page_says_the_verdict_what_stands_in_the_way_and_every_question():
    page = html_page([EVERY])
    assert "<strong>Not ready for the internet</strong>" in page
    assert "1 of 4 questions are in order; 1 has an answer that stands in the way" in page
    for verdict, kind in (("fail", "fail"), ("warn", "warn"), ("owner must say", "owner")):
        found = f'<li class="{kind}"><header><h3>Is it {verdict}?</h3>'
        assert page.count(found) == 1
        assert f"<code>fix {verdict}</code>" in page
    assert page.count("Is it pass?") == 1
    assert page.count("<h3>Is it pass?</h3>") == 0
    assert "2026-11-26 04:44 UTC" in page
    assert "<strong>Ready for the people of the house</strong>" in html_page(
        [report(answer("pass"), verdict="pass", exposure="internal")]
    )


def test_a_page_of_several_models_begins_with_what_each_comes_to():
    page = html_page([EVERY, EVERY | {"model": "wine"}])
    assert page.index("<h1>2 models</h1>") < page.index("<h1>iris") < page.index("<h1>wine")


def test_the_page_needs_no_style_attribute_no_script_and_no_request():
    """So that its sections can stand within a page of ours under a strict policy."""
    page = html_page([EVERY])
    assert re.findall(r"<[^>]* style=|<script|https?:|<link|<img| on\w+=", page) == []


@pytest.mark.parametrize("place", ["question", "group", "measured", "fix", "model"])
def test_what_somebody_wrote_is_shown_and_does_nothing(place):
    hostile = report(answer("fail", **{place: HOSTILE})) | {"model": HOSTILE, "when": HOSTILE}
    page = html_page([hostile, hostile])
    assert "<script>" not in page
    assert not re.search("[\x00\x1b\u202e]", page)
    told = text([hostile])
    assert not re.search("[\x00\x1b\u202e]", told)
    assert not any(line.strip() == "fake line" for line in told.splitlines())
    assert not re.search("[\x00\x1b\u202e\n]", summary(hostile))
    assert json.loads(json_text([hostile]))["model"] == HOSTILE


def test_a_flag_in_a_command_is_never_broken_over_two_lines():
    page = html_page([report(answer("fail", fix="fairlead serve models --tls-cert <c.pem>"))])
    shown = "<code>fairlead serve models <span>--tls-cert</span> &lt;c.pem&gt;</code>"
    assert shown in page


def test_a_text_without_end_is_cut_in_the_page():
    page = html_page([report(answer("fail", measured="x" * 10_000))])
    assert "x" * 599 + "…" in page
    assert "x" * 601 not in page
