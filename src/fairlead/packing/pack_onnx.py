"""A trained file that is an ONNX graph already: looked at, never changed but for a ZipMap's end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import ConversionFailed, FairleadError, MissingExtra, UnsafeFile
from fairlead.core.package import Package
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.packing import onnx_file
from fairlead.packing.airlock.refused import printable
from fairlead.packing.compare import run
from fairlead.packing.faithful import Made, Say, Wanted, load_graph, reference_of
from fairlead.packing.pack import begin, finish
from fairlead.packing.pooling import pooled
from fairlead.packing.rows import Table, inputs_of

GRAPH = "graph/model.onnx"
MOST_BYTES = (2 << 30) - 1
_ROWS = 8
_SEED = 0
_MOST_CHOICES = 200
_OPEN_SIZES = (8, 1, 16, 32, 64, 128)
"""Sizes that are tried for an open inner dimension when there are no rows to tell."""

_KINDS = {
    "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(float16)": "FP16",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64", "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
}  # fmt: skip


def pack_onnx(wanted: Wanted, path: Path, trained: Mapping[str, Any], say: Say) -> Package:
    """Packs an ONNX file. Raises UnsafeFile, ConversionFailed, MissingExtra."""
    begin(wanted)
    raw, facts = read_graph(path)
    if wanted.declared.poolings:
        raw = pooled(raw, wanted.declared.poolings)
        facts = onnx_file.read(raw)
        say("convert", "pooled into " + ", ".join(p.name for p in wanted.declared.poolings))
    signature = _signature(raw, facts, wanted)
    wanted.declared.check(signature, path.name)
    made = Made("onnx", GRAPH, signature, {GRAPH: raw})
    made.trained = {"framework": "ONNX", "class": facts.producer}
    say("convert", f"an ONNX graph already, {len(raw) / 1024:.0f} KiB")
    model = load_graph(wanted.name, signature, raw)
    reference = reference_of(wanted)
    if reference is not None:
        made.rows = reference.head(_ROWS)
        run(model, signature, inputs_of(made.rows, signature))
    else:
        made.rows = _working_rows(model, signature, facts.words)
        if made.rows is None:
            say("examples", "no row could be made up that the graph takes: give --reference")
    return finish(wanted, made, trained, say)


def read_graph(path: Path) -> tuple[bytes, onnx_file.OnnxFacts]:
    """The graph's bytes, complete in themselves, and what they hold.

    Raises UnsafeFile for what leads outside, ConversionFailed for custom operators.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UnsafeFile("an ONNX file larger than 2 GiB is no ONNX file", where=path.name)
    raw = path.read_bytes()
    facts = onnx_file.read(raw)
    if facts.foreign:
        raise ConversionFailed(
            "the graph uses operators of a library of its own: "
            + ", ".join(map(printable, facts.foreign[:5])),
            where=path.name,
            fix="Export it with standard operators only",
        )
    if facts.external:
        raw = _embedded(raw, facts, path)
    if any(not spec["datatype"] for spec in facts.outputs):
        raw = _without_zipmap(raw)
    return raw, facts


def _onnx(what: str) -> Any:
    try:
        return import_module("onnx")
    except ImportError as error:
        raise MissingExtra(f"{what} needs onnx", fix="pip install 'fairlead[onnx]'") from error


def _embedded(raw: bytes, facts: onnx_file.OnnxFacts, path: Path) -> bytes:
    """The graph with its data inside, so that a package's graph is one file with one hash."""
    onnx = _onnx("a graph with its data in other files")
    if len(raw) + onnx_file.check_external(facts, path.parent) > MOST_BYTES:
        raise ConversionFailed("a graph of more than 2 GiB cannot be served yet", where=path.name)
    model = onnx.load_model_from_string(raw)
    with tempfile.TemporaryDirectory(prefix="fairlead-onnx-") as folder:
        onnx_file.copy_external(facts, path.parent, Path(folder))
        try:
            onnx.load_external_data_for_model(model, folder)
        except Exception as error:
            raise UnsafeFile(
                f"the graph's data cannot be read: {printable(str(error))}", where=path.name
            ) from None
    whole = model.SerializeToString(deterministic=True)
    if onnx_file.read(whole).external:
        raise UnsafeFile("the graph keeps data outside where none belongs", where=path.name)
    return whole


def _without_zipmap(raw: bytes) -> bytes:
    graphs = import_module("fairlead.packing.converters.graphs")
    model = _onnx("a graph that ends in maps (ZipMap)").load_model_from_string(raw)
    try:
        dropped = graphs.drop_zipmap(model)
    except ValueError:
        dropped = False  # its maps go into other nodes
    if not dropped:
        raise ConversionFailed("the graph has an output that is no tensor")
    return model.SerializeToString(deterministic=True)


