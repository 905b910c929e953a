"""From a trained model to a package: convert, compare, write; what cannot be faithful is refused.

The steps are the same whoever calls: the command line with a file, which the airlock reads; a
notebook with a fitted object, which is converted where it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, ConversionFailed, FairleadError, RowsInvalid
from fairlead.core.names import check_name
from fairlead.core.package import GuardChoice, Package
from fairlead.core.version import __version__
from fairlead.packages.read import guards_of
from fairlead.packing import goal, write
from fairlead.packing.compare import run
from fairlead.packing.examples import examples, typical
from fairlead.packing.faithful import (
    Convert,
    Made,
    Say,
    Wanted,
    environment_of,
    faithful,
    load,
    reference_of,
)
from fairlead.packing.further import further_of, placed
from fairlead.packing.learn import learn_inputs, look_at
from fairlead.packing.learn_drift import learn_watch
from fairlead.packing.measuring import measure
from fairlead.packing.rows import Table, inputs_of
from fairlead.packing.words import FILE as WORDS
from fairlead.packing.words import first_words, slips_of


def pack_converted(
    wanted: Wanted, convert: Convert, trained: Mapping[str, Any], say: Say
) -> Package:
    """Packs a model that needs conversion. Raises ConversionFailed when none is faithful."""
    begin(wanted)
    if wanted.declared.poolings:
        raise ConversionFailed(
            "[outputs] pooling adds to ONNX graphs only",
            fix="Export the model to ONNX, or leave it out",
        )
    with tempfile.TemporaryDirectory(prefix="fairlead-pack-") as folder:
        made = faithful(wanted, convert, Path(folder), say)
        made.further = further_of(wanted, made, convert, Path(folder), say)
        return finish(wanted, made, trained, say)


def begin(wanted: Wanted) -> None:
    """Refuses at once what would be refused at the end."""
    check_name(wanted.name)
    _choice(wanted)
    write.check_free(wanted.repository, wanted.name, wanted.version)
    if wanted.evaluation is not None and wanted.target not in wanted.evaluation.columns:
        raise RowsInvalid(
            f"the evaluation rows have no column {wanted.target!r}",
            fix=f"Name the label column with --target: {', '.join(wanted.evaluation.names[:20])}",
        )


def _choice(wanted: Wanted) -> GuardChoice:
    """What the owner wants of the guards. Raises PackageInvalid, as `amend` would."""
    if wanted.declared.text:
        if wanted.guards:
            raise BadUsage(
                "guards are chosen in the model.toml that is given",
                fix=f"Write them under [guards]: {', '.join(wanted.guards)}",
            )
        return wanted.declared.guards
    return guards_of({"guards": dict(wanted.guards)}, wanted.name)


def finish(wanted: Wanted, made: Made, trained: Mapping[str, Any], say: Say) -> Package:
    """Writes the package of what was made, and says where."""
    choice = _choice(wanted)
    wanted.declared.check(made.signature, wanted.name)
    made.signature = wanted.declared.meant(made.signature, wanted.name)
    measured: dict[str, Any] = {
        "packed": datetime.now(UTC).isoformat(timespec="seconds"),
        "fairlead": __version__,
    }
    if made.comparison is not None:
        measured["comparison"] = made.comparison.to_json(worst=not wanted.private)
    _say_samples(wanted, say)
    files = dict(made.files)
    signatures = placed(made, files)
    files["signature.json"] = write.json_bytes(made.signature.to_json())
    files |= _owners(wanted, made, say)
    if made.rows is not None:
        shown = _shown(wanted, made, made.rows)
        if shown is not None:
            told = examples(shown, made.signature)
            told = wanted.declared.example(told, made.signature, private=wanted.private)
            files["examples.json"] = write.json_bytes(told)
    known = look_at(reference_of(wanted), made.signature, made.choices, private=wanted.private)
    files |= learn_inputs(
        known, made.signature, say, choice, lambda: load(wanted, made), private=wanted.private
    )
    found, watched = measure(wanted, made, files, choice, say)
    measured |= found
    if known.rows:
        files |= learn_watch(known.watched, watched, say, private=wanted.private)
    aimed = goal.reached(choice, files)
    if aimed is not None:
        measured["goal"] = aimed
        say("goal", goal.words_of(aimed))
    files["measured.json"] = write.json_bytes(measured)
    facts = {
        "runtime": made.runtime,
        "isolated": made.isolated,
        "graph": made.graph,
        "reason": made.reason,
        "trained": {**trained, **made.trained},
        "environment": environment_of(wanted, made),
    }
    if signatures:
        facts["signatures"] = signatures
    package = write.commit(wanted.repository, wanted.name, wanted.version, facts, files)
    say("write", f"{package.name} version {package.version} in {package.folder}")
    return package


def _owners(wanted: Wanted, made: Made, say: Say) -> dict[str, bytes | Path]:
    """The files of the package that are the owner's own."""
    words = wanted.declared.text or first_words(wanted.name, made.signature, wanted.guards)
    for slip in slips_of(words):
        say("words", slip)
    files: dict[str, bytes | Path] = {WORDS: words.encode(), **wanted.declared.files}
    if wanted.requirements:
        files["requirements.txt"] = wanted.requirements.encode()
    return files


def _shown(wanted: Wanted, made: Made, rows: Table) -> Table | None:
    """The rows to show as examples: the first ones, or one that nobody sent.

    None where the model refuses the latter.
    """
    if not wanted.private or reference_of(wanted) is None:
        return rows
    row = typical(rows)
    model = load(wanted, made)
    try:
        run(model, made.signature, inputs_of(row, made.signature))
    except FairleadError:
        return None
    finally:
        model.close()
    return row


def _say_samples(wanted: Wanted, say: Say) -> None:
    for kind, rows in (("reference", wanted.reference), ("evaluation", wanted.evaluation)):
        if rows is not None and rows.of:
            say("rows", f"{rows.of} {kind} rows: {rows.count} of them, drawn at random, are used")


def read_measured(package: Package) -> dict[str, Any]:
    """The package's measured.json."""
    return json.loads((package.folder / "measured.json").read_bytes())
