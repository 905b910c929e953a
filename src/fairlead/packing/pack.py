"""From a trained model to a package: convert, compare, write; what cannot be faithful is refused.

The steps are the same whoever calls: the command line with a file, which the airlock reads; a
notebook with a fitted object, which is converted where it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import BadUsage, ConversionFailed, FairleadError, RowsInvalid
from fairlead.core.package import FileFact, GuardChoice, Limits, Package, check_name
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.core.version import __version__
from fairlead.guards.drift import Watched
from fairlead.packages.read import guards_of
from fairlead.packing import goal, write
from fairlead.packing.choices import Choices, choices_of
from fairlead.packing.compare import Comparison, compare, run, worst_words
from fairlead.packing.converters import samples
from fairlead.packing.declared import Declared
from fairlead.packing.evaluate import Answers, answer, evidence
from fairlead.packing.examples import examples, typical
from fairlead.packing.labelled import learn_labelled
from fairlead.packing.learn import learn_inputs, look_at
from fairlead.packing.learn_drift import learn_watch
from fairlead.packing.rows import Table, inputs_of
from fairlead.packing.words import FILE as WORDS
from fairlead.packing.words import first_words
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.runtimes.runner.parent import IsolatedRuntime

Say = Callable[[str, str], None]
"""Tells a person: (step, what came of it)."""

Convert = Callable[[dict[str, Any], Path], dict[str, Any]]
"""Converts the trained model under a job into a folder and returns the facts (converters/)."""

ONNX = "onnx"
_PATIENCE_S = 1800.0
"""Seconds that a model may take for a batch of rows while it is packed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the owner asks for.

    evaluation: rows with labels; target: the name of the label column in them.
    signature: which signature of a SavedModel is served, "" for its default one.
    python: the interpreter of an isolated model, ours when ""; requirements: what it must have,
    as the text of a requirements file.
    guards: keys of [guards] in model.toml that are given already.
    private: the package holds no reference or evaluation row, nor a value of one.
    declared: the owner's model.toml, where it is given already; its [guards] stand for `guards`.
    """

    name: str
    repository: Path
    version: int | None = None
    reference: Table | None = None
    evaluation: Table | None = None
    target: str = ""
    input_names: tuple[str, ...] = ()
    signature: str = ""
    evidence: bool = True
    python: str = ""
    requirements: str = ""
    guards: Mapping[str, Any] = field(default_factory=dict[str, Any])
    private: bool = False
    declared: Declared = field(default_factory=Declared)


@dataclass(slots=True)
class Made:
    """What conversion made: everything of the package but the owner's part.

    files: content, or a file or folder to copy, by path in the package.
    trained, about, versions: facts of the trained model, for its runtime, of its libraries.
    rows: the reference rows, or sampled ones; None when none could be made.
    choices: by column the categories beyond which the model has no answer.
    """

    runtime: str
    graph: str
    signature: Signature
    files: dict[str, bytes | Path]
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    trained: dict[str, str] = field(default_factory=dict[str, str])
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    comparison: Comparison | None = None
    rows: Table | None = None
    choices: dict[str, Choices] = field(default_factory=dict[str, Choices])

    @property
    def isolated(self) -> bool:
        """It is code, and runs in a process of its own."""
        return self.runtime != ONNX


def pack_converted(
    wanted: Wanted, convert: Convert, trained: Mapping[str, Any], say: Say
) -> Package:
    """Packs a model that needs conversion. Raises ConversionFailed when none is faithful."""
    begin(wanted)
    if wanted.declared.poolings:
        raise ConversionFailed(
            "[outputs] adds to ONNX graphs only", fix="Export the model to ONNX, or leave it out"
        )
    with tempfile.TemporaryDirectory(prefix="fairlead-pack-") as folder:
        made = _faithful(wanted, convert, Path(folder), say)
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


def _faithful(wanted: Wanted, convert: Convert, folder: Path, say: Say) -> Made:
    """The first of float32 graph, float64 graph, native form that answers as the original."""
    reasons: list[str] = []
    for step, options in (("float32", {}), ("float64", {"double": True})):
        made = _attempt(wanted, convert, folder / step, options, say)
        if made.isolated or (made.comparison is not None and made.comparison.faithful):
            return _checked(made, say)
        failure = made.comparison.failure if made.comparison else made.reason
        reasons.append(f"as {step} graph {failure}")
        worst = worst_words(made.comparison)
        say("compare", f"not faithful as {step} graph: {failure}" + (worst and f"; worst {worst}"))
    native = {"native": "; ".join(reasons)}
    return _checked(_attempt(wanted, convert, folder / "native", native, say), say)


def _checked(made: Made, say: Say) -> Made:
    """The attempt that is kept. Raises ConversionFailed with the worst rows if it is no good."""
    found = made.comparison
    if found is None:
        return made
    if found.rows:
        say("compare", found.line())
    if not found.faithful:
        raise ConversionFailed(
            f"no faithful way to serve the model: {found.failure}",
            where=worst_words(found) or None,
            fix="Give --reference rows that are like the training rows" if found.rows else None,
        )
    return made


def _tell_drift(trained: Mapping[str, str], here: Mapping[str, str], say: Say) -> None:
    """Says when a library reads what an older one of its kind has trained."""
    for name, version in trained.items():
        if name in here and here[name].split(".")[:2] != version.split(".")[:2]:
            say("versions", f"trained with {name} {version}, read by {here[name]}: compare answers")


def _attempt(
    wanted: Wanted, convert: Convert, out: Path, options: dict[str, Any], say: Say
) -> Made:
    out.mkdir()
    facts = convert(job_of(wanted, out.parent) | options, out)
    signature = Signature.from_json(facts["signature"])
    made = Made(str(facts["runtime"]), "", signature, {}, str(facts["reason"]))
    made.graph = ("native/" if made.isolated else "graph/") + str(facts["graph"])
    made.files = {made.graph: out / str(facts["graph"])}
    made.versions = dict(facts["versions"])
    made.trained = {k: str(facts[k]) for k in ("framework", "class") if k in facts}
    made.about = dict(facts["about"])
    made.choices = choices_of(facts)
    made.rows = _table(out / "rows.npz")
    if not options:
        _tell_drift(facts.get("trained_with", {}), made.versions, say)
    if made.isolated:
        say("convert", f"kept native, isolated in a runner: {made.reason}")
    else:
        say("convert", f"ONNX graph, {(out / str(facts['graph'])).stat().st_size / 1024:.0f} KiB")
    with np.load(out / "original.npz", allow_pickle=False) as arrays:
        original = {name: arrays[name] for name in arrays.files}
    try:
        model = load(wanted, made)
        try:
            inputs = inputs_of(made.rows, signature)
            sampled = bool(facts["sampled"])
            if made.about.get("decoupled"):
                made.comparison = Comparison(0, None, 0.0, 0.0)  # it is asked when it is loaded
                return made
            made.comparison = compare(model, signature, inputs, original, sampled=sampled)
        finally:
            model.close()
    except FairleadError as error:
        made.comparison = Comparison(0, None, np.inf, np.inf, failure=f"does not run: {error.what}")
    return made


def job_of(wanted: Wanted, folder: Path) -> dict[str, Any]:
    """What a converter is told; the reference rows go by a file without any object in it."""
    job: dict[str, Any] = {
        "input_names": list(wanted.input_names),
        "signature": wanted.signature,
    }
    table = reference_of(wanted)
    if table is not None:
        path = folder / "reference.npz"
        if not path.exists():
            samples.save(path, {n: as_plain(v) for n, v in table.columns.items()})
        job |= {"rows": str(path), "columns": table.names}
    return job


def reference_of(wanted: Wanted) -> Table | None:
    """The reference rows; the evaluation rows without their labels stand in for them."""
    if wanted.reference is None and wanted.evaluation is not None:
        return wanted.evaluation.without(wanted.target)
    return wanted.reference


def as_plain(values: Array) -> Array:
    """A column as a file may hold it: text of fixed width instead of objects."""
    return values.astype(str) if values.dtype.kind == "O" else values


def _table(path: Path) -> Table:
    with np.load(path, allow_pickle=False) as arrays:
        return Table(
            {
                n: arrays[n].astype(object) if arrays[n].dtype.kind == "U" else arrays[n]
                for n in arrays.files
            }
        )


def load(wanted: Wanted, made: Made) -> LoadedModel:
    """What was made, loaded as it will be served. Raises LoadFailed."""
    if not made.isolated:
        content = made.files[made.graph]
        raw = content.read_bytes() if isinstance(content, Path) else content
        return load_graph(wanted.name, made.signature, raw)
    places = _places(made)
    package = Package(
        wanted.name,
        0,
        Path(),
        made.runtime,
        True,
        made.graph,
        made.signature,
        {relative: FileFact(0, "") for relative in places},
        environment=_environment(wanted, made),
        # All reference rows at once take longer than a caller would wait.
        limits=Limits(time_budget_s=_PATIENCE_S),
    )
    return IsolatedRuntime(made.runtime).load(
        package, lambda relative: places[relative].read_bytes()
    )


def _places(made: Made) -> dict[str, Path]:
    """Every file of the native form, by its path in the package."""
    source = made.files[made.graph]
    assert isinstance(source, Path)
    if source.is_file():
        return {made.graph: source}
    inner = [p for p in source.rglob("*") if p.is_file()]
    return {f"{made.graph}/{p.relative_to(source).as_posix()}": p for p in inner}


def load_graph(name: str, signature: Signature, graph: bytes) -> LoadedModel:
    """A graph that is not packed yet, loaded as it will be served."""
    package = Package(name, 0, Path(), ONNX, False, "graph", signature, {})
    return OnnxRuntime().load(package, lambda _: graph)


def _environment(wanted: Wanted, made: Made) -> dict[str, Any]:
    python = str(Path(wanted.python).absolute()) if wanted.python else ""
    return {"python": python, "versions": made.versions, "about": made.about}


def finish(wanted: Wanted, made: Made, trained: Mapping[str, Any], say: Say) -> Package:
    """Writes the package of what was made, and says where."""
    choice = _choice(wanted)
    wanted.declared.check(made.signature, wanted.name)
    measured: dict[str, Any] = {
        "packed": datetime.now(UTC).isoformat(timespec="seconds"),
        "fairlead": __version__,
    }
    if made.comparison is not None:
        measured["comparison"] = made.comparison.to_json(worst=not wanted.private)
    _say_samples(wanted, say)
    files = dict(made.files)
    files["signature.json"] = write.json_bytes(made.signature.to_json())
    words = wanted.declared.text or first_words(wanted.name, made.signature, wanted.guards)
    files[WORDS] = words.encode()
    files |= wanted.declared.files
    if wanted.requirements:
        files["requirements.txt"] = wanted.requirements.encode()
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
    watched: list[Watched] = []
    if wanted.evaluation is not None:
        answers = _answers(wanted, made, wanted.evaluation)
        measured["evaluation"], watched = learn_labelled(made.signature, answers, files, say)
        if wanted.evidence and not wanted.private:
            files |= evidence(wanted.evaluation, wanted.target)
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
        "environment": _environment(wanted, made),
    }
    package = write.commit(wanted.repository, wanted.name, wanted.version, facts, files)
    say("write", f"{package.name} version {package.version} in {package.folder}")
    return package


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


def _answers(wanted: Wanted, made: Made, rows: Table) -> Answers:
    model = load(wanted, made)
    try:
        return answer(model, made.signature, rows, wanted.target)
    finally:
        model.close()


def silent(step: str, result: str) -> None:
    """Says nothing: for callers that show no progress."""


def read_measured(package: Package) -> dict[str, Any]:
    """The package's measured.json."""
    return json.loads((package.folder / "measured.json").read_bytes())
