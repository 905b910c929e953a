"""Learns a package's guards from the owner's rows: contract, novelty, confidence.

Rows are taken as they will be served, so a guard sees at pack what it will see in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import RowsInvalid
from fairlead.core.package import GuardChoice
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.confidence import learn_confidence
from fairlead.guards.contract import learn_contract
from fairlead.guards.files import (
    CONFIDENCE,
    CONTRACT,
    EMBEDDING,
    INTERVALS,
    MISUSE,
    NOVELTY,
    SEEN,
)
from fairlead.guards.intervals import learn_intervals
from fairlead.guards.novelty import Novelty, learn_novelty
from fairlead.guards.novelty_joined import learn_both
from fairlead.guards.seen import Seen, learn_seen, seen_of
from fairlead.packing.choices import Choices, contract_of, with_choices
from fairlead.packing.evaluate import Answers
from fairlead.packing.learn_embedding import Embedded, embed, embedding_of
from fairlead.packing.learn_misuse import suspicion
from fairlead.packing.private import learn_private
from fairlead.packing.rows import Table, inputs_of

MOST_RULES = 1000
"""A contract of more columns than anyone reads is not written."""

MOST_ROWS = 100_000

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Known:
    """The reference rows as guards see them.

    seen:    how; inputs: the rows' arrays, as the model takes them; columns: what is seen of them.
    rows:    how many rows there were, 0 without reference rows.
    choices: by column the categories beyond which the model itself has no answer.
    """

    seen: Seen
    inputs: list[Array]
    columns: dict[str, Any]
    rows: int
    choices: Mapping[str, Choices]

    @property
    def watched(self) -> dict[str, Any]:
        """The columns whose drift would tell a person something."""
        return self.columns if self.seen.told else {}


def look_at(
    reference: Table | None,
    signature: Signature,
    choices: Mapping[str, Choices],
    *,
    private: bool = False,
) -> Known:
    """The rows from which guards learn. Raises RowsInvalid for rows that the model never takes."""
    if reference is None:
        return Known(seen_of(signature), [], {}, 0, choices)
    inputs = inputs_of(_some(reference), signature)
    if not signature.batched:
        return Known(seen_of(signature), inputs, {}, len(inputs[0]), choices)
    if not signature.columns:
        _check_finite(inputs, signature)
    seen, rows = learn_seen(signature, inputs, private=private)
    if len(rows) < len(inputs[0]):
        inputs = [array[rows] for array in inputs]
    found = {
        name: values if values.dtype.kind == "O" else values.astype(np.float64)
        for name, values in seen.columns(inputs).items()
    }
    return Known(seen, inputs, found, reference.count, choices)


def _check_finite(inputs: list[Array], signature: Signature) -> None:
    for spec, array in zip(signature.inputs, inputs, strict=True):
        if array.dtype.kind != "f" or spec.missing:
            continue
        good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise RowsInvalid(
                f"row {row} of input {spec.name!r} holds NaN or infinity, which the model is "
                "never given",
                where=f"row {row}, input {spec.name!r}",
                fix="Leave the row out of the reference rows",
                row=row,
            )


def learn_inputs(
    known: Known,
    signature: Signature,
    say: Say,
    choice: GuardChoice,
    load: Callable[[], LoadedModel],
    *,
    private: bool = False,
) -> dict[str, bytes | Path]:
    """Contract and novelty guard from reference rows, as files of the package.

    choice: what the owner wants of the guards. load: the model, for its embedding. private: learn
    from aggregates, so that no row and no value of one is in any file.
    """
    if not known.rows:
        return _own_contract(signature, known.choices, say)
    files: dict[str, bytes | Path] = {}
    if known.seen.plain and 0 < len(known.columns) <= MOST_RULES:
        contract = learn_contract(known.columns, aggregates=private)
        files[CONTRACT] = with_choices(contract, known.choices).to_toml().encode()
    for name in known.seen.unguarded:
        say("guards", f"input {name!r} is no table, image or tokens, or has too few rows: {_NOT}")
    place = embedding_of(signature, known.seen, choice.embedding)
    if place is not None and private:
        say("guards", f"{signature.outputs[place].name!r} is not guarded: its rows would be kept")
        place = None
    embedded = None if place is None else _embedded(known, signature, place, choice, load, say)
    if embedded is None and not known.columns:
        say("guards", "nothing of the inputs is guarded")
        return files
    try:
        guards = _novelty(known, embedded, choice.false_alarm_rate, say, private=private)
    except ValueError as error:
        say("guards", f"novelty is not guarded: {error}")
        return files
    files |= {name: guard.to_bytes() for name, guard in guards.items()}
    if not known.seen.plain:
        files[SEEN] = known.seen.to_bytes()
    if NOVELTY in guards:
        files[MISUSE] = suspicion(known.columns, guards[NOVELTY])
    _tell(known, guards, say)
    return files


_NOT = "it is not guarded"


def _own_contract(
    signature: Signature, choices: Mapping[str, Choices], say: Say
) -> dict[str, bytes | Path]:
    """What the model itself knows of valid rows; {} when it knows nothing."""
    contract = contract_of(signature, choices)
    if contract is None:
        return {}
    say("contract", f"the model's own categories of {', '.join(choices)}")
    return {CONTRACT: contract.to_toml().encode()}


def _novelty(
    known: Known, embedded: Embedded | None, rate: float, say: Say, *, private: bool
) -> dict[str, Novelty]:
    """The novelty guards by their files. Raises ValueError when there is too little to learn."""
    if private:
        return {NOVELTY: learn_private(known.columns, rate, say)}
    if embedded is None:
        return {NOVELTY: learn_novelty(known.columns, false_alarm_rate=rate)}
    seen = {name: values[embedded.rows] for name, values in known.columns.items()}
    inputs, outputs = learn_both(seen, embedded.columns, false_alarm_rate=rate)
    return {EMBEDDING: outputs} | ({NOVELTY: inputs} if inputs is not None else {})


def _embedded(
    known: Known,
    signature: Signature,
    place: int,
    choice: GuardChoice,
    load: Callable[[], LoadedModel],
    say: Say,
) -> Embedded | None:
    """What the model makes of the rows; None where its output turns out to be something else."""
    model = load()
    try:
        found = embed(model, signature, place, known.inputs)
    finally:
        model.close()
    reason = found.doubt(chosen=bool(choice.embedding))
    if not reason:
        return found
    say("guards", f"output {signature.outputs[place].name!r} is no embedding to guard: {reason}")
    return None


def _tell(known: Known, guards: Mapping[str, Novelty], say: Say) -> None:
    """What was learnt, for people."""
    guard = next(iter(guards.values()))
    # Both guards of a model with an embedding hold the same rows.
    kept = f"the package holds {max(g.raw_rows for g in guards.values())} raw rows for it"
    if guard.smallest_rate > guard.false_alarm_rate:
        kept += (
            f"; {guard.calibrated} rows kept aside allow no false-alarm rate below "
            f"{guard.smallest_rate:.1%}, so rows unlike all of them are marked, not rejected"
        )
    what = known.seen.described() + ["the model's embedding"] * (EMBEDDING in guards)
    on = f" ({'; '.join(what)})" if what else ""
    say("guards", f"novelty learnt from {min(known.rows, MOST_ROWS)} rows{on}; {kept}")


def learn_answers(signature: Signature, answers: Answers, say: Say) -> dict[str, bytes | Path]:
    """Confidence or intervals from labelled rows, as files of the package."""
    truth = answers.truth
    for spec in signature.outputs:
        try:
            if spec.role == "scores" and spec.classes:
                return _confidence(answers.outputs[spec.name], spec.classes, truth, say)
            if spec.role == "value" and truth.dtype.kind in "iuf":
                guard = learn_intervals(answers.outputs[spec.name], truth)
                say("guards", f"90 % of answers are off by at most {guard.radius():.4g}")
                return {INTERVALS: guard.to_bytes()}
        except ValueError as error:
            say("guards", f"no confidence is claimed: {error}")
            return {}
    return {}


def _confidence(
    scores: Array, classes: tuple[str, ...], truth: Array, say: Say
) -> dict[str, bytes | Path]:
    places = {name: i for i, name in enumerate(classes)}
    names = [_name(v) for v in truth.tolist()]
    strangers = sorted({n for n in names if n not in places})
    if strangers:
        raise ValueError(f"the labels hold {strangers[0]!r}, which is no class of the model")
    guard = learn_confidence(scores, [places[n] for n in names])
    how = "scores are believed as they are" if guard.method == "none" else guard.method
    say("guards", f"confidence from {guard.rows} labelled rows; calibration: {how}")
    return {CONFIDENCE: guard.to_bytes()}


def _name(label: Any) -> str:
    """A label as its class is named; a whole float is the integer that it is."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _some(table: Table) -> Table:
    """As many rows as guards learn from, spread over the whole table."""
    if table.count <= MOST_ROWS:
        return table
    chosen = np.linspace(0, table.count - 1, MOST_ROWS).astype(int)
    columns: Mapping[str, Any] = {n: v[chosen] for n, v in table.columns.items()}
    return Table(columns)
