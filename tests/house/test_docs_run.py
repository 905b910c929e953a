"""The pages of docs/ keep what they show: blocks marked `test` are run, links lead somewhere.

    ```python test file=train.py    the block becomes this file (any language)
    ```python test                  is run by this Python; neighbours share their variables
    ```bash test                    is run by bash, and must succeed
    ```bash test serve              is started, and serves until the end of the pages
    ```text output                  what the run before it printed, whatever the numbers

Pages that build on one another are run in one folder, in the order of `WALKS`. Run as a program,
this file writes what was printed into the pages: `python -m tests.house.test_docs_run`.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.house.trained import TRAIN

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WALKS = [
    (
        "tutorials/first-service.md",
        "how-to/call-from-python.md",
        "how-to/predict-whole-files.md",
        "how-to/speak-oip.md",
        "how-to/read-the-openapi.md",
        "how-to/run-in-a-cloud.md",
        "how-to/amend-a-model.md",
        "how-to/read-the-errors.md",
        "how-to/check-before-you-deploy.md",
        "how-to/profile-a-model.md",
        "how-to/plan-capacity.md",
    ),
    (
        "how-to/guard-a-model.md",
        "how-to/run-the-server.md",
        "how-to/send-true-labels.md",
        "how-to/see-who-used-what.md",
    ),
    ("how-to/pack-each-format.md",),
    ("how-to/move-from-tensorflow-serving.md",),
    ("how-to/serve-pictures.md",),
    ("how-to/serve-raw-text.md",),
    ("how-to/stream-answers.md",),
    ("how-to/watch-for-drift.md",),
    ("how-to/sell-plans.md",),
    ("reference/prices.md",),
    ("how-to/give-out-keys.md", "how-to/rotate-a-leaked-key.md"),
    ("how-to/back-up-the-state.md",),
    ("tutorials/a-service-to-depend-on.md",),
    ("tutorials/guarded-classification.md",),
    ("tutorials/guarded-regression.md",),
    ("tutorials/guarded-embedding.md",),
]
PREPARED = {"how-to/guard-a-model.md"}
"""Walks whose reader has a trained model already: `tests/house/trained.py`."""

_BLOCK = re.compile(r"^( *)```(\w+)([^\n`]*)\n(.*?)^\1```$", re.M | re.S)
_NUMBER = re.compile(r"-?\d+(\.\d+)*(e[-+]?\d+)?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.M | re.S)
_BETWEEN = "\x1e"


@dataclass
class Block:
    """A fenced block: its language, the words after it, its text without indentation."""

    language: str
    words: list[str]
    text: str

    @property
    def file(self) -> str:
        """The file that it becomes, "" for none."""
        named = [w.removeprefix("file=") for w in self.words if w.startswith("file=")]
        return named[0] if named else ""


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are run or show what came of it, in order."""
    found: list[Block] = []
    for indent, language, words, text in _BLOCK.findall(page.read_text()):
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        found.append(Block(language, words.split(), "\n".join(lines) + "\n"))
    return [b for b in found if "test" in b.words or "output" in b.words]


@dataclass
class Walk:
    """Runs blocks in a folder as a reader would."""

    folder: Path
    port: int
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, block: Block) -> str:
        """What the block prints."""
        text = block.text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        if block.file:
            (self.folder / block.file).write_text(text)
            return ""
        if "serve" in block.words:
            return self._serve(text)
        command = ["bash", "-euo", "pipefail", "-c", text]
        if block.language == "python":
            command = [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, text: str) -> str:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if line.startswith("  at http"):
                return said
        raise AssertionError(f"{text} ended: {said}")

    def _environment(self) -> dict[str, str]:
        """A new user's: no variable of ours but the port that is free here."""
        return {
            "HOME": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "PYTHONPATH": str(self.folder),
            "PYTHONWARNINGS": "ignore",
            "FAIRLEAD_SERVER__PORT": str(self.port),
        }

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
            server.communicate()


