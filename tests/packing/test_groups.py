"""Groups of people are compared by what becomes of them, with intervals."""

from __future__ import annotations

import numpy as np
import pytest
from tests.packing.judgements import regressed

from fairlead.core.errors import PackageInvalid, RowsInvalid
from fairlead.packing.groups import groups_of
from fairlead.packing.judged import Classified

SEX = np.array(["f"] * 100 + ["m"] * 100, dtype=object)


def made(chosen_f: int, chosen_m: int) -> Classified:
    """100 of each; half of each deserve it, and the chosen are the first of each."""
    truth = np.array([1] * 50 + [0] * 50 + [1] * 50 + [0] * 50)
    given = np.zeros(200, np.int64)
    given[:chosen_f] = 1
    given[100 : 100 + chosen_m] = 1
    return Classified(("no", "yes"), truth, given, None)


def test_rates_gaps_and_the_four_fifths_ratio_are_counted():
    (found,) = groups_of({"sex": SEX}, made(30, 60), ["sex"], "yes", "m")
    f, m = found["groups"]
    assert [f["selection_rate"]["value"], m["selection_rate"]["value"]] == [0.3, 0.6]
    assert [f["true_positive_rate"]["value"], m["true_positive_rate"]["value"]] == [0.6, 1.0]
    assert [f["false_positive_rate"]["value"], m["false_positive_rate"]["value"]] == [0.0, 0.2]
    gap = found["gaps"]["selection_rate"]
    assert (gap["value"], gap["lowest"], gap["highest"]) == (pytest.approx(0.3), "f", "m")
    assert 0 < gap["low"] < 0.3 < gap["high"]
    assert found["four_fifths"]["value"] == pytest.approx(0.5)
    assert not found["four_fifths"]["kept"]


def test_equal_treatment_keeps_the_four_fifths():
    (found,) = groups_of({"sex": SEX}, made(50, 55), ["sex"], "yes", "m")
    assert found["four_fifths"]["kept"]
    assert found["four_fifths"]["low"] < found["four_fifths"]["value"]


def test_nobody_chosen_has_no_ratio_and_none_chosen_of_one_group_has_zero():
    (found,) = groups_of({"sex": SEX}, made(0, 0), ["sex"], "yes", "m")
    assert found["four_fifths"] is None
    (found,) = groups_of({"sex": SEX}, made(0, 50), ["sex"], "yes", "m")
    assert found["four_fifths"] == {"value": 0.0, "low": 0.0, "high": 1.0, "kept": False}


def test_groups_of_few_rows_are_shown_and_not_compared():
    sex = np.array(["f"] * 100 + ["m"] * 90 + ["x"] * 10, dtype=object)
    (found,) = groups_of({"sex": sex}, made(50, 90), ["sex"], "yes", "m")
    assert [(g["group"], g["few"]) for g in found["groups"]] == [
        ("f", False),
        ("m", False),
        ("x", True),
    ]
    assert found["gaps"]["selection_rate"]["lowest"] == "f"


def test_without_a_favourable_label_the_headline_alone_is_compared():
    (found,) = groups_of({"sex": SEX}, made(50, 50), ["sex"], "", "m")
    assert found["gaps"] == {}
    assert found["groups"][0]["headline"]["value"] == 1.0
    (found,) = groups_of({"sex": SEX}, regressed(200), ["sex"], "yes", "m")
    assert "selection_rate" not in found["groups"][0]


def test_a_column_or_a_label_that_is_not_there_is_said():
    with pytest.raises(RowsInvalid, match="no column 'age'"):
        groups_of({"sex": SEX}, made(1, 1), ["age"], "yes", "m")
    with pytest.raises(PackageInvalid, match="'maybe' is no label") as wrong:
        groups_of({"sex": SEX}, made(1, 1), ["sex"], "maybe", "m")
    assert wrong.value.fix == "Labels: no, yes"
