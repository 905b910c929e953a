"""Where links of the pages lead: to another page, to a heading, to a file that is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from scripts.site.book import KINDS, Entry
from scripts.site.frame import Way, kind_place
from scripts.site.render import DARK, LIGHT


@dataclass
class Links:
    """Resolves links and remembers what they need; `dead` says which lead nowhere.

    sources: files and folders beside docs/ that pages link to; pictures: those that they show.
    """

    root: Path
    book: list[Entry]
    dead: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    _anchors: dict[str, set[str]] = field(default_factory=dict)
    _asked: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = {entry.source: entry.place for entry in self.book}
        self._places |= {"README.md": "index.html", "docs/README.md": "index.html"}
        self._places |= {f"docs/{kind}": kind_place(kind) for kind in KINDS}
        self._places |= {"docs/adr": "adr/index.html", "docs/trials": "trials/index.html"}

    def resolver(self, source: str, here: str) -> Resolver:
        """How a source's links are written on the page that is here."""
        return Resolver(self, source, here)

    def resolve(self, source: str, here: str, link: str) -> str:
        """The link as the page writes it; one that leads nowhere is kept in mind."""
        if link.startswith(("http://", "https://")):
            return link
        path, _, anchor = link.partition("#")
        place = self._place(source, path) if path else here
        if place is None:
            self.dead.append(f"{source}: {link}")
            return link
        if anchor:
            self._asked.append((f"{source}: {link}", place, anchor))
        ended = f"#{anchor}" if anchor else ""
        return ended if place == here and anchor else Way(here).to(place) + ended

    def size(self, source: str, link: str) -> tuple[int, int]:
        """Width and height of a PNG file, in pixels; (0, 0) for one that is not there."""
        file = self.root / _target(source, link)
        if not file.is_file():
            return 0, 0
        head = file.read_bytes()[16:24]
        return int.from_bytes(head[:4]), int.from_bytes(head[4:])

    def _place(self, source: str, path: str) -> str | None:
        target = _target(source, path)
        if target in self._places:
            return self._places[target]
        if target.startswith("..") or not (self.root / target).exists():
            return None
        if target.endswith(".png"):
            twin = target.replace(LIGHT, DARK)
            self.pictures |= {target, twin}
            return target.removeprefix("docs/") if (self.root / twin).is_file() else None
        self.sources.add(target)
        return source_place(target)

    def knows(self, place: str, anchors: set[str]) -> None:
        """A page is there, with these anchors."""
        self._anchors[place] = anchors

    def broken(self) -> list[str]:
        """Every link that leads nowhere, once all pages are made."""
        lost = [
            said
            for said, place, anchor in self._asked
            if place in self._anchors and anchor not in self._anchors[place]
        ]
        return sorted(self.dead + lost)


@dataclass(frozen=True)
class Resolver:
    """The links of one source, on the page where it is shown."""

    links: Links
    source: str
    here: str

    def __call__(self, link: str) -> str:
        return self.links.resolve(self.source, self.here, link)

    def size(self, link: str) -> tuple[int, int]:
        """Width and height of a picture in pixels."""
        return self.links.size(self.source, link)


def _target(source: str, path: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(source), path))


def source_place(path: str) -> str:
    """Where a file or folder of the repository is shown."""
    return f"source/{path}.html"
