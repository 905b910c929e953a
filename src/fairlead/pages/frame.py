"""What every page has: its frame, its style, and the policy under which a browser shows it.

Pages are rendered here from plain facts and templates. Every text is escaped where it is put into a
page; a character that could steer the reading is replaced. No page asks another host for anything,
holds a script of its own, or needs one.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from fairlead.core.call import Lines, Reply
from fairlead.core.version import __version__
from fairlead.documents.card_style import STYLE as CARD_STYLE
from fairlead.documents.check_page import STYLE as CHECK_STYLE
from fairlead.documents.cost_page import STYLE as COST_STYLE
from fairlead.documents.page import STYLE

HTML = "text/html; charset=utf-8"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_KEPT_APART: Lines = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)
PAGE_LINES: Lines = (*_KEPT_APART, ("cache-control", "no-store"), ("vary", "accept, cookie"))
_ASSET_LINES: Lines = (*_KEPT_APART, ("cache-control", "public, max-age=86400"))

_HERE = Path(__file__).parent
_TYPES = {
    "fairlead.css": "text/css; charset=utf-8",
    "fairlead.js": "text/javascript; charset=utf-8",
    "fairlead.svg": "image/svg+xml",
}
ASSETS = tuple(_TYPES)
"""What pages are shown with, by name; the style, one small script that nothing needs, the sign."""


def page(template: str, path: str, facts: dict[str, Any], status: int = 200) -> Reply:
    """A page. path: its address, from which all others are reached; facts: for the template."""
    found = _templates().get_template(template)
    text = found.render(root=root(path), assets=_marks(), version=__version__, **facts)
    return Reply(status, text.encode(), HTML, PAGE_LINES)


def moved(to: str, cookie: str = "") -> Reply:
    """Sends the reader to another page, by an address relative to this one.

    cookie: a whole `set-cookie` line.
    """
    lines = (("location", to), *((("set-cookie", cookie),) if cookie else ()))
    return Reply(303, b"", HTML, (*PAGE_LINES, *lines))


def asset(name: str) -> Reply:
    """The style, the script or the sign."""
    return Reply(200, _asset(name), _TYPES[name], _ASSET_LINES)


def root(path: str) -> str:
    """The way from a page to the first one, so that pages may lie below any address."""
    return "../" * (path.count("/") - 1) or "./"


@lru_cache
def _asset(name: str) -> bytes:
    own = (_HERE / "assets" / name).read_bytes()
    # One style for documents in a file of their own and for pages: the documents' comes first.
    return (
        (STYLE + CARD_STYLE + CHECK_STYLE + COST_STYLE).encode() + own
        if name.endswith(".css")
        else own
    )


@lru_cache
def _marks() -> dict[str, str]:
    """By asset, what tells a browser that its content has changed."""
    return {name: hashlib.sha256(_asset(name)).hexdigest()[:12] for name in ASSETS}


@lru_cache
def _templates() -> Any:
    # Loaded by the first page: whoever serves programs alone never needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def plain(value: Any) -> Any:
        """What is put into a page: a text without characters that are not seen."""
        if isinstance(value, str) and not isinstance(value, Markup):
            return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in value)
        return value

    made: Any = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["whole"] = _whole
    made.filters["span"] = _span
    made.filters["safe_markup"] = Markup
    return made


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _span(seconds: float) -> str:
    """A time as people say it."""
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
