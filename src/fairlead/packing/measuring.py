"""What is measured of a model while it is packed: its speed, and all that labelled rows tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairlead.core.errors import FairleadError
from fairlead.core.package import CardChoice, GuardChoice
from fairlead.core.promises import LoadedModel
from fairlead.guards.drift import Watched
from fairlead.packages.read import card_choice_of, read_words
from fairlead.packing import write
from fairlead.packing.evaluate import answer, evidence
from fairlead.packing.faithful import Made, Say, Wanted, load
from fairlead.packing.labelled import learn_labelled
from fairlead.packing.profile import loaded, profile_of
from fairlead.packing.rows import inputs_of
from fairlead.packing.statistics import FILE, Subject, statistics_of, unmeasured
from fairlead.packing.uncertainty import plain
from fairlead.packing.words import FILE as WORDS

Files = dict[str, bytes | Path]


def measure(
    wanted: Wanted, made: Made, files: Files, choice: GuardChoice, say: Say
) -> tuple[dict[str, Any], list[Watched]]:
    """Parts of measured.json, and the model's answers in bins for drift.

    files: of the package; what is learnt, the facts of the card and the evidence are added.
    """
    measured: dict[str, Any] = {}
    watched: list[Watched] = []
    graph = _graph(made)
    if made.profile:
        measured["profile"] = plain(made.profile)
    if wanted.evaluation is None:
        say("card", "PERFORMANCE UNKNOWN: no labelled rows were given with --evaluation")
        files[FILE] = write.json_bytes(plain(unmeasured(graph)))
        if not made.isolated:
            _profiled(wanted, made, measured).close()
        return measured, watched
    model = load(wanted, made) if made.isolated else _profiled(wanted, made, measured)
    try:
        rows, target = wanted.evaluation, wanted.target
        answers = answer(model, made.signature, rows, target)
        measured["evaluation"], watched = learn_labelled(made.signature, answers, files, say)
        subject = Subject(
            wanted.name,
            model,
            made.signature,
            files,
            choice,
            _card(files, wanted.name),
            made.isolated,
            wanted.private,
            wanted.reference is None,
        )
        told = statistics_of(subject, rows, target, answers, graph)
        files[FILE] = write.json_bytes(told)
        for line in _lines(told):
            say("card", line)
    finally:
        model.close()
    if wanted.evidence and not wanted.private:
        files |= evidence(wanted.evaluation, wanted.target)
    return measured, watched


def _card(files: Files, where: str) -> CardChoice:
    raw = files[WORDS]
    assert isinstance(raw, bytes)
    return card_choice_of(read_words(raw, where)[0], where)


def _graph(made: Made) -> bytes | None:
    """The bytes of the graph, None of what is kept native."""
    if made.isolated:
        return None
    content = made.files[made.graph]
    return content.read_bytes() if isinstance(content, Path) else content


def _profiled(wanted: Wanted, made: Made, measured: dict[str, Any]) -> LoadedModel:
    """The model loaded as it will be served, its profile noted where there are rows to ask of."""
    model, told = loaded(lambda: load(wanted, made))
    if made.rows is not None:
        try:
            inputs = inputs_of(made.rows, made.signature)
            told |= profile_of(model, made.signature, inputs, isolated=False)
        except FairleadError:
            pass  # it refuses these rows, which is said elsewhere
    measured["profile"] = plain(told)
    return model


def _lines(told: dict[str, Any]) -> list[str]:
    """What a person should not miss of it."""
    lines: list[str] = []
    slices: dict[str, Any] = told.get("slices", {})
    worst: dict[str, Any] | None = slices.get("worst")
    if worst and worst["worse"]:
        where = " and ".join(f"{column} = {value}" for column, value in worst["of"])
        what = str(told["headline"]).replace("_", " ")
        lines.append(
            f"{what} {worst['value']:.3g} where {where}, {slices['overall']:.3g} over all rows"
        )
    for one in told.get("groups", ()):
        ratio = one["four_fifths"]
        if ratio and not ratio["kept"]:
            lines.append(f"{one['column']}: selection rates are below four fifths of each other")
    return lines
