"""Figures can be made again, whatever does not fit is named, and amending keeps them true."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests import models

import fairlead
from fairlead.core.errors import BadUsage, FileUnreadable, PackageInvalid
from fairlead.core.package import Package
from fairlead.documents.card_facts import card_of
from fairlead.packages.read import open_package, read_verified
from fairlead.packing import write
from fairlead.packing.amend import amend
from fairlead.packing.card import known_card
from fairlead.packing.statistics import FILE
from fairlead.packing.verify_card import differences, slower

RANDOM = np.random.default_rng(5)
SEX = RANDOM.choice(["f", "m"], 600).astype(object)
X = RANDOM.normal(size=(600, 2))
Y = np.where(X[:, 0] + 0.5 * RANDOM.normal(size=600) > 0, "yes", "no")


def rows(part: slice) -> dict[str, Any]:
    return {"a": X[part, 0], "b": X[part, 1]}


def packed(folder: Path, **more: Any) -> Package:
    evaluation = {**rows(slice(300, 600)), "sex": SEX[300:]}
    return fairlead.pack(
        LogisticRegression().fit(X[:300], Y[:300]),
        name="m",
        repository=folder,
        reference=rows(slice(300)),
        evaluation=(evaluation, Y[300:]),
        **more,
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    packed(folder)
    return folder


@pytest.fixture
def repository(original, tmp_path) -> Path:
    shutil.copytree(original, tmp_path / "repository")
    return tmp_path / "repository"


def facts(package: Package) -> dict[str, Any]:
    return json.loads(read_verified(package, FILE))


def words(repository: Path, text: str) -> Path:
    path = repository.parent / "model.toml"
    path.write_text(text)
    return path


def doctored(repository: Path, change: Any, name: str = FILE) -> Package:
    """The next version with other facts, under a manifest that agrees with them."""
    package = open_package(repository / "m" / "1")
    told = json.loads(read_verified(package, name))
    change(told)
    files: dict[str, bytes | Path] = {n: read_verified(package, n) for n in package.files}
    files[name] = write.json_bytes(told)
    about = {
        "runtime": package.runtime, "isolated": package.isolated, "graph": package.graph,
        "reason": "", "trained": package.trained, "environment": package.environment,
    }  # fmt: skip
    return write.commit(repository, "m", None, about, files)


def test_every_figure_of_a_fresh_package_is_made_again_to_the_last_digit(repository):
    assert differences(open_package(repository / "m" / "1"), near=0.0) == []


def test_the_last_digit_may_differ_where_another_machine_adds_in_another_order(repository):
    def change(told: Any) -> None:
        told["metrics"][3]["value"] *= 1 + 2e-6

    other = doctored(repository, change)
    assert differences(other) == []
    (line,) = differences(other, near=0.0)
    assert line.startswith("metrics[auc].value")


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        (("metrics", 0, "value"), 0.99, "metrics[accuracy].value: the card says 0.99"),
        (("metrics", 3, "low"), 0.1, "metrics[auc].low: the card says 0.1"),
        (("confusion", "table", 0, 0), 9999, "confusion.table[0][0]: the card says 9999"),
        (("reliability", "calibrated", "ece"), 0.0, "reliability.calibrated.ece"),
        (("risk_coverage", "augrc"), 0.0, "risk_coverage.augrc"),
        (("sets", 1, "reached"), 1.0, "sets[0.9].reached"),
        (("novelty", "histogram", 0), 0, "novelty.histogram[0]"),
        (("robustness", 3, "refused"), 0.0, "robustness[one value a row times 1000].refused"),
        (("identity", "parameters"), 1, "identity.parameters"),
        (("slices", "worst", "worse"), None, "slices.worst.worse"),
    ],
)
def test_a_figure_that_was_changed_is_named_and_no_other(repository, place, value, line):
    def change(told: Any) -> None:
        for step in place[:-1]:
            told = told[step]
        told[place[-1]] = value

    (found,) = differences(doctored(repository, change))
    assert found.startswith(line)


def test_what_was_left_out_or_added_is_named(repository):
    (line,) = differences(doctored(repository, lambda told: told.pop("baseline")))
    assert line.startswith("baseline: the card does not say it; measured now {")
    (line,) = differences(doctored(repository, lambda told: told.update(prize="gold")))
    assert line == "prize: the card says gold, and it is not measured now"


def test_rows_that_were_left_out_are_given_and_must_be_the_same(tmp_path):
    package = packed(tmp_path / "repository", evidence=False)
    with pytest.raises(BadUsage, match="does not hold the evaluation rows") as missing:
        differences(package)
    assert missing.value.fix == "Give them: --evaluation ROWS --target target"
    lines = ["a,b,sex,target"]
    table = zip(*X[300:].T.tolist(), SEX[300:], Y[300:], strict=True)
    lines += [",".join(map(str, row)) for row in table]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(lines) + "\n")
    assert differences(package, (file, "target")) == []
    file.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(FileUnreadable, match="not the evaluation rows"):
        differences(package, (file, "target"))


def test_a_package_without_labelled_rows_is_verified_by_its_graph(tmp_path):
    package = fairlead.pack(
        LogisticRegression().fit(X, Y), name="m", repository=tmp_path, reference=rows(slice(300))
    )
    assert differences(package) == []


def test_times_of_the_same_machine_that_are_far_apart_are_named(repository):
    def change(told: Any) -> None:
        told["profile"]["one"]["p50_ms"] *= 1e6

    (line,) = slower(doctored(repository, change, "measured.json"))
    assert line.startswith("profile.one.p50_ms: the card says ")
    assert "more than 5 times apart" in line


def test_times_of_another_machine_are_not_compared(repository):
    def change(told: Any) -> None:
        told["profile"]["one"]["p50_ms"] *= 1e6
        told["profile"]["machine"] = "another"

    assert slower(doctored(repository, change, "measured.json")) == []


def test_a_package_without_facts_is_said(tmp_path):
    with pytest.raises(PackageInvalid, match="no facts for a card"):
        differences(models.total(tmp_path))


def test_a_package_without_facts_has_a_card_all_the_same(tmp_path):
    made = card_of(known_card(models.classifier(tmp_path)))
    assert made["performance"] == "unknown"


# --- amending -----------------------------------------------------------------------------


def test_other_words_leave_the_facts_as_they_are(repository):
    second = amend(repository, "m", words(repository, '[words]\npurpose = "x"\n'))
    assert read_verified(second, FILE) == read_verified(open_package(repository / "m" / "1"), FILE)


def test_groups_that_are_named_later_are_measured(repository):
    text = '[card]\ngroups = ["sex"]\nfavourable = "yes"\n'
    second = amend(repository, "m", words(repository, text))
    (found,) = facts(second)["groups"]
    assert [group["group"] for group in found["groups"]] == ["f", "m"]
    assert found["four_fifths"]["value"] > 0.5
    assert differences(second) == []


def test_a_label_or_a_column_that_is_not_there_is_refused_and_nothing_written(repository):
    for text in ('[card]\ngroups = ["sex"]\nfavourable = "maybe"\n', '[card]\ngroups = ["x"]\n'):
        with pytest.raises(fairlead.FairleadError, match="card"):
            amend(repository, "m", words(repository, text))
    assert [p.name for p in (repository / "m").iterdir()] == ["1"]


def test_groups_without_evaluation_rows_are_refused(tmp_path):
    packed(tmp_path / "repository", evidence=False)
    with pytest.raises(BadUsage, match="does not hold"):
        amend(
            tmp_path / "repository",
            "m",
            words(tmp_path / "repository", '[card]\ngroups = ["sex"]\n'),
        )


def test_other_guards_are_measured_anew(repository):
    text = "[guards]\nfalse_alarm_rate = 0.2\n"
    second = amend(repository, "m", words(repository, text))
    assert facts(second)["novelty"]["false_alarm_rate"] == 0.2
    assert facts(second)["novelty"]["novel"] > 0.1
    assert differences(second) == []


def test_other_guards_without_evaluation_rows_leave_no_figures_of_the_old_ones(tmp_path):
    repository = tmp_path / "repository"
    packed(repository, evidence=False)
    second = amend(repository, "m", words(repository, "[guards]\nfalse_alarm_rate = 0.2\n"))
    assert not {"novelty", "robustness"} & facts(second).keys()
    assert facts(second)["metrics"]


def test_a_column_that_is_made_private_leaves_the_facts(repository):
    first = open_package(repository / "m" / "1")
    assert any(one["of"][0][0] == "a" for one in facts(first)["slices"]["slices"])
    contract = read_verified(first, "contract.toml").decode()
    file = repository.parent / "contract.toml"
    file.write_text(contract.replace('[columns."a"]', '[columns."a"]\nprivate = true'))
    assert file.read_text() != contract
    second = amend(repository, "m", contract=file)
    named = [pair[0] for one in facts(second)["slices"]["slices"] for pair in one["of"]]
    assert "a" not in named
    assert "b" in named
    assert differences(second) == []
