"""The last check of a version is kept whole, and read by whoever shows it."""

from __future__ import annotations

import pytest

from fairlead.core.errors import FileUnreadable
from fairlead.serving.check_reports import keep_report, read_report

REPORT = {
    "model": "iris",
    "version": 3,
    "exposure": "internet",
    "when": "2026-11-26T04:44:00+00:00",
    "verdict": "pass",
    "answers": [
        {
            "id": "loads",
            "question": "Can it be loaded?",
            "group": "Model size and loading",
            "verdict": "pass",
            "measured": "in 12 ms",
            "fix": "",
        }
    ],
}


def test_what_is_kept_is_read_and_the_last_one_counts(tmp_path):
    state = tmp_path / "state"
    keep_report(state, REPORT)
    file = keep_report(state, REPORT | {"verdict": "fail"})
    assert read_report(state, "iris", 3) == REPORT | {"verdict": "fail"}
    assert file == state / "checks" / "iris" / "3.json"
    assert [path.name for path in file.parent.iterdir()] == ["3.json"]
    assert state.stat().st_mode & 0o077 == file.stat().st_mode & 0o077 == 0


def test_a_version_that_was_never_checked_has_none(tmp_path):
    assert read_report(tmp_path, "iris", 3) is None
    assert read_report(tmp_path, "../../etc", 3) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"answers": 3}', "[" * 100_000, " " * (2 << 20)])
def test_a_file_that_is_no_report_is_none(tmp_path, text):
    keep_report(tmp_path, REPORT).write_text(text)
    assert read_report(tmp_path, "iris", 3) is None


@pytest.mark.parametrize("fact", ["exposure", "when", "verdict", "answers"])
def test_a_report_without_one_of_its_facts_is_none(tmp_path, fact):
    short = {key: value for key, value in REPORT.items() if key != fact}
    keep_report(tmp_path, short)
    assert read_report(tmp_path, "iris", 3) is None


@pytest.mark.parametrize("fact", ["question", "group", "verdict", "measured", "fix"])
def test_an_answer_without_one_of_its_facts_makes_no_report(tmp_path, fact):
    short = {key: value for key, value in REPORT["answers"][0].items() if key != fact}
    keep_report(tmp_path, REPORT | {"answers": [short]})
    assert read_report(tmp_path, "iris", 3) is None


def test_where_it_cannot_be_kept_is_said(tmp_path):
    (tmp_path / "checks").write_text("a file")
    with pytest.raises(FileUnreadable, match="the check cannot be kept"):
        keep_report(tmp_path, REPORT)
