"""What fixes something is a command or a line that is taken as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from tests.readiness.facts import GOOD, but
from tests.readiness.test_answers import NO_FILES, TABLE, found, keys

from fairlead.assembly.config import load
from fairlead.cli.main import command_parser
from fairlead.core.allowance import parse_limits
from fairlead.core.preparation import Picture
from fairlead.documents.card_words import KNOWN
from fairlead.packages.read import read_words


def test_a_fix_names_the_model_the_repository_and_the_file_it_was_packed_from():
    fix = found("contact", but(GOOD, package__words={})).fix
    assert fix == (
        'contact = "..." under [words] of model.toml; '
        "fairlead amend iris --repository models --model-toml model.toml"
    )
    bare = but(GOOD, package__files=NO_FILES, package__words={}, evaluation={})
    fix = found("drift-watched", bare).fix
    assert fix == "fairlead pack iris.joblib --name iris --repository models --reference rows.csv"


def test_a_fix_packs_again_with_all_that_was_given_before():
    shown = found("accuracy-known", but(GOOD, evaluation={})).fix
    assert shown == (
        "fairlead pack iris.joblib --name iris --repository models --reference rows.csv "
        "--evaluation labelled.csv --target COLUMN --model-toml model.toml"
    )
    function = but(GOOD, evaluation={}, package__words={}, package__runtime="python")
    function = but(function, package__trained={"file": "my price.py", "class": "price"})
    assert "pack 'my price.py:price' --name" in found("accuracy-known", function).fix
    picture = but(function, package__preparations=(Picture("x", "image", (8, 8)),))
    shown = found("accuracy-known", picture).fix
    assert "--reference pictures --evaluation" in shown
    assert shown.endswith("--model-toml model.toml")


def test_labelled_rows_that_judge_nothing_need_to_know_what_the_outputs_are():
    finding = found("accuracy-known", but(GOOD, evaluation={"rows": 797}))
    assert finding.measured.startswith("unknown: 797 labelled rows were given, and nobody has said")
    assert finding.measured.endswith("role under [outputs.label] of model.toml")
    assert finding.fix.endswith("--evaluation labelled.csv --target COLUMN --model-toml model.toml")


def test_the_fix_of_an_empty_card_names_every_question_and_that_of_units_every_column():
    fix = found("card-complete", but(GOOD, package__words={})).fix
    assert [word.key for word in KNOWN if f'{word.key} = "..."' not in fix] == []
    fix = found("units", but(GOOD, package__words={})).fix
    columns = [column.name for column in GOOD.package.signature.columns]
    assert [name for name in columns if f'"{name}" = "..."' not in fix] == []


def test_a_trained_file_that_is_not_packed_is_packed_first():
    facts = but(GOOD, package__words={}, given="iris.onnx", repository="", evaluation={})
    facts = but(facts, package__files=NO_FILES)
    fix = found("contact", facts).fix
    assert fix.endswith(
        "fairlead pack iris.onnx --name iris --repository models --model-toml model.toml"
    )


def test_what_somebody_called_a_key_is_quoted_for_a_shell():
    fix = found("keys-end", but(GOOD, callers__keys=keys(name="$(rm -rf .)", ends=False))).fix
    assert "fairlead keys revoke '$(rm -rf .)' --state .fairlead" in fix


def test_limits_are_named_as_they_are_written():
    facts = but(GOOD, package__limits__usage=parse_limits(["requests=5/second"]))
    assert found("usage-limits", facts).measured == "all callers together: requests=5/second"


COMMAND = re.compile(r"fairlead (\w+) ((?:'[^']*'|[^'])*?)(?=; |, |$)")
LINE = re.compile(r"(.+) under \[(\w+)\] of (model|fairlead)\.toml(?:; |$)")


def fixes() -> Iterator[str]:
    for id_, changes, _ in TABLE:
        for more in ({}, {"repository": "", "given": "iris.onnx"}):
            yield found(id_, but(GOOD, **changes, **more)).fix


def test_every_command_of_a_fix_is_one_that_is_taken():
    commands = {match.groups() for fix in fixes() for match in COMMAND.finditer(fix)}
    assert {name for name, _ in commands} >= {"serve", "pack", "amend", "keys", "plans", "state"}
    for name, given in commands:
        command_parser(name).parse_args(shlex.split(given))


def test_every_line_of_a_fix_is_one_that_is_taken(tmp_path):
    lines = {match.groups() for fix in fixes() for match in LINE.finditer(fix)}
    assert {section for _, section, _ in lines} >= {"words", "limits", "guards", "expect", "usage"}
    for text, section, file in lines:
        toml = f"[{section}]\n" + text.replace(" and ", "\n")
        if file == "model":
            read_words(toml.encode(), "here")
        else:
            (tmp_path / "fairlead.toml").write_text(toml)
            load({}, {}, tmp_path / "fairlead.toml")
