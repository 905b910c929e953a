"""The colours of the site: those of the product's own pages, and those of code beside them."""

from __future__ import annotations

import re

from scripts.site.book import SiteError

from fairlead.documents.page import STYLE

_CODE = {
    "code": ("#fbfbfa", "#15191d"),
    "comment": ("#656d76", "#98a2ac"),
    "string": ("#0f6b3c", "#7fd6a4"),
    "number": ("#9a3a0a", "#ffb48a"),
    "keyword": ("#7a2fb0", "#d3a6ff"),
    "called": ("#1d54ad", "#8fbcff"),
    "link": ("#1d54ad", "#8fbcff"),
    "press": ("#1d54ad", "#2463c9"),
}
"""By name: in the light, in the dark. Each has 4.5 to 1 against paper, cards and code."""


def style() -> str:
    """The variables of the style, each for both themes. Raises SiteError where there are none."""
    found = [_variables(text) for text in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]]
    if len(found) < 2 or {*found[0]} != {*found[1]}:
        raise SiteError("the pages' style no longer has one set of colours for each theme")
    light, dark = found
    pairs = {name: (light[name], dark[name]) for name in light} | _CODE
    lines = "\n".join(f"  --{name}: light-dark({a}, {b});" for name, (a, b) in pairs.items())
    return f":root {{\n  color-scheme: light dark;\n{lines}\n}}\n"


def _variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): ([^;]+);", text))
