"""What the machine costs, as the owner says it: by the table, by a price, or not at all."""

from __future__ import annotations

import pytest

from fairlead.assembly.config import read
from fairlead.assembly.machine_price import OWN, machine_price
from fairlead.core.errors import BadSetting, OfferUnknown
from fairlead.costs.prices import VERSION, packaged
from fairlead.usage.stores.machine import UNSAID, HourPrice


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(folder, text: str):
    (folder / "fairlead.toml").write_text(f"[usage]\n{text}\n")
    return machine_price(read({}))


def test_who_says_nothing_has_no_price(folder):
    assert said(folder, "") == UNSAID


def test_a_machine_of_the_table_has_its_price_source_date_and_version(folder):
    row = packaged().machine("aws/c7g.large", "us-east-1")
    found = said(folder, 'machine = "aws/c7g.large"\nmachine_region = "us-east-1"')
    assert found == HourPrice(
        round(row.hourly.usd * 10**12),
        "aws/c7g.large",
        "us-east-1",
        row.hourly.source,
        row.hourly.date,
        row.hourly.confidence,
        VERSION.isoformat(),
    )


def test_the_owners_price_goes_before_the_table(folder):
    found = said(folder, 'machine = "attic"\nmachine_usd_per_hour = 0.1')
    assert found == HourPrice(100_000_000_000, "attic", "", OWN, "", "high", "")
    assert said(folder, "machine_usd_per_hour = 3").pico == 3 * 10**12


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('machine = "aws/c7g.enormous"', OfferUnknown),
        ('machine = "aws/c7g.large"\nmachine_region = "mars-1"', OfferUnknown),
        ('machine_region = "us-east-1"', BadSetting),
        ("machine_usd_per_hour = -1", BadSetting),
        ("machine_usd_per_hour = nan", BadSetting),
        ("machine_usd_per_hour = 1e-13", BadSetting),
        ("machine_usd_per_hour = 1e9", BadSetting),
        ("machine_usd_per_hour = true", BadSetting),
    ],
)
def test_what_is_no_price_is_refused_before_anything_starts(folder, text, error):
    with pytest.raises(error):
        said(folder, text)
