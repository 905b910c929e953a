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
from fairlead.core.clock import wall_ns
from fairlead.usage.journal import Journal
from fairlead.usage.ledger import JOURNAL, open_ledger
from fairlead.usage.stores.machine import HourPrice

PRICE = HourPrice(
    72_300_000_000, "aws/c7g.large", "us-east-1", "price list", "2026-07-20", "high", "2026-11-26"
)
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


@pytest.fixture
def priced(state):
    """The server ran for an hour, on a machine of which the price was on record."""
    ledger = open_ledger(state)
    now = wall_ns()
    ledger.machine.note(2, PRICE, [(now - 1800 * 10**9, now + 1800 * 10**9)])
    ledger.close()
    return state


def test_each_row_says_what_the_machine_cost_and_at_which_price(priced, capsys):
    assert main(["usage", "--json", "--cost", "--by", "key,model"]) == 0
    told = json.loads(capsys.readouterr().out)
    machine = told["usage"][0]["machine"]
    assert machine["prices"][0] == {
        "usd_per_hour": "0.0723",
        "machine": "aws/c7g.large",
        "region": "us-east-1",
        "source": "price list",
        "date": "2026-07-20",
        "confidence": "high",
        "table": "2026-11-26",
    }
    assert machine["unpriced_requests"] == 0
    assert told["machine"]["usd"] == "0.0723"
    assert told["machine"]["prices"][0]["workers"] == 2


def test_files_have_every_digit_the_source_and_the_version_of_the_table(priced, capsys):
    assert main(["usage", "--csv", "--cost", "--by", "key,model,day"]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["machine"] == "aws/c7g.large us-east-1"
    assert row["usd_per_hour"] == "0.0723"
    assert (row["source"], row["date"], row["table"]) == ("price list", "2026-07-20", "2026-11-26")
    assert float(row["busy_usd"]) + float(row["idle_usd"]) == pytest.approx(
        float(row["machine_usd"])
    )


def test_people_get_a_table_and_where_all_of_it_went(priced, capsys):
    assert main(["usage", "--cost", "--by", "key"]) == 0
    told = capsys.readouterr()
    assert "at_the_price" in told.out
    assert "0.0723 USD/h (2026-07-20, table 2026-11-26)" in told.out
    assert "The machine cost 0.0723 USD in 1.00 hours" in told.out
    assert "price list; 2 workers" in told.out
    assert "no price" not in told.err


def test_what_was_asked_before_the_price_was_said_has_no_cost(state, capsys):
    ledger = open_ledger(state)
    before = wall_ns() - 9 * 3600 * 10**9
    ledger.machine.note(2, PRICE, [(before, before + 3600 * 10**9)])
    ledger.close()
    assert main(["usage", "--csv", "--cost", "--by", "key"]) == 0
    told = capsys.readouterr()
    [row] = csv.DictReader(io.StringIO(told.out))
    assert row["machine_usd"] == ""
    assert "3 requests came while no price was on record" in told.err


def test_where_nobody_said_a_price_it_is_said_and_nothing_is_guessed(state, capsys):
    assert main(["usage", "--cost"]) == 0
    told = capsys.readouterr()
    assert "nobody has said what the machine costs" in told.err
    assert "machine_usd_per_hour" in told.err
    assert "machine_usd" not in told.out
    assert main(["usage", "--cost", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["machine"] is None
    assert "nobody has said" in told["unknown"]
    assert told["usage"][0]["machine"] is None
