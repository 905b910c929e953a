"""What a model cannot do, as far as measurement says so: limitations that nobody had to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fairlead.documents.card_text import figure, name_of, number, share, where

Facts = Mapping[str, Any]

_FEW_ROWS = 200
_OFF = 0.05
"""Scores that are further off than this on average are not to be taken for probabilities."""

_FALLS = 0.02
_SHOWN = 6


def limitations(measured: Facts, columns: Sequence[Facts], guards: Facts) -> list[str]:
    """Sentences, the gravest first.

    measured: as in card.json. columns: of the contract. guards: {"novelty": learnt or not}.
    """
    return [
        *_of_performance(measured),
        *_of_people(measured),
        *_of_careless_clients(measured),
        *_of_ranges(columns, guards),
    ]


def _of_performance(measured: Facts) -> Iterator[str]:
    if measured.get("performance") != "measured":
        yield (
            "Performance is unknown: labelled rows were given, and nobody has said what its "
            "outputs are. Say it under [outputs] of model.toml before relying on it."
            if "evaluation" in measured
            else "Performance is unknown: no labelled rows have judged this version. "
            "Pack it with --evaluation before relying on it."
        )
        return
    metric = measured["headline"]
    told = measured["metrics"][0]
    if told["n"] < _FEW_ROWS:
        yield f"It was judged on {told['n']} rows only: mind the intervals of all figures."
    baseline = measured.get("baseline")
    if baseline and told["low"] <= baseline["value"] <= told["high"]:
        yield (
            f"It is not shown to be better than an answer that is always the same, which reaches "
            f"{figure(metric, baseline['value'])}."
        )
    slices: Facts = measured.get("slices") or {}
    worst: Facts | None = slices.get("worst")
    if worst and worst["worse"]:
        yield (
            f"{name_of(metric)} is {figure(metric, worst['value'])} where {where(worst['of'])} "
            f"({worst['n']} rows), against {figure(metric, slices['overall'])} over all."
        )
    reliability: Facts = measured.get("reliability") or {}
    raw: Facts | None = reliability.get("raw")
    if raw and raw["ece"] is not None and raw["ece"] > _OFF:
        yield (
            f"Its raw scores are off by {share(raw['ece'])} on average: take the calibrated "
            "confidence for a probability, not the score."
        )
    for one in (*measured.get("sets", ()), *measured.get("intervals", ())):
        if one["high"] < one["promised"]:
            yield (
                f"Sets or intervals that promise {share(one['promised'])} hold the truth in "
                f"{share(one['reached'])} of the rows."
            )


def _of_people(measured: Facts) -> Iterator[str]:
    for one in measured.get("groups", ()):
        ratio = one["four_fifths"]
        if ratio and not ratio["kept"]:
            gap = one["gaps"]["selection_rate"]
            yield (
                f"By {one['column']}, {gap['lowest']} is given {one['favourable']} "
                f"{number(ratio['value'])} times as often as {gap['highest']}: less than the four "
                "fifths that are commonly asked for."
            )
        if any(group["few"] for group in one["groups"]):
            yield f"Some groups of {one['column']} have too few rows to be compared."


def _of_careless_clients(measured: Facts) -> Iterator[str]:
    tried: Sequence[Facts] = measured.get("robustness") or ()
    good = next((one["value"] for one in tried if one["disturbance"] == "none"), None)
    metric = measured.get("headline", "")
    sign = 1.0 if metric == "accuracy" else -1.0
    for one in tried:
        value = one["answered"]["value"]
        if good is None or value is None or one["refused"] > 0.5 or one["disturbance"] == "none":
            continue
        if sign * (good - value) > _FALLS * max(abs(good), 1e-12):
            yield (
                f"With {one['disturbance']}, {name_of(metric).lower()} goes from "
                f"{figure(metric, good)} to {figure(metric, value)}, and the guards stop "
                f"{share(one['refused'])} of such rows."
            )


def _of_ranges(columns: Sequence[Facts], guards: Facts) -> Iterator[str]:
    known = [c for c in columns if c.get("minimum") is not None]
    if known:
        shown = ", ".join(
            f"{c['name']} {number(c['minimum'])} to {number(c['maximum'])}"
            + (f" {c['unit']}" if c.get("unit") else "")
            for c in known[:_SHOWN]
        )
        more = f", and {len(known) - _SHOWN} more columns" if len(known) > _SHOWN else ""
        yield f"It has seen no row outside these ranges, and nothing is known there: {shown}{more}."
    if not guards.get("novelty"):
        yield "Nothing notices rows unlike the training rows: it was packed without reference rows."
