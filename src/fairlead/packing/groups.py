"""Are groups of people treated alike? For the columns that the owner names, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.core.errors import PackageInvalid, RowsInvalid
from fairlead.packing.judged import Classified, Judged
from fairlead.packing.slices import Slice, parted
from fairlead.packing.uncertainty import FEW, interval_of, wilson, z_of

Floats = NDArray[np.float64]

FOUR_FIFTHS = 0.8
"""The share of the best-treated group's selection rate that every group should reach."""

_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def groups_of(
    columns: Mapping[str, Any], found: Judged, names: Sequence[str], favourable: str, where: str
) -> list[dict[str, Any]]:
    """For each column what becomes of each of its groups.

    favourable: the label that people want, "" for none: then only the headline is compared.

    [{"column", "favourable", "groups": [{"group", "n", "few", "headline": rate, and the rates}],
    "gaps": {rate: gap}, "four_fifths": ratio or None}]; a rate is {"value", "low", "high", "n"}
    or None. Groups of fewer than 30 rows are shown and not compared.

    Raises RowsInvalid for a column that the rows do not have, PackageInvalid for a label that the
    model never gives.
    """
    place = _place(found, favourable, where)
    made: list[dict[str, Any]] = []
    for name in names:
        if name not in columns:
            raise RowsInvalid(
                f"model.toml: [card] groups: the evaluation rows have no column {name[:80]!r}",
                fix=f"Columns: {', '.join(list(columns)[:20])}",
            )
        groups = [_group(one, found, place) for one in parted(name, columns[name])]
        known = [one for one in groups if not one["few"]]
        made.append(
            {
                "column": name,
                "favourable": favourable,
                "groups": groups,
                "gaps": {rate: gap for rate in _RATES if (gap := _gap(known, rate))},
                "four_fifths": _four_fifths(known),
            }
        )
    return made


def _place(found: Judged, favourable: str, where: str) -> int | None:
    """The position of the label that people want. Raises PackageInvalid."""
    if not favourable or not isinstance(found, Classified):
        return None
    if favourable not in found.classes:
        raise PackageInvalid(
            f"model.toml: [card] favourable: {favourable[:80]!r} is no label of the model",
            where=where,
            fix=f"Labels: {', '.join(found.classes[:20])}",
        )
    return found.classes.index(favourable)


def _group(one: Slice, found: Judged, place: int | None) -> dict[str, Any]:
    mine = found.per_row[one.rows]
    low, high = interval_of(mine)
    told: dict[str, Any] = {
        "group": one.value,
        "n": len(mine),
        "few": len(mine) < FEW,
        "headline": {"value": float(mine.mean()), "low": low, "high": high, "n": len(mine)},
    }
    if place is None or not isinstance(found, Classified):
        return told
    chosen = (found.given == place)[one.rows]
    wanted = (found.truth == place)[one.rows]
    parts = (chosen, chosen[wanted], chosen[~wanted])
    return told | {rate: _rate(part) for rate, part in zip(_RATES, parts, strict=True)}


def _rate(chosen: Any) -> dict[str, Any] | None:
    if not len(chosen):
        return None
    low, high = wilson(float(chosen.sum()), len(chosen))
    return {"value": float(chosen.mean()), "low": low, "high": high, "n": len(chosen)}


def _gap(groups: Sequence[Mapping[str, Any]], rate: str) -> dict[str, Any] | None:
    """The largest difference between two groups, with Newcombe's interval (1998)."""
    known = [(one["group"], one[rate]) for one in groups if one.get(rate)]
    if len(known) < 2:
        return None
    known.sort(key=lambda pair: pair[1]["value"])
    (lowest, a), (highest, b) = known[0], known[-1]
    apart = b["value"] - a["value"]
    low = apart - sqrt((b["value"] - b["low"]) ** 2 + (a["high"] - a["value"]) ** 2)
    high = apart + sqrt((b["high"] - b["value"]) ** 2 + (a["value"] - a["low"]) ** 2)
    return {"value": apart, "low": low, "high": high, "lowest": lowest, "highest": highest}


def _four_fifths(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The least selection rate in the greatest: {"value", "low", "high", "kept"}."""
    rates = sorted(
        (one[_RATES[0]] for one in groups if one.get(_RATES[0])), key=lambda rate: rate["value"]
    )
    if len(rates) < 2 or not rates[-1]["value"]:
        return None
    least, most = rates[0], rates[-1]
    value = least["value"] / most["value"]
    low, high = 0.0, 1.0
    if value:
        # The logarithm of a ratio of shares is nearly normal (Katz 1978).
        error = sqrt(sum((1 - r["value"]) / (r["n"] * r["value"]) for r in (least, most)))
        low, high = (exp(log(value) + sign * z_of() * error) for sign in (-1, 1))
    return {"value": value, "low": low, "high": high, "kept": value >= FOUR_FIFTHS}
