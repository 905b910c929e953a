"""The facts of a model's card made again: for a version with other words, and to verify them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, PackageInvalid
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.documents.card_facts import NEEDED, known_of, private_columns, without_columns
from fairlead.documents.card_facts import Known as Known
from fairlead.guards.contract import Contract
from fairlead.guards.files import CONTRACT
from fairlead.packages.read import card_choice_of, guards_of, read_verified, read_words
from fairlead.packing import write
from fairlead.packing.evaluate import Answers, answer
from fairlead.packing.evidence import evidence_of
from fairlead.packing.learn import learn_answers
from fairlead.packing.rows import Table
from fairlead.packing.statistics import FILE, Files, Subject, statistics_of, unmeasured
from fairlead.packing.uncertainty import plain
from fairlead.packing.words import FILE as WORDS
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.runtimes.runner.isolated import IsolatedRuntime

_OF_GUARDS = ("novelty", "robustness")
"""What of the facts depends on what the owner wants of the guards."""


def known_card(package: Package) -> Known:
    """What the card of a package is made of. Raises PackageInvalid."""
    files = {name: read_verified(package, name) for name in NEEDED if name in package.files}
    try:
        return known_of(package, files)
    except ValueError as error:
        raise PackageInvalid(f"card: {error}", where=str(package.folder)) from None


def loaded_package(package: Package) -> LoadedModel:
    """The model of a package as it is served. Raises LoadFailed and the like."""
    read = partial(read_verified, package)
    if package.isolated:
        return IsolatedRuntime(package.runtime).load(package, read)
    return OnnxRuntime().load(package, read)


def recomputed(
    package: Package, model: LoadedModel, files: Files, rows: Table, target: str
) -> dict[str, Any]:
    """The facts of the card, made anew of labelled rows.

    files: of the package, or of the next version of it.
    """
    answers = answer(model, package.signature, rows, target)
    return _facts(package, model, files, rows, target, answers)


def _facts(
    package: Package, model: LoadedModel, files: Files, rows: Table, target: str, answers: Answers
) -> dict[str, Any]:
    stored = json.loads(_content(files, FILE))
    words, _ = read_words(_content(files, WORDS), package.name)
    evaluation: dict[str, Any] = stored.get("evaluation", {})
    novelty: dict[str, Any] = stored.get("novelty") or {}
    if evaluation.get("of", rows.count) != rows.count:
        rows = Table(rows.columns, int(evaluation["of"]))
    subject = Subject(
        package.name,
        model,
        package.signature,
        {**files, **learn_answers(package.signature, answers, _silent)},
        guards_of(words, package.name),
        card_choice_of(words, package.name),
        package.isolated,
        bool(evaluation.get("private")),
        bool(novelty.get("in_sample")),
    )
    found = statistics_of(subject, rows, target, answers, _graph(package))
    return without_columns(found, _hidden(files))


def unmeasured_again(package: Package) -> dict[str, Any]:
    """The facts of a package that no labelled row has judged."""
    return plain(unmeasured(_graph(package)))


def renewed(package: Package, before: Files, files: Files) -> bytes | None:
    """The facts for the next version, where other words or another contract change them.

    before, files: of the version that it begins from, and of itself. None where nothing changes.
    Raises BadUsage for groups of rows that the package does not hold.
    """
    old, new = ({**read_words(_content(f, WORDS), "")[0]} for f in (before, files))
    stored: dict[str, Any] = json.loads(_content(files, FILE))
    groups = old.get("card", {}) != new.get("card", {})
    guards = old.get("guards", {}) != new.get("guards", {})
    contract = before.get(CONTRACT) != files.get(CONTRACT)
    if stored["performance"] != "measured" or not (groups or guards or contract):
        return None
    found = evidence_of(package)
    if found is not None:
        model = loaded_package(package)
        try:
            return write.json_bytes(recomputed(package, model, files, *found))
        finally:
            model.close()
    wanted = card_choice_of(new, "model.toml").groups
    if wanted and wanted != card_choice_of(old, "model.toml").groups:
        raise BadUsage(
            "[card] groups are compared by evaluation rows, which the package does not hold",
            fix="Pack the model again with --evaluation and --model-toml",
        )
    if guards or contract:
        # They were measured with other guards, and cannot be measured again.
        stored = {name: value for name, value in stored.items() if name not in _OF_GUARDS}
    return write.json_bytes(without_columns(stored, _hidden(files)))


def _graph(package: Package) -> bytes | None:
    return None if package.isolated else read_verified(package, package.graph)


def _hidden(files: Files) -> frozenset[str]:
    raw = files.get(CONTRACT)
    return private_columns(Contract.from_toml(raw.decode()) if isinstance(raw, bytes) else None)


def _content(files: Mapping[str, bytes | Path], name: str) -> bytes:
    raw = files[name]
    assert isinstance(raw, bytes)
    return raw


def _silent(step: str, result: str) -> None:
    """Nobody watches."""
