"""The front page: what Fairlead is, the seven questions, and the four kinds of pages."""

from __future__ import annotations

import html
import re
from pathlib import Path

from scripts.site.book import KINDS, Entry, SiteError
from scripts.site.frame import Way, frame, kind_place
from scripts.site.links import Links
from scripts.site.render import block, inline, slug

_QUESTION = re.compile(r"^\| \*\*(.+?)\*\* \| (.*?) \|(.*?)\|$", re.M)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_SHOWN = 5
"""Pages of a kind that the front page names."""


def front(root: Path, links: Links, book: list[Entry]) -> tuple[str, set[str]]:
    """The page, and its anchors.

    Raises SiteError when README.md or docs/README.md no longer holds what it is made from.
    """
    way, readme = Way("index.html"), (root / "README.md").read_text(encoding="utf-8")
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    lead = readme.split("\n\n")[1].strip()
    taken: set[str] = set()
    main = "\n".join(
        [
            _hero(way, lead, readme),
            _questions(links, index, taken),
            _kinds(way, book),
            _true(links, index, taken),
        ]
    )
    return frame(way, "Fairlead", lead, main, wide=True), taken


def _hero(way: Way, lead: str, readme: str) -> str:
    blocks = _FENCE.findall(readme)
    pack = next((text for name, text in blocks if "fairlead pack" in text), "")
    answer = next((text for name, text in blocks if name == "json"), "")
    ask = next((text for name, text in blocks if text.startswith("curl")), "")
    if not (pack and answer and ask):
        raise SiteError("README.md shows no packing, asking and answer any more")
    steps = re.sub(r" +# .*$", "", pack, flags=re.M)
    return (
        f'<section class="hero"><div><p class="eyebrow">Model server</p><h1>Fairlead</h1>'
        f'<p class="lead">{html.escape(lead)}</p>'
        f'<p class="go"><a class="button" href="{way.to("tutorials/first-service.html")}">'
        f'Build a first service</a> <a href="{way.to("tutorials/index.html")}">All tutorials</a>'
        f"</p></div><div>{block(steps, 'bash')}{block(ask, 'bash')}"
        f"{block(answer, 'json output')}</div></section>"
    )


def _questions(links: Links, index: str, taken: set[str]) -> str:
    found = _QUESTION.findall(index)
    if not found:
        raise SiteError("docs/README.md has no table of questions any more")
    resolve = links.resolver("docs/README.md", "index.html")
    cards = ""
    for question, read, missing in found:
        later = f'<p class="later">Not there yet: {inline(missing.strip(), resolve)}</p>'
        cards += (
            f'<article id="{slug(question, taken)}"><h3>{html.escape(question)}</h3>'
            f"<p>{inline(read, resolve)}</p>{later if missing.strip() else ''}</article>"
        )
    return (
        '<section class="asked"><h2>Seven questions before a model goes into the world</h2>'
        f'<div class="questions">{cards}</div></section>'
    )


def _kinds(way: Way, book: list[Entry]) -> str:
    columns = ""
    for kind, (words, about) in KINDS.items():
        pages = [e for e in book if e.kind == kind and e.folder in (kind, "")]
        items = "".join(
            f'<li><a href="{way.to(entry.place)}">{html.escape(entry.title)}</a></li>'
            for entry in pages[:_SHOWN]
        )
        more = f'<li><a href="{way.to(kind_place(kind))}">All {len(pages)} pages</a></li>'
        columns += (
            f'<section><h3><a href="{way.to(kind_place(kind))}">{words}</a></h3><p>{about}</p>'
            f"<ul>{items}{more if len(pages) > _SHOWN else ''}</ul></section>"
        )
    return (
        '<section class="asked"><h2>Read what you need</h2>'
        f'<div class="four">{columns}</div></section>'
    )


def _true(links: Links, index: str, taken: set[str]) -> str:
    """The last words of docs/README.md: why these pages can be believed."""
    title, _, words = index.rpartition("\n## ")[2].partition("\n")
    resolve = links.resolver("docs/README.md", "index.html")
    said = "".join(f"<p>{inline(part, resolve)}</p>" for part in words.strip().split("\n\n"))
    head = f'<h2 id="{slug(title, taken)}">{html.escape(title)}</h2>'
    return f'<section class="asked">{head}{said}</section>'
