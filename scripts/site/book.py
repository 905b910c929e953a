"""What stands in the site: the pages of docs/, in the order in which docs/README.md names them.

A kind is a folder of docs/ (Diataxis: tutorials, how-to, reference, explanation; decisions and
trials beside them), a group is a third-level heading above links. A page that no index names, or
that two name, is an error: nobody would find it, or not know where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {
    "tutorials": ("Tutorials", "Learn by doing, from an empty folder to a model that answers."),
    "how-to": ("How-to guides", "One thing each, for people who know what they want."),
    "reference": ("Reference", "Every command, setting, address, error and format."),
    "explanation": ("Explanation", "How it works, and why it is built so."),
}
"""By folder of docs/: what readers call the kind, and what it is for."""

UNDER = {"adr": "explanation", "trials": "explanation"}
"""Folders with an index of their own, and the kind that they belong to."""

_INDEX = "docs/README.md"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+\.md)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.M | re.S)


class SiteError(Exception):
    """The site cannot be made: a link that leads nowhere, or a page that nobody finds."""


@dataclass(frozen=True)
class Entry:
    """A page: its source below the repository, its place in the site, and where it stands."""

    source: str
    place: str
    title: str
    kind: str
    group: str = ""
    folder: str = ""


def read_book(root: Path = ROOT) -> list[Entry]:
    """Every page in order. Raises SiteError for one that no index names."""
    found: dict[str, Entry] = {}
    for group, source in _named(root, _INDEX):
        found.setdefault(source, _entry(root, source, group))
        if source.endswith("/README.md"):
            for _, below in _named(root, source):
                found.setdefault(below, _entry(root, below, group))
    found["CHANGELOG.md"] = Entry("CHANGELOG.md", "changelog.html", "Changelog", "reference")
    there = {str(file.relative_to(root)) for file in (root / "docs").rglob("*.md")}
    lost = sorted(there - set(found) - {_INDEX})
    if lost:
        raise SiteError("no index names " + ", ".join(lost))
    order = list(KINDS)
    return sorted(found.values(), key=lambda entry: order.index(entry.kind))


def _named(root: Path, index: str) -> Iterator[tuple[str, str]]:
    """The pages that an index names, each with its group; of the first one, below its headings."""
    text = _FENCE.sub("", (root / index).read_text(encoding="utf-8"))
    if index == _INDEX:
        text = text[text.index("\n## ") :]
    group = ""
    for line in text.splitlines():
        if line.startswith("## "):
            group = ""
        elif line.startswith("### "):
            group = line.removeprefix("### ")
        for link in _LINK.findall(line):
            file = ((root / index).parent / link).resolve()
            if file.is_file() and file.is_relative_to(root / "docs"):
                yield group, str(file.relative_to(root))


def _entry(root: Path, source: str, group: str) -> Entry:
    text = (root / source).read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", text, re.M)
    if title is None:
        raise SiteError(f"{source} has no title")
    parts = Path(source).parts[1:-1]
    folder = parts[0] if parts else ""
    kind = UNDER.get(folder, folder or "explanation")
    place = str(Path(source).relative_to("docs").with_suffix(".html"))
    place = place.replace("README.html", "index.html")
    return Entry(source, place, title[1].replace("`", ""), kind, group, folder)
