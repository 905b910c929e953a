"""Blocks of docs/ that no test runs: each is accounted for, and still says what is there.

Which they are, and why, stands in a table of docs/explanation/how-these-pages-stay-true.md.
Commands are held against the parser of the command line, requests against the documented
addresses, files against the formats that they are in.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from tests.house.source import ROOT
from tests.house.test_docs_run import DOCS

import fairlead
from fairlead.access.identity_rules import Issuer, parse_identities
from fairlead.assembly import config
from fairlead.assembly.settings import SECTIONS
from fairlead.cli.main import COMMANDS, command_parser
from fairlead.guards.contract import Contract
from fairlead.packages.read import WORDS, read_words

TABLE = DOCS / "explanation" / "how-these-pages-stay-true.md"
_BLOCK = re.compile(r"^( *)```(\w*)([^\n`]*)\n(.*?)^\1```$", re.M | re.S)
_ROW = re.compile(r"^\| \[[^\]]+\]\(([^)]+)\) \| (\d+) \| (.+) \|$", re.M)
OTHER = {"openssl", "old/bin/pip", "echo", "apt-get", "sort"}
"""Programs of others that pages name; what they would do is theirs to test."""


def standing(page: Path) -> list[tuple[str, str]]:
    """The language and the text of every block of a page that is not run."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        (language, "".join(line.removeprefix(indent) for line in text.splitlines(True)))
        for indent, language, words, text in found
        if not {"test", "output"} & {*words.split()}
    ]


PAGES = {
    page.relative_to(DOCS).as_posix(): found
    for page in sorted(DOCS.rglob("*.md"))
    if (found := standing(page)) and page.parent.name != "trials"
}


def of(*languages: str) -> list[tuple[str, str]]:
    """Every block in these languages, by page; the test has the page's name."""
    return [(p, text) for p, found in PAGES.items() for name, text in found if name in languages]


def test_every_block_that_is_not_run_is_in_the_table_with_a_reason():
    listed = {
        (TABLE.parent / link).resolve().relative_to(DOCS).as_posix(): (int(count), why)
        for link, count, why in _ROW.findall(TABLE.read_text(encoding="utf-8"))
    }
    assert {page: count for page, (count, _) in listed.items()} == {
        page: len(found) for page, found in PAGES.items()
    }
    assert all(len(why.split()) > 2 for _, why in listed.values())


def lines() -> list[tuple[str, str]]:
    """Every command line of the blocks for a terminal, continuation lines joined."""
    found: list[tuple[str, str]] = []
    for page, text in of("bash", "console"):
        shell = re.sub(r"\\\n\s*", " ", text).splitlines()
        prompts = [line.removeprefix("$ ") for line in shell if line.startswith("$ ")]
        found += [(page, line.split(" #")[0].strip()) for line in prompts or shell if line.strip()]
    return found


@pytest.mark.parametrize(("page", "line"), lines())
def test_a_command_that_is_shown_is_one_that_there_is(page, line):
    words = shlex.split(line)
    words = words[: words.index("|")] if "|" in words else words
    words = words[: words.index(">")] if ">" in words else words
    if words[0] == "fairlead":
        assert words[1] in COMMANDS
        command_parser(words[1]).parse_args(words[2:])
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert words[1] in targets
    elif words[:2] == ["pip", "install"]:
        extras(line)
    elif words[0].startswith("python"):
        assert words[1] == "-m"
        assert importlib.util.find_spec(words[2])
    elif words[0] == "curl":
        known_address(line)
    elif "=" in words[0]:
        assert words[0].startswith("FAIRLEAD_")
    else:
        assert words[0] in OTHER


def extras(line: str) -> None:
    """Every extra that is named is one of the project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"fairlead\[([\w,]+)\]", line)
    assert {e for names in named for e in names.split(",")} <= {*project["optional-dependencies"]}


def known_address(line: str) -> None:
    """The address that is asked is documented."""
    pages = [(DOCS / "reference" / f"{p}.md").read_text() for p in ("http", "administration")]
    paths = re.findall(r"^### `?(?:GET|POST|PUT) ([^`\n]+)", "\n".join(pages), re.M)
    asked = re.search(r"https?://[^/\s]+(/[^\s?'\"]*)", line)
    assert asked
    assert any(re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", path), asked[1]) for path in paths)


@pytest.mark.parametrize(("page", "text"), of("json"))
def test_json_that_is_shown_is_json(page, text):
    """One value, or one a line, as streams of answers are."""
    reader, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        _, at = reader.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
    assert at


@pytest.mark.parametrize(("page", "text"), of("yaml"))
def test_yaml_that_is_shown_is_yaml(page, text):
    assert [*yaml.safe_load_all(text)]


@pytest.mark.parametrize(("page", "text"), of("toml"))
def test_settings_that_are_shown_are_settings_that_there_are(page, text, tmp_path):
    told = tomllib.loads(text)
    if {*told} <= {*SECTIONS}:
        (tmp_path / "fairlead.toml").write_text(text)
        config.load({}, {}, tmp_path / "fairlead.toml")
    elif {*told} <= {"certificate", "issuer"}:
        assert parse_identities(text, tmp_path)
    elif "client" in told:
        assert {*told} <= {field.name for field in fields(Issuer)}
    elif "columns" in told:
        assert Contract.from_toml(f"format = 1\n{text}").rules
    else:
        assert {*told} <= {*WORDS}
        read_words(text.encode(), page)


@pytest.mark.parametrize(("page", "text"), of("python"))
def test_python_that_is_shown_is_python_and_names_what_there_is(page, text):
    signature = re.fullmatch(r"(fairlead\.)(\w+)(\(.*\))( -> \w+)?\n", text, re.S)
    if signature is None:
        ast.parse(text)
        return
    (shown,) = ast.parse(f"def {signature[2]}{signature[3]}: ...").body
    assert isinstance(shown, ast.FunctionDef)
    told = shown.args
    names = [a.arg for a in (*told.args, *([told.vararg] if told.vararg else []), *told.kwonlyargs)]
    assert names == [*inspect.signature(getattr(fairlead, signature[2])).parameters]
