"""`fairlead check`: one model of each kind, from end to end, and what is not a model at all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests import functions, models, pictures

import fairlead
from fairlead.cli.main import main
from fairlead.documents.check_report import text
from fairlead.readiness.report import GROUPS
from fairlead.serving.check_reports import read_report

IDS = [question.id for group in GROUPS.values() for question in group]
HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The state folder and the settings of each test are its own."""
    monkeypatch.chdir(tmp_path)


def checked(capsys, *words: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["check", "--json", *words]) == status
    return json.loads(capsys.readouterr().out)


def by_id(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {answer["id"]: answer for answer in report["answers"]}


def verdicts(report: dict[str, Any], *ids: str) -> list[str]:
    found = by_id(report)
    return [found[id_]["verdict"] for id_ in ids]


def csv(path: Path, names: list[str], rows: Any) -> Path:
    np.savetxt(path, rows, "%.6f", delimiter=",", header=",".join(names), comments="")
    return path


# --- a model of each kind ------------------------------------------------------------------------


def test_a_table_of_scikit_learn_with_everything_learnt(tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(900, 3))
    target = (rows.sum(axis=1) > 0).astype(int)
    joblib.dump(LogisticRegression().fit(rows[:300], target[:300]), "model.joblib")
    csv(tmp_path / "reference.csv", ["a", "b", "c"], rows[:300])
    csv(tmp_path / "labelled.csv", ["a", "b", "c", "y"], np.column_stack([rows, target])[300:])
    words = "pack model.joblib --name m --repository models --reference reference.csv "
    words += "--evaluation labelled.csv --target y --error-goal 0.05"
    assert main(words.split()) == 0
    report = checked(capsys, "models", "--for", "internal")
    assert [answer["id"] for answer in report["answers"]] == IDS
    assert (report["model"], report["version"], report["exposure"]) == ("m", 1, "internal")
    learnt = ("valid-rows", "novelty-guard", "strange-rows", "usual-rows", "confidence-goal")
    assert verdicts(report, "loads", "accuracy-known", "drift-watched", *learnt) == ["pass"] * 8
    found = by_id(report)
    assert found["strange-rows"]["measured"].startswith("of 3 rows with one value far away, 3 are")
    assert found["contact"]["fix"].endswith(
        "fairlead amend m --repository models --model-toml model.toml"
    )
    assert read_report(Path(".fairlead"), "m", 1) == report


def test_an_image_is_decoded_before_it_is_timed(tmp_path, capsys):
    from PIL import Image

    images, labels = pictures.digits()
    pictures.network(tmp_path / "digits.onnx", images, labels, embedding=False)
    (tmp_path / "pictures").mkdir()
    for number, image in enumerate(images[:40]):
        Image.fromarray((image[0] * 255).astype(np.uint8)).save(f"pictures/{number:02}.png")
    (tmp_path / "model.toml").write_text(
        '[inputs.image]\nkind = "image"\nsize = [16, 16]\ncolor = "grey"\nscale = 0.00392156862\n'
        '[expect]\nrequests_per_second = 1000000\nlatency_ms = 1000\ncost = "free"\n'
    )
    words = "pack digits.onnx --name digits --repository models --model-toml model.toml "
    assert main([*words.split(), "--reference", "pictures"]) == 0
    report = checked(capsys, "digits", status=1)
    found = by_id(report)
    assert verdicts(report, "loads", "example-answered", "latency") == ["pass"] * 3
    assert verdicts(report, "expected-traffic", "cost-stated") == ["pass"] * 2
    assert found["throughput"]["verdict"] == "fail"
    assert "1,000,000 are expected" in found["throughput"]["measured"]


def test_a_function_is_measured_in_its_runner(tmp_path, capsys):
    functions.packed(tmp_path, "def twice(count):\n    return {'y': count * 2}\n", "twice")
    report = checked(capsys, "models/twice")
    found = by_id(report)
    assert "in a process apart" in found["load-mode"]["measured"]
    assert found["framework-free"]["measured"].startswith("kept as python")
    assert found["example-answered"]["verdict"] == "pass"


def test_a_trained_file_is_packed_into_the_cache_first(tmp_path, capsys):
    package = models.classifier(tmp_path / "made")
    (tmp_path / "iris.onnx").write_bytes(package.graph_path.read_bytes())
    report = checked(capsys, "iris.onnx", "--for", "internet", status=1)
    assert report["model"] == "iris"
    assert verdicts(report, "records-private") == ["pass"]
    fix = by_id(report)["valid-rows"]["fix"]
    assert fix == "fairlead pack iris.onnx --name iris --repository models --reference rows.csv"


# --- for whom, and by which settings -------------------------------------------------------------


def test_it_is_for_a_laptop_where_only_this_machine_is_reached_and_for_the_internet_else(
    tmp_path, capsys
):
    models.total(tmp_path / "models")
    assert checked(capsys)["exposure"] == "laptop"
    report = checked(capsys, "--host", "0.0.0.0", status=1)
    assert report["exposure"] == "internet"
    starts = by_id(report)["server-starts"]
    assert starts["verdict"] == "fail"
    assert "FRL-2006" in starts["measured"]
    assert "fairlead keys create" in starts["fix"]


def test_what_the_settings_file_says_is_what_is_checked(tmp_path, capsys):
    models.total(tmp_path / "models")
    Path("other.toml").write_text(
        '[limits]\nbody_mib = 3\nusage = ["requests=9/second"]\n[usage]\ndurability = "power"\n'
    )
    found = by_id(checked(capsys, "--config", "other.toml"))
    assert found["body-limit"]["measured"].startswith("3 MiB")
    assert found["usage-limits"]["measured"] == "all callers together: requests=9/second"
    assert found["usage-durable"]["measured"] == "a record survives a power cut"


def test_keys_plans_and_backups_are_read_from_the_state_folder(tmp_path, capsys):
    models.total(tmp_path / "models")
    Path("gold.toml").write_text(
        '[plan]\nname = "gold"\ncurrency = "EUR"\nlimits = ["rows=1000/minute"]\n'
        '[price]\nrow = "0.01"\n'
    )
    for words in (
        "plans put gold.toml",
        "tenants create shop --plan gold",
        "keys create --name till --tenant shop --scope predict:total --expires never",
        "keys create --name other --scope predict:wine",
        "keys create --name all --scope predict:*",
        "state backup state.tar",
    ):
        assert main(words.split()) == 0, words
    report = checked(capsys, "--for", "internet", status=1)
    found = {id_: answer["measured"] for id_, answer in by_id(report).items()}
    assert found["callers-known"] == "3 keys that work"
    assert found["callers-allowed"] == "2 keys may ask it"
    assert found["keys-end"] == "1 never end: till"
    assert found["keys-narrow"] == "1 may ask every model: all"
    assert found["usage-limits"] == "1 key without a limit: all"
    assert found["prices"] == "by gold@1"
    assert found["tenants-priced"] == "1 tenant may use it for nothing: default"
    assert found["backup"] == "0 days ago"


def test_it_works_beside_a_server_that_holds_the_state_folder(tmp_path, capsys):
    models.total(tmp_path / "models")
    key = "keys create --name till --scope predict:total --state state"
    assert main(key.split()) == 0
    with fairlead.serve("models", port=0, workers=1, state="state"):
        report = checked(capsys, "--state", "state")
    assert by_id(report)["callers-allowed"]["measured"] == "1 key may ask it"
    assert read_report(Path("state"), "total", 1) == report


# --- what cannot be served -----------------------------------------------------------------------


def test_each_model_of_a_repository_is_checked_and_a_broken_one_is_an_answer(tmp_path, capsys):
    models.total(tmp_path / "models")
    models.broken(tmp_path / "models")
    damaged = models.classifier(tmp_path / "models")
    (damaged.folder / "model.toml").write_text("edited by hand")
    told = checked(capsys, status=1)
    reports = {report["model"]: report for report in told["models"]}
    assert [len(reports[name]["answers"]) for name in ("broken", "classifier", "total")] == [
        len(IDS), 1, len(IDS),
    ]  # fmt: skip
    assert verdicts(reports["broken"], "loads", "latency", "encryption") == ["fail", "fail", "pass"]
    assert "cannot load the graph" in by_id(reports["broken"])["loads"]["measured"]
    loads = by_id(reports["classifier"])["loads"]
    assert "edited or damaged" in loads["measured"]
    assert loads["fix"].startswith("restore models/classifier/1 from a copy, or make the next ")
    assert reports["total"]["verdict"] != "fail"


def test_what_has_been_changed_since_it_was_packed_is_found(tmp_path, capsys):
    package = models.total(tmp_path / "models")
    (package.folder / "more.txt").write_text("not in the manifest")
    loads = by_id(checked(capsys, str(package.folder), status=1))["loads"]
    assert "more.txt is not in the manifest" in loads["measured"]


def test_the_newest_version_is_checked_and_an_older_one_by_its_number(tmp_path, capsys):
    for version in (1, 2):
        models.total(tmp_path / "models", version=version)
    assert checked(capsys, "total")["version"] == 2
    assert checked(capsys, "total@1")["version"] == 1


def test_what_is_not_there_is_said(tmp_path, capsys):
    models.total(tmp_path / "models")
    assert main(["check", "totla"]) == 2
    assert "totla does not exist. Did you mean total?" in capsys.readouterr().err
    assert main(["check", "nothing.onnx"]) == 2
    assert "nothing.onnx does not exist. Name a repository" in capsys.readouterr().err
    assert main(["check", "total@7"]) == 2
    assert "there is no total@7. Versions of total: 1" in capsys.readouterr().err


# --- the forms -----------------------------------------------------------------------------------


def test_hostile_words_and_columns_do_nothing_in_any_form(tmp_path, capsys):
    escaped = json.dumps(HOSTILE)
    models.total(
        tmp_path / "models", words=f"[words]\npurpose = {escaped}\n[units]\na = {escaped}\n"
    )
    assert main(["check", "--for", "internet", "--html", "--output", "page.html"]) == 1
    assert "NOT READY" in capsys.readouterr().out
    page = Path("page.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd[31m" in page
    kept = read_report(Path(".fairlead"), "total", 1)
    assert kept is not None
    assert by_id(kept)["purpose"]["measured"] == HOSTILE
    assert "\x1b" not in text([kept])


def test_a_report_that_cannot_be_written_is_an_error(tmp_path, capsys):
    models.total(tmp_path / "models")
    assert main(["check", "--output", "nowhere/report.txt"]) == 2
    assert "the report cannot be written" in capsys.readouterr().err


def test_text_shows_only_what_matters(tmp_path, capsys):
    models.total(tmp_path / "models")
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    assert "Is it said what the model is for?" in told
    assert "Does the model answer its own example?" not in told
    assert re.search(r"^total version 1: ready for this laptop alone: ", told, re.M)
