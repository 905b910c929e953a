"""What a profile in a package says is a section of the card, and one that is odd is none."""

from __future__ import annotations

from tests import models
from tests.costs.samples import profile

from fairlead.documents.card_facts import Known, card_of
from fairlead.documents.card_html import html_page


def test_a_profile_in_the_package_is_a_section_of_its_own(tmp_path):
    package = models.total(tmp_path)
    told = {**profile(gpu="A card").to_json()}
    card = card_of(Known(package, profile=told))
    section = card["sections"][-1]
    assert section["title"] == "What it needs"
    facts = {fact["name"]: fact["value"] for fact in section["facts"]}
    assert facts["Loaded in"] == "1.5 s"
    assert facts["Memory"] == "900 MiB in a worker, 1 GiB at most"
    assert facts["Measured on"].endswith("A card")
    assert "What it needs" in html_page(card)
    for odd in ({}, {"format": "fairlead-profile/9"}, {"format": told["format"]}, [1]):
        assert len(card_of(Known(package, profile=odd))["sections"]) == 9
