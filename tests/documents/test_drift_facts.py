"""The facts of a report: complete, in order, and plain."""

import json
from dataclasses import replace

import pytest
from tests.documents.parts import HOSTILE, SINCE, UPDATED, known

from fairlead.documents.drift_facts import alarmed, drift_facts
from fairlead.documents.drift_report import html_page


@pytest.fixture(scope="module")
def facts():
    return drift_facts(known(accuracy={"accuracy": 0.91}))


def test_facts_are_plain_json(facts):
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_what_was_watched_since_when_is_said(facts):
    assert (facts["model"], facts["version"]) == ("churn", 3)
    assert (facts["since"], facts["updated"]) == (SINCE, UPDATED)
    assert (facts["rows"], facts["columns_watched"], facts["columns_left_out"]) == (2600, 7, 0)
    assert facts["false_alarm_rate"] == 0.01
    assert [(w["size"], w["ended"], w["counted"]) for w in facts["windows"]] == [
        (256, 10, 40), (1024, 2, 552), (4096, 0, 2600),
    ]  # fmt: skip
    assert facts["accuracy"] == {"accuracy": 0.91}


def test_columns_come_by_evidence_those_with_an_alarm_first(facts):
    moved = [column["moved"] for column in facts["columns"]]
    assert moved == sorted(moved, reverse=True)
    for group in (True, False):
        p = [column["p"] for column in facts["columns"] if column["moved"] == group]
        assert p == sorted(p)
    standing = {alarm["column"] for alarm in facts["standing"]}
    assert standing == {c["name"] for c in facts["columns"] if c["moved"]} == {
        "age", "holes", HOSTILE,
    }  # fmt: skip


def test_a_column_is_told_by_the_window_that_says_most(facts):
    age = next(column for column in facts["columns"] if column["name"] == "age")
    assert age["window"] in (256, 1024)
    assert len(age["past"]) == {256: 10, 1024: 2}[age["window"]]
    assert age["past"][-1]["distance"] == pytest.approx(age["distance"], abs=1e-3)
    assert age["psi"] > age["psi_usual"]
    assert age["shift"] == pytest.approx(0.6, abs=0.25)
    assert sum(bar["now"] for bar in age["bars"]) == pytest.approx(1.0)
    assert age["words"]


def test_alarms_come_newest_first_and_by_evidence_within_a_window(facts):
    windows = [(alarm["row"], alarm["window"]) for alarm in facts["alarms"]]
    assert windows == sorted(windows, reverse=True)
    assert len(set(windows)) > 4
    for window in set(windows):
        p = [a["p"] for a in facts["alarms"] if (a["row"], a["window"]) == window]
        assert p == sorted(p)
    assert facts["alarms_raised"] == len(facts["alarms"])


def test_the_bet_is_told_with_what_would_be_an_alarm(facts):
    bet = facts["strangeness"]
    assert bet["alarmed"]
    assert 1300 < bet["since_row"] < 2600
    assert bet["highest"] >= bet["limit"] == pytest.approx(1000)
    assert drift_facts(replace(known(0), bet=None))["strangeness"] is None


def test_an_alarm_stands_of_a_column_the_bet_or_live_accuracy_alone(facts):
    assert alarmed(facts)
    quiet = drift_facts(known(2000, moved=0.0))
    assert not alarmed(quiet)
    assert alarmed(quiet | {"strangeness": quiet["strangeness"] | {"alarmed": True}})
    assert not alarmed(quiet | {"strangeness": None})
    assert not alarmed(quiet | {"accuracy": {"accuracy": 0.9, "alarm": None}})
    assert alarmed(quiet | {"accuracy": {"accuracy": 0.5, "alarm": "it is below"}})


def test_of_a_private_column_nothing_is_said_but_sizes():
    facts = drift_facts(replace(known(), private=frozenset({"age"})))
    told = [alarm["words"] for alarm in (*facts["alarms"], *facts["standing"])]
    assert {words for words in told if words.startswith("age")} == {"age: has moved"}
    age = next(column for column in facts["columns"] if column["name"] == "age")
    assert (age["private"], age["bars"], age["words"]) == (True, [], "age: has moved")
    assert age["shift"] > 0
    assert all(column["bars"] for column in facts["columns"] if column["name"] != "age")
    assert "private values" in html_page(facts)


def test_before_the_first_window_has_ended_nothing_is_claimed():
    facts = drift_facts(known(100))
    assert facts["accuracy"] is None
    for column in facts["columns"]:
        assert column["p"] is None
        assert not column["moved"]
        assert all(bar["now"] == 0.0 for bar in column["bars"])