def _signature(raw: bytes, facts: onnx_file.OnnxFacts, wanted: Wanted) -> Signature:
    """What onnxruntime says goes in and out, with the roles that the outputs show."""
    onnxruntime = import_module("onnxruntime")
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session: Any = onnxruntime.InferenceSession(
            raw, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        text = printable(" ".join(str(error).split()), 300)
        raise ConversionFailed(f"onnxruntime cannot load the graph: {text}") from None
    inputs = [_spec(value) for value in session.get_inputs()]
    outputs = [_spec(value) for value in session.get_outputs()]
    if not inputs or not outputs:
        raise ConversionFailed("the graph takes nothing in, or gives nothing out")
    return Signature(
        tuple(_named(inputs, reference_of(wanted))), tuple(_with_roles(outputs, facts.classes))
    )


def _spec(value: Any) -> TensorSpec:
    kind = _KINDS.get(value.type)
    if kind is None:
        raise ConversionFailed(f"{value.name!r} is a {value.type}, which cannot be served")
    shape = tuple(d if isinstance(d, int) and d > 0 else -1 for d in value.shape)
    return TensorSpec(value.name, DTYPES[kind], shape)


def _named(inputs: list[TensorSpec], rows: Table | None) -> list[TensorSpec]:
    """Column names from the reference rows' header, and whether they show missing values."""
    if rows is None or len(inputs) != 1:
        return inputs
    (spec,) = inputs
    width = spec.shape[1] if len(spec.shape) == 2 else 0
    if width < 2 or len(rows.columns) != width:
        return inputs
    missing = spec.dtype.is_float and any(
        v.dtype.kind == "f" and bool(np.isnan(v).any()) for v in rows.columns.values()
    )
    names = () if rows.names == [str(i) for i in range(width)] else tuple(rows.names)
    return [TensorSpec(spec.name, spec.dtype, spec.shape, names, missing)]


def _with_roles(outputs: list[TensorSpec], classes: list[str]) -> list[TensorSpec]:
    """A classifier's label and scores, where a classifier node says what its labels are."""
    named: list[TensorSpec] = []
    for spec in outputs:
        shape, role = spec.shape, ""
        if classes and len(shape) == 1 and not spec.dtype.is_float:
            role = "label"
        elif classes and spec.dtype.is_float and len(shape) == 2 and shape[1] in (-1, len(classes)):
            role, shape = "scores", (shape[0], len(classes))
        known = tuple(classes) if role else ()
        named.append(TensorSpec(spec.name, spec.dtype, shape, (), False, role, known))
    return named


def _working_rows(model: LoadedModel, signature: Signature, words: list[str]) -> Table | None:
    """Rows made up from the signature that the graph answers, None when none was found.

    words: texts that the graph knows; an encoder may refuse every other.
    """
    texts = sum(spec.dtype.is_text for spec in signature.inputs)
    choices = product(["a", *words], repeat=texts) if texts else [()]
    for size, choice in product(_OPEN_SIZES, islice(choices, _MOST_CHOICES)):
        columns = _made_up(signature, size, iter(choice))
        try:
            run(model, signature, list(columns.values()))
        except FairleadError:
            continue
        return _as_table(columns, signature)
    return None


def _made_up(signature: Signature, size: int, words: Iterator[str]) -> dict[str, Array]:
    """Arrays for each input, the same every time; a word for each input of text."""
    random = np.random.default_rng(_SEED)
    found: dict[str, Array] = {}
    for spec in signature.inputs:
        skipped = 1 if signature.batched else 0
        inner = [size if d == -1 else d for d in spec.shape[skipped:]]
        if not signature.batched and spec.shape[:1] == (-1,):
            inner[0] = 1
        shape = [_ROWS, *inner]
        if spec.dtype.is_text:
            found[spec.name] = np.full(shape, next(words), dtype=object)
        elif spec.dtype.is_float:
            found[spec.name] = random.normal(size=shape).astype(spec.dtype.numpy)
        else:
            found[spec.name] = random.integers(0, 2, size=shape).astype(spec.dtype.numpy)
    return found


def _as_table(columns: dict[str, Array], signature: Signature) -> Table:
    if not signature.columns:
        return Table(columns)
    wide = [array.reshape(len(array), -1) for array in columns.values()]
    flat = [array[:, i] for array in wide for i in range(array.shape[1])]
    names = [column.name for column in signature.columns]
    return Table(dict(zip(names, flat, strict=True)))
