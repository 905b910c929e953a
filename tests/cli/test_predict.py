"""`fairlead predict`: whole files through a model, and on where a run was stopped."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import models

from fairlead.cli.main import main

COUNT = 1_234
ROWS = [{"a": n, "b": 1.5, "c": 0} for n in range(COUNT)]
VALUES = [n + 1.5 for n in range(COUNT)]


@pytest.fixture(scope="module")
def url(serving, small_models) -> str:
    return str(serving(small_models).base_url).rstrip("/")


def written(folder: Path, kind: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    file = folder / f"rows.{kind}"
    if kind == "csv":
        with open(file, "w", newline="") as out:
            writer = csv.DictWriter(out, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def values(file: Path, kind: str) -> list[float]:
    if kind == "csv":
        with open(file, newline="") as source:
            return [float(row["prediction.value"]) for row in csv.DictReader(source)]
    if kind == "parquet":
        return pq.read_table(file).column("prediction.value").to_pylist()
    text = file.read_text()
    rows = json.loads(text) if kind == "json" else map(json.loads, text.splitlines())
    return [row["prediction"]["value"] for row in rows]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_a_file_is_answered_in_its_own_format(url, tmp_path, kind):
    out = tmp_path / f"out.{kind}"
    words = ["predict", "total", str(written(tmp_path, kind)), "--url", url, "--out", str(out)]
    assert main([*words, "--batch", "100"]) == 0
    assert values(out, kind) == VALUES
    assert {f.name for f in tmp_path.iterdir()} == {f"rows.{kind}", f"out.{kind}"}


def test_a_file_goes_over_grpc_as_it_does_over_http(url, tmp_path):
    file, told = written(tmp_path, "csv"), []
    for address in (url, url.replace("http://", "grpc://")):
        out = tmp_path / f"{address[:4]}.jsonl"
        assert main(["predict", "total", str(file), "--url", address, "--out", str(out)]) == 0
        told.append(out.read_text())
    assert told[0] == told[1]


def test_answers_go_to_standard_output_unless_a_file_is_named(url, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, "csv")
    assert main(["predict", "total@1", str(file), "--url", url, "--format", "jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["prediction"]["value"] for line in lines] == VALUES
    assert [f.name for f in tmp_path.iterdir()] == ["rows.csv"]


def test_a_run_goes_on_where_one_was_stopped_and_the_result_is_the_same(url, tmp_path, capsys):
    good, bad = written(tmp_path, "jsonl"), tmp_path / "bad.jsonl"
    whole = tmp_path / "whole.jsonl"
    words = ["--url", url, "--batch", "100"]
    assert main(["predict", "total", str(good), *words, "--out", str(whole)]) == 0
    lines = good.read_text().splitlines()
    bad.write_text("\n".join([*lines[:700], '{"a": 1}', *lines[701:]]) + "\n")
    out = tmp_path / "out.jsonl"
    assert main(["predict", "total", str(bad), *words, "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert "FRL-" in err
    assert "row 700" in err
    assert not out.exists()
    progress = json.loads((tmp_path / "out.jsonl.progress").read_text())
    assert progress["rows"] == 700
    with open(tmp_path / "out.jsonl.partial", "a") as partial:
        partial.write('{"half a line')
    bad.write_text(good.read_text())
    assert main(["predict", "total", str(bad), *words, "--out", str(out)]) == 0
    assert out.read_bytes() == whole.read_bytes()


def test_another_file_or_model_begins_anew(url, tmp_path):
    good, other = written(tmp_path, "jsonl"), tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:300]) + "[]\n")
    out = tmp_path / "out.jsonl"
    words = ["--url", url, "--batch", "100", "--out", str(out)]
    assert main(["predict", "total", str(other), *words]) == 2
    assert main(["predict", "total", str(good), *words]) == 0
    assert values(out, "jsonl") == VALUES


def test_rows_that_are_not_served_keep_their_decision(url, tmp_path):
    rows = [dict.fromkeys(models.FEATURES, 0.0)] * 3
    out = tmp_path / "out.csv"
    file = written(tmp_path, "csv", rows)
    assert main(["predict", "classifier", str(file), "--url", url, "--out", str(out)]) == 0
    with open(out, newline="") as source:
        found = [*csv.DictReader(source)]
    assert [row["prediction.decision"] for row in found] == ["serve"] * 3
    assert "prediction.scores.red" in found[0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rows.csv", "a,b\n1\n", "row 0 has 1 cells"),
        ("rows.jsonl", "{\n", "line 1"),
        ("rows.jsonl", "[1]\n", "an object"),
        ("rows.json", "5", "a list of rows"),
        ("rows.txt", "x", "format"),
        ("absent.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(url, tmp_path, capsys, name, text, says):
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    out = str(tmp_path / "out.jsonl")
    assert main(["predict", "total", str(file), "--url", url, "--out", out]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "more", [["--batch", "0"], ["--url", "nowhere"], ["--key", "plain"]], ids=lambda w: w[0]
)
def test_words_that_make_no_sense_are_refused(url, tmp_path, capsys, more):
    file = written(tmp_path, "csv")
    assert main(["predict", "total", str(file), "--url", url, *more]) == 2
    assert main(["predict", "total@x", str(file), "--url", url]) == 2
    assert "FRL-" in capsys.readouterr().err


def test_a_key_is_read_from_a_file_of_its_owner_alone_or_the_environment(
    url, tmp_path, capsys, monkeypatch
):
    file, key = written(tmp_path, "csv"), tmp_path / "key"
    key.write_text("frl_live_nothing\n")
    words = ["predict", "total", str(file), "--url", url, "--format", "jsonl", "--key"]
    for reference, status in ((f"file:{key}", 2), ("env:NO_SUCH_KEY", 2), ("file:/absent", 2)):
        key.chmod(0o644)
        assert main([*words, reference]) == status
    key.chmod(0o600)
    monkeypatch.setenv("SOME_KEY", "frl_live_nothing")
    for reference in (f"file:{key}", "env:SOME_KEY"):
        assert main([*words, reference]) == 0  # a server without keys looks at none
    capsys.readouterr()
