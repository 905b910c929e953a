"""A report has every answer and the worst of their verdicts; figures are as people read them."""

from __future__ import annotations

from tests.readiness.facts import GOOD, but
from tests.readiness.test_answers import QUESTIONS

from fairlead.readiness.facts import FAIL, OWNER, PASS, VERDICTS, WARN, Finding, mib, span
from fairlead.readiness.report import broken, report, worst


def test_a_report_has_every_answer_in_order_and_the_worst_verdict():
    told = report(but(GOOD, doors__tls=False), "2026-11-26T04:00:00+00:00")
    assert [answer["id"] for answer in told["answers"]] == list(QUESTIONS)
    assert (told["model"], told["version"], told["exposure"]) == ("iris", 3, "internet")
    assert told["verdict"] == FAIL
    answer = next(a for a in told["answers"] if a["id"] == "encryption")
    assert list(answer) == ["id", "question", "group", "verdict", "measured", "fix"]
    assert answer["group"] == "Host and exposure"
    assert report(GOOD, "now")["verdict"] == PASS


def test_what_does_not_load_fails_every_question_that_measures():
    told = report(but(GOOD, measured=None, broken="no such operator"), "now")
    for answer in told["answers"]:
        if QUESTIONS[answer["id"]].measures or answer["id"] == "loads":
            assert answer["verdict"] == FAIL
            assert answer["fix"]
        else:
            assert answer["verdict"] == PASS


def test_what_cannot_even_be_read_has_one_answer_which_fails():
    told = broken("iris", 3, "laptop", "now", Finding(FAIL, "no manifest", "pack it again"))
    assert [(a["id"], a["verdict"]) for a in told["answers"]] == [("loads", FAIL)]
    assert told["verdict"] == FAIL


def test_the_worst_verdict_is_the_one_that_stops_it():
    assert worst([PASS, WARN, OWNER, FAIL]) == FAIL
    assert worst([PASS, WARN, OWNER]) == OWNER
    assert worst([PASS, WARN]) == WARN
    assert worst([]) == PASS
    assert len(VERDICTS) == 4


def test_numbers_are_as_people_read_them():
    assert [mib(n) for n in (12, 2048, 3 << 20, 5 << 30)] == [
        "12 bytes", "2.0 KiB", "3.0 MiB", "5.0 GiB",
    ]  # fmt: skip
    assert [span(s) for s in (2e-5, 0.0125, 3.0)] == ["20 µs", "12.5 ms", "3 s"]
