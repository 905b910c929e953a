"""`fairlead usage --cost`: what it cost, exactly, as an object for programs and a column else."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.usage.test_ledger import ONE, columns

from fairlead.assembly.asking import managed
from fairlead.cli.main import main
from fairlead.core.access import journal_name
from fairlead.usage.journal import Journal
from fairlead.usage.ledger import JOURNAL

PLAN = '[plan]\nname = "gold"\ncurrency = "EUR"\n[price]\nrequest = "0.000000000001"\n'


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Two calls under a plan, and one under none."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".fairlead"
    folder.mkdir()
    managed(folder, "plans.put", {"text": PLAN})
    writer = Journal(folder / JOURNAL, "w")
    for price in ("gold@1", "gold@1", ""):
        who = journal_name("key_a", "acme", "", price)
        writer.append("iris", 1, columns([ONE])._replace(who=[who]))
    writer.close()
    return folder


def test_programs_get_amounts_as_text_by_currency(state, capsys):
    assert main(["usage", "--json", "--cost", "--by", "price"]) == 0
    rows = json.loads(capsys.readouterr().out)["usage"]
    assert [(row["price"], row["cost"]) for row in rows] == [
        ("", {}),
        ("gold@1", {"EUR": "0.000000000002"}),
    ]


def test_tables_get_a_column(state, capsys):
    assert main(["usage", "--csv", "--cost", "--by", "price"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["cost"] for row in rows] == ["", "0.000000000002 EUR"]
    assert main(["usage", "--cost"]) == 0
    assert "0.000000000002 EUR" in capsys.readouterr().out
    assert main(["usage", "--by", "price"]) == 0
    assert "EUR" not in capsys.readouterr().out


def test_a_price_table_that_is_gone_is_said(state, capsys):
    (state / "keys.sqlite").unlink()
    assert main(["usage", "--cost"]) == 2
    assert "FRL-2320" in capsys.readouterr().err
    assert not (state / "keys.sqlite").exists()
    assert main(["usage"]) == 0


def test_verifying_has_no_cost(state, capsys):
    assert main(["usage", "verify", "--cost"]) == 2
    assert "--cost" in capsys.readouterr().err
