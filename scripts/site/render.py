"""Markdown to HTML: headings with anchors, coloured code, tables that scroll, links that lead."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

LABELS = {"bash": "Terminal", "console": "Terminal", "python": "Python", "json": "JSON",
          "toml": "TOML", "yaml": "YAML", "nginx": "nginx", "text": "Text"}  # fmt: skip
LIGHT, DARK = "-light.png", "-dark.png"
_FITS = 40
"""Characters of code that a phone shows in a line; longer ones are scrolled to."""

_WIDE = 90
"""Characters that a desktop shows; text of longer lines is wrapped, unless it stands in columns."""

_ALIGNED = re.compile(r"\S {2,}\S")
_MOST_WORDS = 120


class Resolve(Protocol):
    """How the links of a page are written, and how large its pictures are."""

    def __call__(self, link: str) -> str: ...

    def size(self, link: str) -> tuple[int, int]:
        """Width and height of a picture in pixels."""
        ...


@dataclass
class Heading:
    """A heading with its anchor, and the beginning of what stands under it, as plain text."""

    level: int
    anchor: str
    text: str
    words: str = ""


@dataclass
class Rendered:
    """A page's HTML without its first heading, its headings, and its first paragraph as text."""

    html: str
    headings: list[Heading] = field(default_factory=list)

    @property
    def title(self) -> Heading:
        return self.headings[0]


def slug(text: str, taken: set[str]) -> str:
    """The anchor of a heading, as GitHub makes it; `taken` grows by it."""
    kept = re.sub(r"[^\w\- ]", "", text.replace("`", "").lower()).strip().replace(" ", "-")
    anchor, number = kept, 0
    while anchor in taken:
        number += 1
        anchor = f"{kept}-{number}"
    taken.add(anchor)
    return anchor


_UNCOLOURED = ("", "csv")
"""Languages of which Pygments colours nothing."""


def code(text: str, language: str) -> str:
    """Coloured code, as spans with the short class names of Pygments."""
    # Some lexers leave out a last line that does not end.
    alias = language if language not in _UNCOLOURED else "text"
    lexer = get_lexer_by_name(alias, stripnl=False, ensurenl=True)
    return highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")


def block(text: str, info: str) -> str:
    """A fenced block: what it is above it, its code, and room for a button that copies it."""
    language, _, more = info.strip().partition(" ")
    words = more.split()
    output = "output" in words
    file = next((w.removeprefix("file=") for w in words if w.startswith("file=")), "")
    label = "Output" if output else file or LABELS.get(language or "text", language)
    longest = max(map(len, text.splitlines()), default=0)
    wraps = language in ("text", "json") and longest > _WIDE and not _ALIGNED.search(text)
    scrolls = ""
    if longest > _FITS and not wraps:
        scrolls = f' tabindex="0" role="region" aria-label="{html.escape(label)}"'
    kind = "output" if output else language or "text"
    kind += " wraps" * wraps + " file" * bool(file)
    return (
        f'<figure class="code {kind}"><figcaption>{html.escape(label)}</figcaption>'
        f"<pre{scrolls}><code>{code(text.rstrip(chr(10)), language)}</code></pre></figure>\n"
    )


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
    made.add_render_rule("image", _picture)
    return made


def _picture(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """A picture; NAME-light.png has a twin for readers of dark pages. Loaded when it is near."""
    told = tokens[at].attrs
    about = (
        f'alt="{html.escape(tokens[at].content)}" loading="lazy" '
        f'width="{told["width"]}" height="{told["height"]}"'
    )
    light = str(told["src"])
    if not light.endswith(LIGHT):
        return f'<img src="{light}" {about}>'
    dark = light.removesuffix(LIGHT) + DARK
    return f'<img class="light" src="{light}" {about}><img class="dark" src="{dark}" {about}>'


def inline(text: str, resolve: Resolve) -> str:
    """A line of Markdown as HTML."""
    made = _markdown()
    tokens = made.parseInline(text)
    _links(tokens, resolve)
    return made.renderer.render(tokens, made.options, {})


def render(text: str, resolve: Resolve) -> Rendered:
    """A whole page. Raises whatever `resolve` raises for a link that leads nowhere."""
    made = _markdown()
    tokens = _without_empty_heads([t for t in made.parse(text) if not _comment(t)])
    _links(tokens, resolve)
    headings = _headings(tokens)
    parts: list[str] = []
    near, number = headings[0].text, 0
    position = 3  # after the title
    while position < len(tokens):
        token = tokens[position]
        if token.type == "heading_open":
            heading = headings[(number := number + 1)]
            near = heading.text
            words = made.renderer.render([tokens[position + 1]], made.options, {})
            parts.append(_heading(heading, words))
            position += 3
            continue
        parts.append(_one(made, token, near))
        position += 1
    return Rendered("".join(parts), headings)


def _comment(token: Token) -> bool:
    return token.type == "html_block" and token.content.lstrip().startswith("<!--")


def _without_empty_heads(tokens: list[Token]) -> list[Token]:
    """Tables of names and their meaning have a head without words, since Markdown wants one."""
    kept: list[Token] = []
    head: list[Token] = []
    for token in tokens:
        if not head and token.type != "thead_open":
            kept.append(token)
            continue
        head.append(token)
        if token.type == "thead_close":
            kept += head if any(t.content for t in head) else []
            head = []
    return kept


def _one(made: MarkdownIt, token: Token, near: str) -> str:
    """One token that is no heading."""
    if token.type == "fence":
        return block(token.content, token.info)
    shown = made.renderer.render([token], made.options, {})
    if token.type == "table_open":
        label = html.escape(f"Table: {near}")
        return f'<div class="table" tabindex="0" role="region" aria-label="{label}">{shown}'
    return shown + "</div>\n" if token.type == "table_close" else shown


def _heading(heading: Heading, words: str) -> str:
    name = html.escape(heading.text)
    return (
        f'<h{heading.level} id="{heading.anchor}">{words}'
        f'<a class="anchor" href="#{heading.anchor}" aria-label="Link to: {name}">#</a>'
        f"</h{heading.level}>\n"
    )


def _links(tokens: Sequence[Token], resolve: Resolve) -> None:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", resolve(str(child.attrGet("href"))))
            elif child.type == "image":
                link = str(child.attrGet("src"))
                width, height = resolve.size(link)
                child.attrs |= {"src": resolve(link), "width": width, "height": height}


def _headings(tokens: Sequence[Token]) -> list[Heading]:
    """Every heading, each with the first words under it."""
    taken: set[str] = set()
    found: list[Heading] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            raw = tokens[place + 1]
            text = _plain(raw)
            found.append(Heading(int(token.tag[1]), slug(raw.content, taken), text))
        elif token.type == "inline" and found and tokens[place - 1].type != "heading_open":
            last = found[-1]
            last.words = f"{last.words} {_plain(token)}".strip()[:_MOST_WORDS]
    return found


def _plain(token: Token) -> str:
    kept = [" " if c.type in ("softbreak", "hardbreak") else c.content
            for c in token.children or ()]  # fmt: skip
    return "".join(kept)
