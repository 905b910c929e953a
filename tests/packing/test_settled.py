"""The next version has other limits, the profile, and all else that the owner wrote."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.packages.read import open_package, read_verified, verify
from fairlead.packing.settled import settled, with_limits


@pytest.mark.parametrize(
    "words",
    [
        "",
        "[limits]\n",
        "[limits]  # of mine\nmax_rows = 7\nmax_batch = 3\nthreads = 1\n",
        '[words]\npurpose = "x"\n\n[limits]\nthreads = 9\n\n[units]\na = "m"\n',
        '[words]\npurpose = """\na\nb\n"""\n',
        "[guards]\nnovelty = 'warn'\n[limits]\n# max_batch = 256\n",
    ],
)
@pytest.mark.parametrize("limits", [{"max_batch": 8}, {"max_batch": 8, "threads": 2}])
def test_only_the_limits_change(words, limits):
    before, after = tomllib.loads(words), tomllib.loads(with_limits(words, limits))
    kept = {k: v for k, v in before.get("limits", {}).items() if k not in ("max_batch", "threads")}
    assert after.pop("limits") == kept | limits
    before.pop("limits", None)
    assert after == before


def test_what_the_owner_wrote_beside_the_limits_stays():
    words = "# mine\n[limits]\n# why: it is slow\nmax_rows = 7  # few\n"
    assert with_limits(words, {"max_batch": 2}) == (
        "# mine\n[limits]\nmax_batch = 2\n# why: it is slow\nmax_rows = 7  # few\n"
    )


@given(st.integers(1, 256), st.integers(0, 64))
def test_doing_it_twice_changes_nothing_more(batch, threads):
    limits = {"max_batch": batch, **({"threads": threads} if threads else {})}
    once = with_limits("[words]\n[limits]\nmax_rows = 2\n", limits)
    assert with_limits(once, limits) == once


def test_the_version_that_was_measured_is_the_one_that_is_amended(tmp_path):
    first = models.total(tmp_path)
    models.total(tmp_path, example={"a": 9.0, "b": 9.0, "c": 9.0})
    made = settled(tmp_path, first, max_batch=16, threads=2, profile={"format": "x"})
    verify(made)
    assert (made.version, made.limits.max_batch, made.limits.threads) == (3, 16, 2)
    assert read_verified(made, "examples.json") == read_verified(first, "examples.json")
    assert read_verified(made, "profile.json") == b'{\n "format": "x"\n}\n'
    assert open_package(tmp_path / "total" / "2").limits.max_batch == 256


@pytest.mark.parametrize("words", ["limits.max_rows = 7\n", "limits = { max_batch = 3 }\n"])
def test_words_in_which_no_limit_can_be_set_are_not_spoilt(words):
    with pytest.raises(PackageInvalid, match="unusual way"):
        with_limits(words, {"max_batch": 8})
