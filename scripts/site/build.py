"""Makes the site: reads docs/, writes a folder of static pages that need no server."""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from scripts.site.book import KINDS, ROOT, Entry, SiteError, read_book
from scripts.site.colours import style
from scripts.site.frame import Way, frame, in_short, kind_place, menu_of, neighbours, on_this_page
from scripts.site.front import front
from scripts.site.links import Links, source_place
from scripts.site.render import Heading, Rendered, code, render

_ASSETS = Path(__file__).parent / "assets"
_MOST_SUMMARY = 150


@dataclass
class Site:
    """The pages as they are made. base: the path of a host under which it shows the site."""

    out: Path
    base: str
    book: list[Entry]
    links: Links
    made: dict[str, Rendered]

    def write(self, place: str, text: str) -> None:
        """One file of the site."""
        file = self.out / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def of_kind(self, kind: str) -> list[Entry]:
        return [entry for entry in self.book if entry.kind == kind]


def build(out: Path, *, base: str = "/", root: Path = ROOT) -> list[str]:
    """Writes the site anew and returns its pages. Raises SiteError, naming every dead link."""
    book = read_book(root)
    site = Site(out, base, book, Links(root, book), {})
    if out.exists():
        shutil.rmtree(out)
    for entry in book:
        text = (root / entry.source).read_text(encoding="utf-8")
        page = render(text, site.links.resolver(entry.source, entry.place))
        site.made[entry.place] = page
        site.links.knows(entry.place, {heading.anchor for heading in page.headings})
    front_html, front_anchors = front(root, site.links, book)
    site.links.knows("index.html", front_anchors)
    if site.links.broken():
        raise SiteError("links that lead nowhere:\n  " + "\n  ".join(site.links.broken()))
    _pages(site)
    site.write("index.html", front_html)
    _kinds(site)
    _sources(site, root)
    _headings(site)
    _not_found(site)
    _assets(site, root)
    return sorted(str(file.relative_to(out)) for file in out.rglob("*.html"))


def _pages(site: Site) -> None:
    for kind in KINDS:
        entries = site.of_kind(kind)
        for number, entry in enumerate(entries):
            page, way = site.made[entry.place], Way(entry.place)
            before = entries[number - 1] if number else None
            after = entries[number + 1] if number + 1 < len(entries) else None
            words, _ = KINDS[kind]
            main = (
                f'<p class="eyebrow"><a href="{way.to(kind_place(kind))}">{words}</a></p>\n'
                f'<h1 id="{page.title.anchor}">{html.escape(page.title.text)}</h1>\n'
                f"{in_short(page.headings)}{page.html}{neighbours(way, before, after)}"
            )
            site.write(
                entry.place,
                frame(
                    way, page.title.text, page.title.words, main, kind=kind,
                    menu=menu_of(way, kind, entries, entry), aside=on_this_page(page.headings),
                ),
            )  # fmt: skip


def _kinds(site: Site) -> None:
    """The first page of each kind: what its pages are about."""
    for kind, (words, about) in KINDS.items():
        way, entries = Way(kind_place(kind)), site.of_kind(kind)
        parts = [f"<h1>{words}</h1>", f'<p class="lead">{about}</p>']
        group = None
        for entry in entries:
            if entry.folder not in (kind, "") and not entry.place.endswith("index.html"):
                continue
            if entry.group != group:
                parts.append("</div>" if group is not None else "")
                group = entry.group
                parts.append(f"<h2>{html.escape(group)}</h2>" if group else "")
                parts.append('<div class="cards">')
            parts.append(
                f'<a class="card" href="{way.to(entry.place)}"><b>{html.escape(entry.title)}</b>'
                f"<span>{html.escape(summary(site.made[entry.place].title))}</span></a>"
            )
        main = "\n".join([*parts, "</div>"])
        menus = menu_of(way, kind, entries, None)
        site.write(kind_place(kind), frame(way, words, about, main, kind=kind, menu=menus))


def summary(heading: Heading) -> str:
    """The first sentence under a heading, or as much of it as a card holds."""
    first = re.split(r"(?<=[.:])\s", heading.words, maxsplit=1)[0].rstrip(":")
    if len(first) <= _MOST_SUMMARY:
        return first
    return first[:_MOST_SUMMARY].rpartition(" ")[0] + " …"


def _sources(site: Site, root: Path) -> None:
    """Files that pages link to, as they stand in the repository."""
    for path in sorted(site.links.sources):
        file, way = root / path, Way(source_place(path))
        if file.is_dir():
            rows = [
                f"<li><code>{html.escape(f.name)}</code></li>" for f in sorted(file.glob("*.py"))
            ]
            shown = f"<ul>{''.join(rows)}</ul>"
        else:
            text = file.read_text(encoding="utf-8")
            shown = (
                f'<figure class="code source"><figcaption>{html.escape(path)}</figcaption>'
                f'<pre tabindex="0" role="region" aria-label="{html.escape(path)}">'
                f"<code>{code(text, _language(path))}</code></pre></figure>"
            )
        name = html.escape(Path(path).name)
        main = f'<p class="eyebrow">Source</p><h1 class="path">{name}</h1>\n{shown}'
        site.write(way.here, frame(way, path, f"{path} of Fairlead's source", main))


def _language(path: str) -> str:
    try:
        return get_lexer_for_filename(path).aliases[0]
    except ClassNotFound:
        return "text"


def _headings(site: Site) -> None:
    """All headings on one page, and as the index of the search."""
    way, parts = Way("headings.html"), ['<h1>All headings</h1><div class="all">']
    index: list[list[str]] = []
    for kind, (words, _) in KINDS.items():
        parts.append(f"<h2>{words}</h2>")
        for entry in site.of_kind(kind):
            page = site.made[entry.place]
            index += [
                [
                    entry.place + (f"#{h.anchor}" if h.level > 1 else ""),
                    entry.title,
                    h.text,
                    h.words,
                ]
                for h in page.headings
            ]
            parts.append(f'<h3><a href="{entry.place}">{html.escape(entry.title)}</a></h3>')
            below = [h for h in page.headings if h.level in (2, 3)]
            items = "".join(
                f'<li><a href="{entry.place}#{h.anchor}">{html.escape(h.text)}</a></li>'
                for h in below
            )
            parts.append(f"<ul>{items}</ul>" if items else "")
    main = "\n".join([*parts, "</div>"])
    about = "Every heading of Fairlead's documentation on one page"
    site.write(way.here, frame(way, "All headings", about, main))
    packed = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    site.write("index.js", f"fairleadIndex({packed})\n")


def _not_found(site: Site) -> None:
    """The page for addresses that are not there; shown at any depth, so its links need a base."""
    main = (
        "<h1>This page is not here</h1>"
        '<p class="lead">It may have moved. All that is there stands under '
        '<a href="headings.html">all headings</a>, or begin at the '
        '<a href="index.html">front page</a>.</p>'
    )
    made = frame(Way("404.html"), "Not found", "This page is not here", main)
    leads = re.compile(r'((?:href|src|data-root)=")(?!#|https?:)([^"]*)"')
    site.write("404.html", leads.sub(rf'\g<1>{site.base}\g<2>"', made))


def _assets(site: Site, root: Path) -> None:
    site.write("style.css", style() + (_ASSETS / "style.css").read_text(encoding="utf-8"))
    for name in ("site.js", "icon.svg"):
        site.write(name, (_ASSETS / name).read_text(encoding="utf-8"))
    for picture in site.links.pictures:
        target = site.out / picture.removeprefix("docs/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / picture, target)
