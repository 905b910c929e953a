"""`fairlead usage`: rows for people and programs, whether or not a server runs, and verifying."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os

import pytest
from tests.usage.test_ledger import ONE, columns
from tests.usage.test_query import WRITTEN

from fairlead.cli.main import main
from fairlead.usage import journal
from fairlead.usage.journal import Journal, segments
from fairlead.usage.ledger import JOURNAL
from fairlead.usage.query import totals


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder with a journal of which nothing is rolled up, as a killed server leaves it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".fairlead"
    writer = Journal(folder / JOURNAL, "w")
    for second, model, version, one in WRITTEN:
        monkeypatch.setattr(journal, "wall_ns", lambda second=second: second * 10**9)
        writer.append(model, version, columns([one]))
    writer.close()
    return folder


def asked(capsys, *words: str) -> dict:
    assert main(["usage", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_server_the_journal_is_rolled_up_first(state, capsys):
    told = asked(capsys, "--by", "tenant,model", "--zone", "Europe/Berlin")
    assert told["pending"] == 0
    assert [(r["tenant"], r["model"], r["requests"]) for r in told["usage"]] == [
        ("tenant0", "a", 1), ("tenant0", "b", 2), ("tenant1", "a", 1),
    ]  # fmt: skip
    assert (told["by"], told["zone"]) == (["tenant", "model"], "Europe/Berlin")


def test_nothing_of_the_journal_is_removed_by_looking(state, capsys):
    """How much is kept is a setting of the server, which the command does not have."""
    for number in range(70):
        writer = Journal(state / JOURNAL, f"w{number:03}")
        writer.append("m", 1, columns([ONE]))
        writer.close()
    assert asked(capsys)["usage"][0]["requests"] == 74
    assert len(segments(state / JOURNAL)) == 71


def test_beside_a_server_it_says_how_far_behind_the_ledger_is(state, capsys):
    """Somebody holds the folder's lock, as a server does; its bookkeeper would roll up."""
    handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    told = asked(capsys)
    assert (told["pending"], told["usage"][0]["requests"]) == (4, 0)
    assert main(["usage"]) == 0
    assert "4 more are in the journal" in capsys.readouterr().err
    os.close(handle)
    told = asked(capsys)
    assert (told["pending"], told["usage"][0]["requests"]) == (0, 4)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--since", "2026-11-01"], 2),
        (["--until", "2026-11-01"], 2),
        (["--since", "2026-11-01", "--zone", "Europe/Berlin"], 3),
        (["--tenant", "tenant1"], 1),
        (["--tenant", "tenant0", "--model", "b"], 2),
        (["--key", "key1", "--plan", "gold"], 1),
    ],
)
def test_a_part_of_it_can_be_asked_for(state, capsys, words, count):
    assert asked(capsys, *words)["usage"][0]["requests"] == count


def test_the_table_is_for_people(state, capsys):
    assert main(["usage", "--by", "model,version"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "model", "version", "requests", "rows", "bytes_in", "bytes_out", "compute_ms", "withheld",
        "serve", "warn", "abstain", "reject",
    ]  # fmt: skip
    assert lines[0].split() == ["a", "1", "1", "1", "10", "20", "1.5", "0", "1", "0", "0", "0"]
    assert len({len(line) for line in lines}) == 1


def test_csv_has_the_same_rows_and_no_formula(state, capsys):
    writer = Journal(state / JOURNAL, "z")
    writer.append("m", 1, columns([(*ONE[:6], b'["=1+1","@SUM(A1)","-2","+3"]', 0)]))
    writer.close()
    assert main(["usage", "--csv", "--by", "key,tenant,plan,price,model"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4
    (row,) = (row for row in rows if row["model"] == "m")
    assert [row[n] for n in ("key", "tenant", "plan", "price")] == [
        "'=1+1",
        "'@SUM(A1)",
        "'-2",
        "'+3",
    ]
    assert sum(int(row["requests"]) for row in rows) == 5


def test_parquet_has_the_same_rows_with_their_types(state, capsys, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = asked(capsys, "--by", "day,model,version")["usage"]
    assert main(["usage", "--parquet", "out.parquet", "--by", "day,model,version"]) == 0
    found = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    flat = [{**{k: v for k, v in r.items() if k != "decisions"}, **r["decisions"]} for r in rows]
    assert found == flat
    assert [p.name for p in tmp_path.glob(".*.part")] == []


def test_a_parquet_file_that_cannot_be_written_leaves_nothing(state, capsys):
    pytest.importorskip("pyarrow")
    assert main(["usage", "--parquet", "no/such/folder.parquet"]) == 2
    assert "FRL-2001" in capsys.readouterr().err


def test_an_escape_in_a_name_moves_no_cursor(state, capsys):
    writer = Journal(state / JOURNAL, "z")
    writer.append("m", 1, columns([(*ONE[:6], b'["\\u001b[2J","","",""]', 0)]))
    writer.close()
    assert main(["usage", "--by", "key"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_verify_says_that_all_agrees_or_names_what_does_not(state, capsys):
    assert main(["usage", "verify"]) == 0
    assert capsys.readouterr().out == "4 records of 1 segment agree with the ledger\n"
    (segment,) = segments(state / JOURNAL)
    raw = segment.read_bytes()
    segment.write_bytes(raw[:-3])
    assert main(["usage", "verify"]) == 1
    assert f"{segment.name}: cut: " in capsys.readouterr().out
    assert main(["usage", "verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["good"], told["segments"][0]["verdict"]) == (False, "cut")
    segment.write_bytes(raw)
    assert main(["usage", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--state", "nowhere"], "FRL-2001"),
        (["--by", "colour"], "FRL-2004"),
        (["--zone", "Atlantis"], "FRL-2005"),
        (["--since", "now"], "FRL-2004"),
        (["verify", "--csv"], "FRL-2004"),
        (["--csv", "--json"], "FRL-2004"),
    ],
    ids=range(6),
)
def test_what_cannot_be_asked_is_an_error_in_one_line(state, capsys, words, error):
    assert main(["usage", *words]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1


def test_what_the_command_shows_is_what_the_library_says(state, capsys):
    from fairlead.assembly.ledgers import opened

    shown = asked(capsys, "--by", "status,decision,hour")["usage"]
    with opened(state) as ledger:
        assert totals(ledger.store, ("status", "decision", "hour")) == shown
