"""The budgets of docs/explanation/the-house.md, and what may never drift apart."""

from __future__ import annotations

import ast
import inspect
import tomllib

import pytest
from tests.house.source import HOUSE, ROOT, files, tree

import fairlead
from fairlead.core.version import __version__

FILE_LINES, FUNCTION_LINES, COMPLEXITY, DEPENDENCIES = 400, 60, 10, 12
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_a_file_has_at_most_400_lines():
    long = {str(f.relative_to(ROOT)): n for f in files() if (n := _lines(f)) > FILE_LINES}
    assert long == {}


def _lines(file) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def test_a_function_has_at_most_60_lines():
    long: dict[str, int] = {}
    for file in files():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{file.relative_to(ROOT)}: {node.name}"] = lines
    assert long == {}


def test_ruff_holds_every_function_to_its_complexity():
    lint = PROJECT["tool"]["ruff"]["lint"]
    assert "C90" in lint["select"]
    assert lint["mccabe"]["max-complexity"] == COMPLEXITY
    assert not any("C90" in rules for rules in lint["per-file-ignores"].values())
    unheeded = [f for f in files() if f.is_relative_to(HOUSE) and "noqa: C90" in f.read_text()]
    assert unheeded == []


def test_the_base_install_is_small():
    assert len(PROJECT["project"]["dependencies"]) <= DEPENDENCIES


def test_every_room_of_the_house_says_what_it_is_for():
    """A module without a docstring tells nobody why it exists. An empty __init__ needs none."""
    silent = [
        str(f.relative_to(ROOT))
        for f in files()
        if f.is_relative_to(HOUSE) and tree(f).body and not ast.get_docstring(tree(f))
    ]
    assert silent == []


def test_the_version_is_the_same_everywhere():
    newest = next(
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    )
    assert PROJECT["project"]["version"] == __version__ == fairlead.__version__
    assert newest.split()[1] == __version__


# --- public names: changing one is a change for everybody who uses it -----------------------

PUBLIC = {
    "AsyncClient": ("url", "key", "timeout", "retries", "verify"),
    "Client": ("url", "key", "timeout", "retries", "verify"),
    "FairleadError": None,
    "__version__": None,
    "errors": None,
    "pack": (
        "model", "name", "repository", "reference", "evaluation", "version", "input_names",
        "evidence", "private", "false_alarm_rate", "novelty", "error_goal", "assurance",
        "embedding", "python", "requirements", "allow", "allow_code", "say",
    ),
    "serve": ("paths", "name", "host", "port", "workers", "state", "config"),
}  # fmt: skip
SERVER = {"log", "running", "stop", "url", "wait"}
ERROR = {"code", "column", "fix", "id", "line", "name", "row", "what", "where"}


def test_the_names_of_the_package_are_these():
    assert set(fairlead.__all__) == set(PUBLIC)
    assert {n for n in vars(fairlead) if not n.startswith("_")} - set(PUBLIC) <= {
        "TYPE_CHECKING", "Any", "import_module", *_rooms(),
    }  # fmt: skip


def _rooms() -> set[str]:
    """Modules become attributes of the package once something imports them."""
    return {path.stem for path in HOUSE.iterdir()}


@pytest.mark.parametrize(("name", "parameters"), [(n, p) for n, p in PUBLIC.items() if p])
def test_the_parameters_of_a_public_function_are_these(name, parameters):
    assert tuple(inspect.signature(getattr(fairlead, name)).parameters) == parameters


def test_the_names_of_a_server_and_of_an_error_are_these():
    from fairlead.assembly.handle import Server

    server = {n for n in dir(Server) if not n.startswith("_")} | {"url"}
    assert server == SERVER
    error = {n for n in dir(fairlead.FairleadError("x")) if not n.startswith("_")}
    assert error - set(dir(Exception())) == ERROR


def test_the_command_is_called_fairlead():
    assert PROJECT["project"]["scripts"] == {"fairlead": "fairlead.cli.main:main"}