def neighbours(page: list[Block]) -> Iterator[tuple[Block, list[Block]]]:
    """Every run with the blocks that it shares its variables with, itself first."""
    taken: set[int] = set()
    for number, block in enumerate(page):
        if "output" in block.words or number in taken:
            continue
        together = [block]
        if block.language == "python" and not block.file:
            for later in range(number + 1, len(page)):
                if "output" in page[later].words:
                    continue
                if page[later].language != "python" or page[later].file:
                    break
                together.append(page[later])
                taken.add(later)
        yield block, together


def outcomes(walk: Walk, page: Path) -> Iterator[tuple[Block, str]]:
    """Every run of a page with what it printed, in order."""
    for _, together in neighbours(blocks(page)):
        joined = f"print({_BETWEEN!r}, end='')\n".join(b.text for b in together)
        first = together[0]
        said = walk.run(Block(first.language, first.words, joined))
        yield from zip(together, said.split(_BETWEEN), strict=True)


def shown(page: Path) -> list[tuple[Block, str | None]]:
    """Every run of a page with the output that the page shows for it, None for none."""
    found: list[tuple[Block, str | None]] = []
    for block in blocks(page):
        if "output" in block.words:
            found[-1] = (found[-1][0], block.text)
        else:
            found.append((block, None))
    return found


def plain(text: str) -> str:
    """Text in which every number is the same one: they differ between machines and versions."""
    lines = [line.rstrip() for line in _NUMBER.sub("0", text).strip().splitlines()]
    return re.sub(r" +", " ", "\n".join(lines))


def refreshed(text: str, said: list[str]) -> str:
    """A page with what its runs printed in the place of what it showed."""
    number = -1

    def block(found: re.Match[str]) -> str:
        nonlocal number
        indent, language, words, _ = found.groups()
        number += "test" in words.split()
        if "output" not in words.split():
            return found[0]
        lines = [(indent + line).rstrip() for line in said[number].rstrip().splitlines()]
        return "\n".join([f"{indent}```{language}{words}", *lines, f"{indent}```"])

    return _BLOCK.sub(block, text)


@contextmanager
def walking(folder: Path, pages: tuple[str, ...]) -> Iterator[Walk]:
    """A walk over pages in a folder, on a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    walk = Walk(folder, port)
    if pages[0] in PREPARED:
        walk.run(Block("python", [], TRAIN))
    try:
        yield walk
    finally:
        walk.close()


@pytest.fixture
def walk(tmp_path: Path, pages: tuple[str, ...]) -> Iterator[Walk]:
    with walking(tmp_path, pages) as walk:
        yield walk


@pytest.mark.timeout(500)
@pytest.mark.parametrize("pages", WALKS, ids=lambda pages: pages[0])
def test_the_marked_blocks_of_the_pages_run_and_print_what_is_shown(pages, walk):
    for page in pages:
        expected = shown(DOCS / page)
        ran = list(outcomes(walk, DOCS / page))
        assert len(ran) == len(expected) > 0
        for (block, said), (_, promised) in zip(ran, expected, strict=True):
            if promised is not None:
                assert plain(said) == plain(promised), f"{page}: after\n{block.text}"


def test_every_page_with_marked_blocks_is_walked():
    marked = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if shown(page)}
    assert marked == {page for pages in WALKS for page in pages}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on the web."""
    text = _CODE.sub(lambda m: "" if "\n" in m[0] else m[0].strip("`"), page.read_text())
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    kept = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.strip().replace(" ", "-") for head in kept}


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_of_this_repository(page):
    broken: list[str] = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        known = target.exists() and target.is_relative_to(ROOT)
        if not known or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


if __name__ == "__main__":
    for pages in WALKS:
        with tempfile.TemporaryDirectory() as folder, walking(Path(folder), pages) as walk:
            for page in pages:
                said = [s.replace(str(walk.port), "8080") for _, s in outcomes(walk, DOCS / page)]
                (DOCS / page).write_text(refreshed((DOCS / page).read_text(), said))
                print(f"docs/{page}")
