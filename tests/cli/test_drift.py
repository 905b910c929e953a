"""`fairlead drift report`: what has moved, whether or not a server runs, and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests import models

from fairlead.cli.main import main
from fairlead.guards.contract import learn_contract
from fairlead.guards.drift import learn_drift
from fairlead.guards.files import CONTRACT, DRIFT
from fairlead.packing import write
from fairlead.packing.rows import Table
from fairlead.serving.guard_state import FILE
from fairlead.serving.standing import Standing

NAMES = ("a", "b", "c")


def rows(count: int, seed: int, moved: float = 0.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(moved if name == "a" else 0.0, 1.0, count) for name in NAMES}


def packed(repository: Path, contract: str = "") -> Path:
    """A version of a model that has learnt what to watch."""
    package = models.total(repository, name="sums")
    files = {name: package.folder / name for name in package.files}
    files |= {DRIFT: learn_drift(rows(2000, 0)).to_bytes()}
    files |= {CONTRACT: contract.encode()} if contract else {}
    facts = {"runtime": "onnx", "isolated": False, "graph": package.graph, "reason": "",
             "trained": {}, "environment": {}}  # fmt: skip
    return write.commit(repository, "sums", None, facts, files).folder


def seen(state: Path, folder: Path, version: int, moved: float, count: int = 1100) -> Standing:
    """A bookkeeper's memory of rows that a worker has counted."""
    state.mkdir(exist_ok=True)
    standing = Standing(state / FILE)
    watcher = learn_drift(rows(2000, 0))
    table = Table(rows(count, 1, moved))
    chunks = []
    for start in range(0, count, 256):
        part = {name: values[start : start + 256] for name, values in table.columns.items()}
        counts = [each.tolist() for each in watcher.count(part)]
        chunks.append({"rows": len(part["a"]), "counts": counts})
    standing.seen(
        {"model": "sums", "version": version, "folder": str(folder), "calibrated": 300,
         "chunks": chunks, "p_values": np.random.default_rng(0).random(count).tolist()}
    )  # fmt: skip
    standing.save()
    return standing


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with a model that was served and watched; the bookkeeper still runs."""
    folder = packed(tmp_path / "models")
    standing = seen(tmp_path / ".fairlead", folder, int(folder.name), moved=0.7)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    standing.close()


def report(*words: str) -> int:
    return main(["drift", "report", *words])


def test_it_says_what_has_moved_while_a_server_writes(place, capsys):
    assert report("sums") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("sums version 2: 1,100 rows looked at since 20")
    assert said[1] == "1 of 3 columns has moved"
    assert said[2].startswith("  a: ")
    assert "the mean has moved by +0." in said[2]


def test_a_check_exits_with_3_while_an_alarm_stands_and_with_0_without(place, tmp_path, capsys):
    assert report("sums", "--check") == 3
    quiet = seen(tmp_path / "quiet", place / "models/sums/2", 2, moved=0.0)
    assert report("sums", "--check", "--state", "quiet") == 0
    quiet.close()
    assert "None of 3 columns has moved" in capsys.readouterr().out


def test_the_page_and_the_json_say_the_same(place, capsys):
    assert report("sums@2", "--html", "report.html", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["columns"][0]["name"] == facts["standing"][0]["column"] == "a"
    page = (place / "report.html").read_text()
    assert "1 of 3 columns has moved" in page
    assert facts["standing"][0]["words"] in page


def test_it_reports_the_newest_version_that_was_watched(place, capsys):
    folder = packed(place / "models")
    newer = seen(place / ".fairlead", folder, int(folder.name), moved=0.0, count=40)
    assert report("sums") == 0
    assert "Nothing can be said yet: 40 of 256 rows are in" in capsys.readouterr().out
    newer.close()


def test_of_a_private_column_no_value_is_told(place, capsys):
    rules = learn_contract(rows(300, 0)).to_toml()
    head = '[columns."a"]\n'
    assert head in rules
    folder = packed(place / "models", rules.replace(head, f"{head}private = true\n"))
    standing = seen(place / ".fairlead", folder, int(folder.name), moved=0.7)
    standing.close()
    assert report("sums", "--json") == 0
    said = capsys.readouterr().out
    assert "a: has moved" in said
    assert "of the last" not in said


def test_a_contract_that_is_none_is_said(place, capsys):
    folder = packed(place / "models", "no contract = ")
    seen(place / ".fairlead", folder, int(folder.name), moved=0.0).close()
    assert report("sums") == 2
    assert "FRL-2201 contract: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["other"], "FRL-2204", "nothing has been seen of other"),
        (["sums@7"], "FRL-2204", "Watched here: sums@2"),
        (["sums", "--state", "nowhere"], "FRL-2001", "there is no state folder nowhere"),
        (["sums", "--state", "models"], "FRL-2204", "no server has watched anything here yet"),
        (["sums@x"], "FRL-", "version"),
        (["../x"], "FRL-", "name"),
        (["sums", "--html", "no/such/folder.html"], "FRL-2001", "cannot be written"),
    ],
    ids=str,
)
def test_what_is_missing_is_said_in_one_line(place, capsys, words, error, says):
    assert report(*words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"fairlead: {error}")
    assert says in told
    assert told.count("\n") == 1


def test_a_package_that_is_gone_or_another_is_said(place, capsys):
    folder = place / "models/sums/2"
    shutil.move(folder, place / "elsewhere")
    assert report("sums") == 2
    assert "FRL-2201" in (told := capsys.readouterr().err)
    assert "not where it was served from" in told
    shutil.copytree(place / "models/sums/1", folder)
    assert report("sums") == 2
    assert "FRL-2201" in capsys.readouterr().err


def test_a_package_that_was_packed_anew_does_not_take_the_old_rows(place, capsys):
    folder = place / "models/sums/2"
    shutil.rmtree(folder)
    package = models.total(place / "again", name="sums")
    files = {name: package.folder / name for name in package.files}
    files |= {DRIFT: learn_drift(rows(500, 9)).to_bytes()}
    facts = {"runtime": "onnx", "isolated": False, "graph": package.graph, "reason": "",
             "trained": {}, "environment": {}}  # fmt: skip
    write.commit(place / "models", "sums", 2, facts, files)
    assert report("sums") == 2
    assert "does not belong to its package" in capsys.readouterr().err


def test_a_model_that_has_learnt_nothing_to_watch_is_said(place, capsys):
    standing = Standing(place / ".fairlead" / FILE)
    standing.seen(
        {"model": "bare", "version": 1, "folder": str(place / "models/sums/1"), "calibrated": 9,
         "p_values": [0.5]}
    )  # fmt: skip
    standing.save()
    assert report("bare") == 2
    told = capsys.readouterr().err
    standing.close()
    assert "FRL-2204" in told
    assert "Pack it with --reference" in told
