"""The frame of every page of the site: bar, pages of its kind, itself, what is on it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.site.book import KINDS, Entry
from scripts.site.render import Heading

_NAME = "Fairlead"
_MARK = (
    '<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="7.5"/>'
    '<path d="M1.5 17c5 0 6-8 10.5-8s5.5 5 10.5 4"/></svg>'
)
_FEW = 3
"""Headings from which on a page says what is on it."""


@dataclass(frozen=True)
class Way:
    """Addresses as one page writes them: relative to itself."""

    here: str

    def to(self, place: str) -> str:
        """The way to a place of the site, which may end with an anchor."""
        return "../" * self.here.count("/") + place


def kind_place(kind: str) -> str:
    """Where the first page of a kind is."""
    return f"{kind}/index.html"


def frame(
    way: Way, title: str, about: str, main: str, *, kind: str = "", wide: bool = False,
    menu: str = "", aside: str = "",
) -> str:  # fmt: skip
    """A whole page. main, menu and aside: markup; about: what search engines show, as text."""
    shown = _NAME if title == _NAME else f"{title} · {_NAME}"
    places = ' class="wide"' if wide else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(shown)}</title>\n"
        f'<meta name="description" content="{html.escape(about)}">\n'
        f'<link rel="icon" href="{way.to("icon.svg")}">\n'
        f'<link rel="stylesheet" href="{way.to("style.css")}">\n'
        f'<script src="{way.to("site.js")}" data-root="{way.to("")}"></script>\n'
        "</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the text</a>\n'
        f"{_bar(way, kind)}\n"
        f'<div id="page"{places}>\n'
        f"{menu or menu_of(way, '', [], None)}\n"
        f'<main id="content" tabindex="-1">\n{main}\n</main>\n{aside}</div>\n'
        f"{_foot(way)}</body>\n</html>\n"
    )


def _bar(way: Way, kind: str) -> str:
    tabs = "".join(
        f'<a href="{way.to(kind_place(name))}"{_current(name == kind, "true")}>{words}</a>'
        for name, (words, _) in KINDS.items()
    )
    return (
        f'<header class="bar"><a class="name" href="{way.to("index.html")}">{_MARK}{_NAME}</a>'
        f'<nav class="tabs" aria-label="Kinds of pages">{tabs}</nav>'
        f'<a class="find" href="{way.to("headings.html")}">All headings</a>'
        '<a class="open" href="#menu">Menu</a></header>'
    )


def _current(yes: bool, how: str = "page") -> str:
    return f' aria-current="{how}"' if yes else ""


def menu_of(way: Way, kind: str, entries: Sequence[Entry], current: Entry | None) -> str:
    """The pages of a kind, by group; those of a folder with an index of its own only within it."""
    kinds = "".join(
        f'<li><a href="{way.to(kind_place(name))}"{_current(name == kind, "true")}>{words}</a></li>'
        for name, (words, _) in KINDS.items()
    )
    within = current.folder if current else kind
    listed, group = "", None
    for entry in entries:
        if entry.folder not in (kind, within, "") and not entry.place.endswith("/index.html"):
            continue
        if entry.group != group:
            listed += "</ul>" if group is not None else ""
            group = entry.group
            listed += (f'<p class="group">{html.escape(group)}</p>' if group else "") + "<ul>"
        deep = ' class="deep"' if entry.folder not in (kind, "") and within == entry.folder else ""
        deep = "" if entry.place.endswith("/index.html") else deep
        listed += (
            f'<li{deep}><a href="{way.to(entry.place)}"{_current(entry is current)}>'
            f"{html.escape(entry.title)}</a></li>"
        )
    listed += "</ul>" if group is not None else ""
    return (
        '<nav id="menu" class="menu" aria-label="Pages"><a class="close" href="#content">Close</a>'
        f'<ul class="kinds">{kinds}</ul>{listed}</nav>'
    )


def on_this_page(headings: Sequence[Heading]) -> str:
    """The second and third-level headings of a page; nothing for a page of few."""
    wanted = [h for h in headings if h.level in (2, 3)]
    if len(wanted) < _FEW:
        return ""
    items = "".join(
        f'<li class="l{h.level}"><a href="#{h.anchor}">{html.escape(h.text)}</a></li>'
        for h in wanted
    )
    return (
        '<nav class="toc" aria-label="On this page"><p class="group">On this page</p>'
        f"<ul>{items}</ul></nav>"
    )


def in_short(headings: Sequence[Heading]) -> str:
    """The second-level headings, folded, for screens that have no room beside the page."""
    wanted = [h for h in headings if h.level == 2]
    if len(wanted) < _FEW:
        return ""
    items = "".join(f'<li><a href="#{h.anchor}">{html.escape(h.text)}</a></li>' for h in wanted)
    return f'<details class="short"><summary>On this page</summary><ul>{items}</ul></details>\n'


def neighbours(way: Way, before: Entry | None, after: Entry | None) -> str:
    """Links to the page before and the page after."""
    parts = [
        f'<a class="{name}" href="{way.to(entry.place)}"><span>{words}</span>'
        f"{html.escape(entry.title)}</a>"
        for name, words, entry in (("before", "Previous", before), ("after", "Next", after))
        if entry is not None
    ]
    return f'<nav class="turn" aria-label="Neighbouring pages">{"".join(parts)}</nav>'


def _foot(way: Way) -> str:
    return (
        '<footer><p>Fairlead is free software under the Apache License 2.0.</p>'
        f'<p><a href="{way.to("headings.html")}">All headings</a> '
        f'<a href="{way.to("changelog.html")}">Changelog</a></p></footer>\n'
    )  # fmt: skip
