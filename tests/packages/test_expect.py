"""[expect] in model.toml: what the owner expects, checked, with the nearest key for a wrong one."""

from __future__ import annotations

import pytest
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import Expectation
from fairlead.packages.expect import KEYS, expectation_of
from fairlead.packages.read import open_package, read_words


def test_what_is_said_stands_in_the_package(tmp_path):
    words = '[expect]\nrequests_per_second = 50\nlatency_ms = 12.5\ncost = "free"\n'
    package = models.total(tmp_path, words=words)
    expected = Expectation(requests_per_second=50, latency_ms=12.5, cost="free")
    assert open_package(package.folder).expect == expected


def test_nothing_is_expected_where_nothing_is_said(tmp_path):
    expect = models.total(tmp_path).expect
    assert (expect.requests_per_second, expect.latency_ms, expect.cost) == (0, 0, "")
    assert (expect.rows_per_request, expect.callers_mbit) == (1, 20)


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(PackageInvalid, match=r"\[expect\] request_per_second is not known") as near:
        expectation_of({"expect": {"request_per_second": 5}}, "here")
    assert near.value.fix == "Did you mean requests_per_second?"
    with pytest.raises(PackageInvalid) as far:
        expectation_of({"expect": {"zzz": 5}}, "here")
    assert far.value.fix == f"Known: {', '.join(KEYS)}"


@pytest.mark.parametrize(
    "line",
    [
        "requests_per_second = 0",
        "requests_per_second = nan",
        "requests_per_second = true",
        "latency_ms = -1",
        "latency_ms = inf",
        'latency_ms = "1"',
        "rows_per_request = 1.5",
        "rows_per_request = 0",
        "callers_mbit = []",
        "cost = 3",
        'cost = "two\\nlines"',
        f'cost = "{"x" * 501}"',
    ],
)
def test_an_impossible_value_is_refused(line):
    with pytest.raises(PackageInvalid, match=r"\[expect\] \w+ must be"):
        read_words(f"[expect]\n{line}\n".encode(), "here")


def test_it_is_a_table():
    with pytest.raises(PackageInvalid, match=r"\[expect\] must be a table"):
        read_words(b"expect = 3\n", "here")
