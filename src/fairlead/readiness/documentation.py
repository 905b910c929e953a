"""Documentation: what the owner has said of the model, and how right it is known to be."""

from __future__ import annotations

import json
from typing import Any

from fairlead.documents.card_words import completeness, said
from fairlead.readiness.facts import FAIL, OWNER, PASS, WARN, Facts, Finding, Question

GROUP = "Documentation"
_LEAST, _GOOD = 0.4, 0.8
_NAMED = 5
_MOST_LINES = 20


def _words(facts: Facts) -> dict[str, Any]:
    return facts.package.words.get("words", {})


def _purpose(facts: Facts) -> Finding:
    if text := said(_words(facts).get("purpose")):
        return Finding(PASS, text)
    return Finding(OWNER, "nothing is said", facts.amended("words", 'purpose = "..."'))


def _misused(facts: Facts) -> Finding:
    if text := said(_words(facts).get("out_of_scope")):
        return Finding(PASS, text)
    return Finding(OWNER, "nothing is said", facts.amended("words", 'out_of_scope = "..."'))


def _contact(facts: Facts) -> Finding:
    if text := said(_words(facts).get("contact")):
        return Finding(PASS, text)
    return Finding(facts.grave, "nobody is named", facts.amended("words", 'contact = "..."'))


def _licence(facts: Facts) -> Finding:
    if text := said(_words(facts).get("licence")):
        return Finding(PASS, text)
    fix = facts.amended("words", 'licence = "Apache-2.0"')
    return Finding(facts.grave, "no licence is named", fix)


def _card(facts: Facts) -> Finding:
    found = completeness(_words(facts))
    missing: list[str] = found["missing"]
    told = f"{found['score']:.0%} of what a model card asks"
    told += f"; missing {', '.join(missing[:_NAMED])}" if missing else ""
    told += f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    fix = facts.amended("words", *(f'{key} = "..."' for key in missing)) if missing else ""
    if found["score"] < _LEAST:
        return Finding(facts.grave, told, fix)
    return Finding(facts.mild if found["score"] < _GOOD else PASS, told, fix)


def _units(facts: Facts) -> Finding:
    inputs = facts.package.signature.inputs
    columns = [name for spec in inputs if spec.dtype.is_float for name in spec.columns]
    if not columns:
        return Finding(PASS, "no columns of numbers that have a unit")
    told: dict[str, Any] = facts.package.words.get("units", {})
    silent = [name for name in columns if not said(told.get(name))]
    shown = f"{len(columns) - len(silent)} of {len(columns)} columns of numbers"
    lines = [f'{json.dumps(name, ensure_ascii=False)} = "..."' for name in silent[:_MOST_LINES]]
    verdict = PASS if not silent else facts.mild
    return Finding(verdict, shown, facts.amended("units", *lines))


def _accuracy(facts: Facts) -> Finding:
    found = facts.evaluation
    rows = f"{found.get('rows', 0):,} rows that it was not trained on"
    if "accuracy" in found:
        return Finding(PASS, f"{found['accuracy']:.1%} right on {rows}")
    if "mean_absolute_error" in found:
        return Finding(PASS, f"off by {found['mean_absolute_error']:.4g} on average, on {rows}")
    told, fix = "unknown: no labelled rows were given", facts.packed(labelled=True)
    if found.get("rows"):
        name = facts.package.signature.outputs[0].name
        told = (
            f"unknown: {found['rows']:,} labelled rows were given, and nobody has said what the "
            f"outputs are: role under [outputs.{name}] of model.toml"
        )
        fix = facts.packed(labelled=True, words=True)
    return Finding(facts.by_exposure(WARN, WARN, FAIL), told, fix)


QUESTIONS = (
    Question("purpose", "Is it said what the model is for?", _purpose),
    Question("out-of-scope", "Is it said what it must not be used for?", _misused),
    Question("contact", "Where do questions and complaints go?", _contact),
    Question("licence", "Under what licence may it be used?", _licence),
    Question("card-complete", "How much of its model card has the owner filled in?", _card),
    Question("units", "Do callers know in which units to send numbers?", _units),
    Question("accuracy-known", "How often is the model right?", _accuracy),
)
