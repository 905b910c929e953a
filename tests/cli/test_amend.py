"""`fairlead amend`: the next version with other words; the old one is never touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import models

from fairlead.cli.main import main
from fairlead.packages.read import open_package, verify

WORDS = '[words]\npurpose = "colours"\n[labels]\nred = "rot"\n[limits]\ntime_budget_s = 2\n'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    models.classifier(tmp_path / "models", "colours")
    (tmp_path / "words.toml").write_text(WORDS)
    (tmp_path / "broken.toml").write_text("words = [")
    (tmp_path / "limit.toml").write_text("[limits]\nmax_rowz = 3\n")
    (tmp_path / "number.toml").write_text("[limits]\nmax_rows = 0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def amend(*words: str) -> int:
    return main(["amend", *words, "--repository", "models"])


def everything(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_writes_the_next_version_with_the_same_graph(folder, capsys):
    before = everything(folder / "models/colours/1")
    assert amend("colours", "--model-toml", "words.toml") == 0
    assert capsys.readouterr().out == "colours version 2 in models/colours/2\n"
    first, second = (open_package(folder / f"models/colours/{v}") for v in (1, 2))
    verify(second)
    assert second.files["graph/model.onnx"] == first.files["graph/model.onnx"]
    assert second.words["words"]["purpose"] == "colours"
    assert second.limits.time_budget_s == 2
    assert everything(folder / "models/colours/1") == before


def test_a_key_that_looks_like_a_slip_is_named(folder, capsys):
    (folder / "slip.toml").write_text('[words]\nout_of_scop = "all else"\nmotto = "bright"\n')
    assert amend("colours", "--model-toml", "slip.toml") == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[0] == "words     [words] out_of_scop is no key of the card: do you mean out_of_scope?"
    )
    assert len(said) == 2


def test_an_older_version_can_be_named(folder, capsys):
    assert amend("colours", "--model-toml", "words.toml") == 0
    (folder / "other.toml").write_text('[words]\npurpose = "other"\n')
    assert amend("colours@1", "--model-toml", "other.toml") == 0
    assert open_package(folder / "models/colours/3").words["words"]["purpose"] == "other"


def test_the_owners_words_reach_the_answers(folder, serving):
    assert amend("colours", "--model-toml", "words.toml") == 0
    client = serving(folder / "models")
    answer = client.post("/predict/colours", json=[5, 1, 2, 0.5]).json()
    assert answer["version"] == 2
    assert answer["predictions"][0]["label"] == "rot"
    assert list(answer["predictions"][0]["scores"]) == ["rot", "green", "blue"]


@pytest.mark.parametrize(
    ("words", "id", "says"),
    [
        (["colours"], "FRL-2004", "Give --model-toml FILE"),
        (["absent", "--model-toml", "words.toml"], "FRL-1301", "no absent in models"),
        (["colours@9", "--model-toml", "words.toml"], "FRL-1301", "Versions of colours: 1"),
        (["colours@one", "--model-toml", "words.toml"], "FRL-1301", "not a version"),
        (["no/name", "--model-toml", "words.toml"], "FRL-2004", "cannot name a model"),
        (["colours", "--model-toml", "absent.toml"], "FRL-2001", "absent.toml"),
        (["colours", "--model-toml", "broken.toml"], "FRL-2201", "not valid TOML"),
        (["colours", "--model-toml", "limit.toml"], "FRL-2201", "max_rowz is not known"),
        (["colours", "--model-toml", "number.toml"], "FRL-2201", "must be above 0"),
        (["colours", "--settings", "words.toml"], "FRL-1701", "not there yet"),
        (["colours", "--nonsense"], "FRL-2004", "See `fairlead amend --help`"),
    ],
)
def test_what_cannot_be_taken_is_one_line_and_nothing_is_written(folder, capsys, words, id, says):
    before = everything(folder / "models")
    assert amend(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"fairlead: {id} ")
    assert says in said
    assert said.count("\n") == 1
    assert everything(folder / "models") == before


def test_the_same_words_again_are_no_new_version(folder, capsys):
    assert amend("colours", "--model-toml", "words.toml") == 0
    assert amend("colours", "--model-toml", "words.toml") == 2
    assert "are those of that version already" in capsys.readouterr().err
    assert sorted(p.name for p in (folder / "models/colours").iterdir()) == ["1", "2"]
