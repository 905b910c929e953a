"""What conversion makes of a trained model, and the first of its forms that answers as it does.

A float32 graph, a float64 graph, the native form: each is compared with the original; what cannot
be faithful is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import ConversionFailed, FairleadError
from fairlead.core.package import FileFact, Limits, Package
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.packing.choices import Choices, choices_of
from fairlead.packing.compare import Comparison, compare, worst_words
from fairlead.packing.converters import samples
from fairlead.packing.declared import Declared
from fairlead.packing.profile import loaded, profile_of
from fairlead.packing.rows import Table, inputs_of
from fairlead.runtimes.onnx import OnnxRuntime
from fairlead.runtimes.runner.isolated import IsolatedRuntime

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
    signature: which signature of a SavedModel is served, "" for its default one; one_signature: and
    no further ones.
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
    one_signature: bool = False
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
    signatures: what else a SavedModel may be asked for: by name what it is to this one (SAME, ROWS
    or OTHER); further: what was made of them, None of another name of this one.
    profile: how fast it is, where it had to be loaded to be compared; of a graph it is measured
    later.
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
    signatures: dict[str, str] = field(default_factory=dict[str, str])
    further: dict[str, Made | None] = field(default_factory=dict[str, "Made | None"])
    profile: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def isolated(self) -> bool:
        """It is code, and runs in a process of its own."""
        return self.runtime != ONNX


def silent(step: str, result: str) -> None:
    """Says nothing: for callers that show no progress."""


def faithful(wanted: Wanted, convert: Convert, folder: Path, say: Say) -> Made:
    """The first of float32 graph, float64 graph, native form that answers as the original.

    Raises ConversionFailed when none does.
    """
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
    made.signatures = dict(facts.get("signatures", {}))
    if not options:
        _tell_drift(facts.get("trained_with", {}), made.versions, say)
    if made.isolated:
        say("convert", f"kept native, isolated in a runner: {made.reason}")
    else:
        say("convert", f"ONNX graph, {(out / str(facts['graph'])).stat().st_size / 1024:.0f} KiB")
    with np.load(out / "original.npz", allow_pickle=False) as arrays:
        original = {name: arrays[name] for name in arrays.files}
    try:
        model, loading = loaded(lambda: load(wanted, made))
        try:
            inputs = inputs_of(made.rows, signature)
            sampled = bool(facts["sampled"])
            if made.about.get("decoupled"):
                made.comparison = Comparison(0, None, 0.0, 0.0)  # it is asked when it is loaded
                return made
            made.comparison = compare(model, signature, inputs, original, sampled=sampled)
            if made.isolated:
                made.profile = loading | profile_of(model, signature, inputs, isolated=True)
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
        environment=environment_of(wanted, made),
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


def environment_of(wanted: Wanted, made: Made) -> dict[str, Any]:
    """What a manifest says of where a model runs."""
    python = str(Path(wanted.python).absolute()) if wanted.python else ""
    return {"python": python, "versions": made.versions, "about": made.about}
