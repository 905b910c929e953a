"""The page on tokens: each file that it shows is one that is taken."""

import re
from pathlib import Path

import pytest

from fairlead.access.identity_rules import ALGORITHMS, parse_identities

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = ("let-tokens-in.md", "serve-over-tls.md")
SHOWN = [
    (page, text)
    for page in PAGES
    for text in re.findall(r"^```toml\n(.*?)^```$", (HOW_TO / page).read_text(), re.M | re.S)
]


@pytest.mark.parametrize(
    ("page", "text"), SHOWN, ids=[f"{n}-{p}" for n, (p, _) in enumerate(SHOWN)]
)
def test_a_file_that_is_shown_is_taken(page, text):
    if not text.startswith("[["):  # lines that stand in the first table of the page
        text = f"{SHOWN[0][1]}\n{text}"
    rules = parse_identities(text, Path("identities.toml"))
    assert rules.issuers or rules.certificates


def test_the_page_names_every_algorithm():
    text = (HOW_TO / "let-tokens-in.md").read_text()
    assert all(f"`{algorithm}`" in text for algorithm in ALGORITHMS)
