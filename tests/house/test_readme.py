"""README.md keeps its word: what it shows is run as it stands, with a model like the one it names.

Every block is dealt with: `make` lines name targets of the Makefile, `pip install` lines extras of
the project, and all else is run by bash and by Python in a folder that holds `model.joblib`,
`train.csv` and `test.csv`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from scripts.site.book import read_book
from tests.house.source import ROOT
from tests.house.trained import TRAIN
from tests.processes import Running

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def commands() -> list[str]:
    """The command lines of the bash blocks, comments and continuation lines taken out."""
    text = "\n".join(body for language, body in BLOCKS if language == "bash")
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip()]


def starting(word: str) -> list[str]:
    return [line for line in commands() if line.startswith(f"{word} ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a reader would be: with a trained model and rows."""
    made = tmp_path_factory.mktemp("readme")
    run(made, sys.executable, "-W", "ignore", "-c", TRAIN)
    return made


def run(folder: Path, *command: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_of_the_readme_is_one_that_is_tried_here():
    kinds = {line.split()[0] for line in commands()}
    assert kinds == {"make", "pip", "fairlead", "curl"}
    assert {language for language, _ in BLOCKS} == {"bash", "json", "python"}


def test_what_it_asks_make_for_is_there():
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M)
    asked = [line.split()[1] for line in starting("make")]
    assert asked[:2] == ["demo", "test"], "README opens with these"
    assert set(asked) <= set(targets)


def test_the_extras_that_it_names_are_there():
    named = set(re.findall(r"fairlead\[([\w,]+)\]", README))
    assert named
    assert {extra for names in named for extra in names.split(",")} <= set(EXTRAS)


def test_every_page_of_the_docs_is_named_by_an_index():
    """The site cannot be made of others: nobody would find them."""
    there = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}
    named = {entry.source for entry in read_book()}
    assert named == there - {"docs/README.md"} | {"CHANGELOG.md"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_its_commands_run_and_curl_gets_the_answer_that_it_shows(folder):
    here = Path(sys.executable).parent
    for line in starting("fairlead"):
        if line.startswith("fairlead profile"):
            line += " --budget 2"  # it would take a minute, as who reads it has time for
        if not line.startswith(("fairlead serve", "fairlead check")):
            run(folder, "bash", "-euc", f"{here}/{line}")
    (check,) = [line for line in starting("fairlead") if line.startswith("fairlead check")]
    # It says by its exit status that something is still to be done before the internet comes.
    assert "NOT READY for the internet" in run(folder, "bash", "-uc", f"{here}/{check}; true")
    serve = next(line for line in starting("fairlead") if line.startswith("fairlead serve"))
    running = Running(
        *[str(folder / word) for word in serve.split()[2:]],
        "--port", "0", "--workers", "1", "--state", str(folder / "state"),
    )  # fmt: skip
    try:
        running.greeted()
        (asked,) = starting("curl")
        line = asked.replace("127.0.0.1:8080", f"127.0.0.1:{running.port}")
        answer = json.loads(run(folder, "bash", "-euc", line.replace("curl", "curl -s")))
    finally:
        running.end()
    (shown,) = [json.loads(body) for language, body in BLOCKS if language == "json"]
    assert shape(answer) == shape(shown)


def shape(value: Any) -> Any:
    """JSON without its numbers, and without the label and the set that they decide."""
    if isinstance(value, dict):
        return {k: "" if k in ("label", "set") else shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return 0.0 if isinstance(value, float) else value


def test_its_python_runs_in_a_notebook_that_holds_the_model(folder, tmp_path):
    (block,) = [body for language, body in BLOCKS if language == "python"]
    program = TRAIN + block.replace("port=0", f"port=0, workers=1, state={str(tmp_path)!r}")
    said = run(tmp_path, sys.executable, "-W", "ignore", "-c", program)
    assert re.search(r"^http://127\.0\.0\.1:\d+ \['leaves'\]$", said, re.M), said
