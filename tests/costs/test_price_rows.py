"""A file of prices is taken whole, or refused with the line and the column that are wrong."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import FileUnreadable, PricesInvalid
from fairlead.costs.price_rows import MACHINE_COLUMNS, machines_of, written
from fairlead.costs.prices import packaged, read_prices, table_text

PRICES = packaged()
SHORT = {
    "provider": "aws",
    "region": "us-east-1",
    "machine": "c7g.large",
    "system": "linux",
    "terms": "committed",
    "currency": "USD",
    "hourly_usd": "0.05",
    "source": "our agreement",
    "date": "2026-11-01",
    "confidence": "high",
}
NEW = SHORT | {
    "machine": "m9.large",
    "family": "m9",
    "arch": "x86_64",
    "vcpu": "2",
    "memory_gib": "8",
    "gpu": "",
    "gpu_count": "",
    "gpu_memory_gib": "",
}
METER = {
    "provider": "aws",
    "service": "logs",
    "region": "us-east-1",
    "meter": "ingest",
    "unit": "GB",
    "usd": "0.25",
    "currency": "USD",
    "source": "our agreement",
    "date": "2026-11-01",
    "confidence": "high",
}


def text(*rows: dict[str, str]) -> str:
    file = io.StringIO()
    into = csv.DictWriter(file, rows[0], lineterminator="\n")
    into.writeheader()
    into.writerows(rows)
    return file.getvalue()


def file(tmp_path: Path, *rows: dict[str, str]) -> Path:
    path = tmp_path / "ours.csv"
    path.write_text(text(*rows))
    return path


def test_a_negotiated_rate_takes_the_place_of_the_packaged_one(tmp_path):
    found = read_prices(file(tmp_path, SHORT))
    machine = found.machine("aws/c7g.large")
    assert machine.hourly == (0.05, "our agreement", "2026-11-01", "high")
    assert (machine.vcpu, machine.memory_gib, machine.arch) == (2, 4, "arm64")
    assert machine.hosting == PRICES.machine("aws/c7g.large").hosting
    assert len(found.machines) == len(PRICES.machines)
    assert found.version == f"{PRICES.version} + ours.csv"


def test_a_known_machine_in_another_region_is_added_without_a_hosting_price(tmp_path):
    found = read_prices(file(tmp_path, SHORT | {"region": "eu-central-1"}))
    machine = found.machine("aws/c7g.large", "eu-central-1")
    assert (machine.hosting, machine.hosting_service, machine.vcpu) == (None, "", 2)


def test_a_new_machine_is_added_with_what_it_is_made_of(tmp_path):
    machine = read_prices(file(tmp_path, NEW)).machine("aws/m9.large")
    assert (machine.family, machine.vcpu, machine.gpu_count) == ("m9", 2, 0)


def test_a_new_machine_is_not_guessed(tmp_path):
    with pytest.raises(PricesInvalid, match="line 2, column family: it is empty"):
        read_prices(file(tmp_path, SHORT | {"machine": "m9.large"}))


def test_a_meter_takes_the_place_of_the_packaged_one(tmp_path):
    found = read_prices(file(tmp_path, METER))
    assert found.meter("aws", "logs", "ingest", "us-east-1").price.usd == 0.25
    assert len(found.meters) == len(PRICES.meters)


def test_a_later_file_is_over_an_earlier(tmp_path):
    first = file(tmp_path, SHORT)
    second = tmp_path / "second.csv"
    second.write_text(text(SHORT | {"hourly_usd": "0.04"}))
    assert read_prices(first, second).machine("aws/c7g.large").hourly.usd == 0.04


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"hourly_usd": "-0.05"}, "line 2, column hourly_usd: '-0.05' is not a number above 0"),
        ({"hourly_usd": "0"}, "column hourly_usd"),
        ({"hourly_usd": "nan"}, "column hourly_usd"),
        ({"hourly_usd": "inf"}, "column hourly_usd"),
        ({"hourly_usd": "0,05"}, "column hourly_usd"),
        ({"hourly_usd": ""}, "column hourly_usd: it is empty"),
        ({"currency": "EUR"}, "column currency: 'EUR' is none of USD"),
        ({"system": "windows"}, "column system"),
        ({"terms": "spot"}, "column terms"),
        ({"machine": "D2s v5 Windows"}, "column machine"),
        ({"machine": "D2s v5 Low Priority"}, "column machine"),
        ({"provider": "acme"}, "column provider: 'acme' is none of aws"),
        ({"region": ""}, "column region: it is empty"),
        ({"date": "last May"}, "column date"),
        ({"confidence": "sure"}, "column confidence"),
        ({"source": ""}, "column source: it is empty"),
        ({"arch": "vax"}, "column arch"),
        ({"vcpu": "0"}, "column vcpu"),
        ({"gpu": "T4"}, "column gpu_count"),
        ({"gpu": "T4", "gpu_count": "0"}, "column gpu_count: there is a GPU, and none of it"),
        ({"hosting_service": "sagemaker"}, "column hosting_service"),
        ({"hosting_usd": "0.1"}, "column hosting_date"),
        ({"spot_usd": "0.06"}, "column spot_date"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_column(damage, why, tmp_path):
    columns = dict.fromkeys(MACHINE_COLUMNS, "")
    with pytest.raises(PricesInvalid, match=why):
        read_prices(file(tmp_path, columns | NEW | damage))


@pytest.mark.parametrize("column", [*SHORT])
def test_a_column_that_is_missing_is_named(column, tmp_path):
    less = {name: cell for name, cell in SHORT.items() if name != column}
    with pytest.raises(PricesInvalid, match=f"line 1, column {column}: the column is missing"):
        read_prices(file(tmp_path, less))


def test_a_column_that_is_not_known_is_named(tmp_path):
    with pytest.raises(PricesInvalid, match="column colour: no such column"):
        read_prices(file(tmp_path, SHORT | {"colour": "red"}))


def test_a_machine_that_is_there_twice_is_refused_at_the_second(tmp_path):
    with pytest.raises(PricesInvalid, match=r"line 3, column machine: .* twice"):
        read_prices(file(tmp_path, SHORT, SHORT))


def test_a_meter_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(PricesInvalid, match="line 3, column meter"):
        read_prices(file(tmp_path, METER, METER))


@pytest.mark.parametrize(
    "damage", [{"usd": "-1"}, {"currency": "GBP"}, {"free": "-1"}, {"provider": "acme"}]
)
def test_a_meter_that_is_wrong_is_refused(damage, tmp_path):
    with pytest.raises(PricesInvalid, match=f"line 2, column {next(iter(damage))}"):
        read_prices(file(tmp_path, METER | {"free": "1"} | damage))


def test_a_rate_of_windows_among_those_of_linux_breaks_a_guard(tmp_path):
    # as in a public table: 0.086 a vCPU pair of Linux, and 0.344 and 0.712 of one with Windows
    rows = [
        NEW | {"machine": f"D{vcpu}as", "vcpu": str(vcpu), "memory_gib": str(4 * vcpu)}
        | {"family": "Das", "provider": "azure", "region": "eastus", "hourly_usd": usd}
        for vcpu, usd in ((2, "0.178"), (4, "0.172"), (8, "0.344"))
    ]  # fmt: skip
    with pytest.raises(PricesInvalid, match=r"line 2, column hourly_usd: 0\.089 USD per vCPU"):
        read_prices(file(tmp_path, *rows))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "line 1, column provider: the column is missing"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (text(SHORT).encode() + b"one,two\n", "line 3, column confidence: the row has 2 cells"),
        (text(SHORT).encode() + b'"never closed', "this is no CSV"),
    ],
)
def test_what_is_no_table_is_refused(raw, why, tmp_path):
    path = tmp_path / "ours.csv"
    path.write_bytes(raw)
    with pytest.raises(PricesInvalid, match=why):
        read_prices(path)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileUnreadable, match="cannot be read"):
        read_prices(tmp_path / "none.csv")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "ours.csv"
    with path.open("wb") as opened:
        opened.truncate((16 << 20) + 1)
    with pytest.raises(PricesInvalid, match="16 MiB"):
        read_prices(path)


def test_what_is_written_is_read_back_as_it_was():
    assert machines_of(written(PRICES.machines), "x", ()) == PRICES.machines


def test_the_packaged_table_is_written_as_this_writes_it():
    kept = table_text("machines").splitlines()[0]
    assert kept == ",".join(MACHINE_COLUMNS)


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused(told):
    with suppress(PricesInvalid):
        machines_of(f"{','.join(MACHINE_COLUMNS)}\n{told}", "x", PRICES.machines)
