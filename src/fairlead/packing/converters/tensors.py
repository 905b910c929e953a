"""Rows and answers of models that take whole tensors: torch modules and SavedModels.

A model is *batched* when the first dimension of all its inputs and outputs is -1: it then takes
any number of rows at once. Any other model is asked one whole call at a time, and an array here
holds its calls along one more, leading axis.

Standalone: the standard library and numpy only.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.packing.converters import samples

NUMPY = {
    "FP32": "f4", "FP64": "f8", "FP16": "f2", "BOOL": "?", "BYTES": "O",
    "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8",
    "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8",
}  # fmt: skip
"""numpy's name of each wire datatype."""

_SEED = 0
_MOST_ELEMENTS = 1 << 22
_CALLS = 64
_CHUNK = 64
_TRIED_SIZES = (8, 32, 224)
_TRIED_BOUNDS = (100, 10, 2)
_WORDS = ("a", "word", "some more words", "Ärger", "")
_FEW = 4
_CLOSE = 1e-4


class Refused(ValueError):
    """A trained file holds something that only a trusted one may hold."""


@dataclass
class Subject:
    """A model as this file sees it.

    inputs, outputs: signature entries in order.
    call:    arrays in input order to arrays in output order.
    shapes:  a shape that works for each input, or None; only dimensions of -1 are taken from it.
    bounds:  whole numbers of an input are below this, 0 when nothing is known.
    """

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    call: Callable[[list[Any]], list[Any]]
    shapes: Sequence[Sequence[int] | None] = ()
    bounds: Sequence[int] = ()

    @property
    def batched(self) -> bool:
        return all(s["shape"] and s["shape"][0] == -1 for s in (*self.inputs, *self.outputs))

    @property
    def signature(self) -> dict[str, Any]:
        return {"format": 1, "inputs": self.inputs, "outputs": self.outputs}


def asked(subject: Subject, job: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """An array for each input, and the model's answers, an array for each output.

    The job's reference rows, else rows that are made up until the model takes them. Raises
    ValueError when the rows do not fit the inputs, when none can be made up, or for a model whose
    answers are random or depend on neighbouring rows.
    """
    columns = samples.given(job)
    if columns:
        rows = arranged(subject, columns)
        try:
            found = answers(subject, rows)
        except Exception as error:
            raise ValueError(f"the model does not take the reference rows: {error}") from error
    else:
        rows, found = _made_up(subject)
    _check(subject, rows, found)
    return rows, found


def named(asked: Sequence[str], own: Sequence[str]) -> list[str]:
    """The owner's names for the inputs, else their own. Raises ValueError for a wrong number."""
    if asked and len(asked) != len(own):
        raise ValueError(
            f"{len(asked)} input names are given, the model has {len(own)}: {', '.join(own)}"
        )
    return list(asked or own)


def _made_up(subject: Subject) -> tuple[list[Any], list[Any]]:
    sizes = _TRIED_SIZES if any(-1 in s["shape"][1:] for s in subject.inputs) else (0,)
    problem: Exception | None = None
    for size in sizes:
        for bound in _TRIED_BOUNDS:
            rows = _drawn(subject, size, bound)
            try:
                found = answers(subject, rows)
            except Exception as error:
                problem = error
                continue
            return _answered(rows, found)
    raise ValueError(f"no rows that it takes could be made up: give reference rows ({problem})")


def _answered(rows: list[Any], found: list[Any]) -> tuple[list[Any], list[Any]]:
    """Made-up rows without those to which the model itself knows no answer: they say nothing."""
    if any(len(a) != len(rows[0]) for a in found):
        return rows, found
    known = np.logical_and.reduce([_finite(a) for a in found])
    if not known.any():
        return rows, found
    return [a[known] for a in rows], [a[known] for a in found]


def _finite(array: Any) -> Any:
    """Which rows of an output hold no NaN and no infinity."""
    if array.dtype.kind != "f":
        return np.ones(len(array), dtype=bool)
    return np.isfinite(array.reshape(len(array), -1)).all(axis=1)


def arranged(subject: Subject, columns: Mapping[str, Any]) -> list[Any]:
    """Reference rows as arrays in input order: whole inputs by name or in order, else columns.

    Columns that are spread over table-shaped inputs name them. Raises ValueError if they do not
    fit.
    """
    specs = subject.inputs
    if all(spec["name"] in columns for spec in specs):
        arrays = [columns[spec["name"]] for spec in specs]
    elif len(columns) == len(specs):
        arrays = list(columns.values())
    else:
        arrays = _spread(specs, columns)
    return [_fitted(a, spec, subject.batched) for a, spec in zip(arrays, specs, strict=True)]


def _spread(specs: list[dict[str, Any]], columns: Mapping[str, Any]) -> list[Any]:
    """Columns stacked side by side into inputs of shape [n, width], in order."""
    names = list(columns)
    widths = [_width(spec["shape"]) for spec in specs]
    if not all(widths) or sum(widths) != len(names):
        takes = ", ".join(f"{spec['name']} {spec['shape']}" for spec in specs)
        raise ValueError(
            f"the rows have {len(names)} columns, the model takes {takes}: give an .npz file with "
            "one array per input, by name"
        )
    found: list[Any] = []
    for spec, width in zip(specs, widths, strict=True):
        mine, names = names[:width], names[width:]
        if not all(name.isdecimal() for name in mine):
            spec["columns"] = mine
        found.append(np.stack([columns[name] for name in mine], axis=1))
    return found


def _width(shape: Sequence[int]) -> int:
    """Columns of a table-shaped input, 0 for any other."""
    if len(shape) == 1:
        return 1
    return shape[1] if len(shape) == 2 and shape[1] > 0 else 0


def _fitted(array: Any, spec: Mapping[str, Any], batched: bool) -> Any:
    """An array of the input's datatype, with rows or whole calls along its first axis."""
    shape = list(spec["shape"])
    inner = shape[1:] if batched else shape
    if not batched and shape and shape[0] > 0 and array.ndim == len(shape):
        calls = len(array) // shape[0]
        array = array[: calls * shape[0]].reshape(calls, shape[0], *array.shape[1:])
    elif not batched and array.ndim == len(shape):
        array = array[np.newaxis]
    if batched and shape == [-1] and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if batched and shape == [-1, 1] and array.ndim == 1:
        array = array[:, np.newaxis]
    sizes = array.shape[1:]
    if (
        not len(array)
        or len(sizes) != len(inner)
        or any(want not in (-1, size) for want, size in zip(inner, sizes, strict=True))
    ):
        raise ValueError(
            f"the rows for input {spec['name']!r} have shape {list(array.shape)}, the model takes "
            f"{shape}"
        )
    return _typed(array, spec)


def _typed(array: Any, spec: Mapping[str, Any]) -> Any:
    kind = np.dtype(NUMPY[spec["datatype"]])
    if (kind.kind == "O") != (array.dtype.kind == "O"):
        raise ValueError(f"input {spec['name']!r} takes {spec['datatype']}, not {array.dtype}")
    typed = array.astype(kind)
    if kind.kind in "iu" and array.dtype.kind == "f" and not (typed == array).all():
        raise ValueError(f"input {spec['name']!r} takes whole numbers")
    return typed


def _drawn(subject: Subject, size: int, bound: int) -> list[Any]:
    """Made-up arrays: standard normal numbers, small whole numbers, words."""
    random = np.random.default_rng(_SEED)
    shapes: list[list[int]] = []
    for number, spec in enumerate(subject.inputs):
        known = subject.shapes[number] if subject.shapes else None
        inner = spec["shape"][1:] if subject.batched else spec["shape"]
        seen = (
            known[len(spec["shape"]) - len(inner) :] if known is not None else [size] * len(inner)
        )
        shapes.append([d if d >= 0 else s for d, s in zip(inner, seen, strict=True)])
    largest = max((int(np.prod(s)) for s in shapes), default=1) or 1
    most = samples.SAMPLED if subject.batched else _CALLS
    count = int(np.clip(_MOST_ELEMENTS // largest, min(8, most), most))
    found: list[Any] = []
    for number, (spec, shape) in enumerate(zip(subject.inputs, shapes, strict=True)):
        limit = (subject.bounds[number] if subject.bounds else 0) or bound
        found.append(_values(random, np.dtype(NUMPY[spec["datatype"]]), [count, *shape], limit))
    return found


def _values(random: Any, kind: Any, shape: list[int], bound: int) -> Any:
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    if kind.kind == "O":
        return random.choice(np.array(_WORDS, dtype=object), shape)
    if kind.kind == "b":
        drawn = random.random(shape) < 0.5
        if shape[-1] > 1:
            # A mask that hides everything, or nothing, is no likely row.
            drawn[..., 0], drawn[..., 1] = False, True
        return drawn
    return random.integers(0, bound, shape).astype(kind)


def answers(subject: Subject, inputs: Sequence[Any]) -> list[Any]:
    """The model's answers to all rows, a bounded number at a time, or to every whole call."""
    count = len(inputs[0])
    if subject.batched:
        parts = [subject.call([a[i : i + _CHUNK] for a in inputs]) for i in range(0, count, _CHUNK)]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
    calls = [subject.call([np.asarray(a[i], a.dtype) for a in inputs]) for i in range(count)]
    return [np.stack(part) for part in zip(*calls, strict=True)]


def _check(subject: Subject, rows: Sequence[Any], found: Sequence[Any]) -> None:
    """Raises ValueError for a model whose answers are random, or depend on neighbouring rows.

    Rows of several callers share a batch, so a row's answer must be its own.
    """
    few = [a[:_FEW] for a in rows]
    again = answers(subject, few)
    if not close(again, answers(subject, few)):
        raise ValueError(
            "the model answers the same rows differently each time: switch training off (in "
            "torch: model.eval()) before it is saved"
        )
    if not close(again, [a[:_FEW] for a in found]) or (
        subject.batched and not close(again, alone(subject, few))
    ):
        raise ValueError(
            "a row's answer depends on the rows beside it: switch training off (in torch: "
            "model.eval()) before it is saved, or give the model a first dimension of exactly 1"
        )


def alone(subject: Subject, inputs: Sequence[Any]) -> list[Any]:
    """The answers to rows that are asked one by one; [] when they do not fit together.

    Raises ValueError for a model that takes no single row.
    """
    try:
        single = [subject.call([a[i : i + 1] for a in inputs]) for i in range(len(inputs[0]))]
    except Exception as error:
        raise ValueError(f"the model does not take a single row: {short(error)}") from error
    try:
        return [np.concatenate(part) for part in zip(*single, strict=True)]
    except ValueError:
        return []


def close(mine: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Whether two sets of answers are the same but for rounding."""
    return len(mine) == len(theirs) and all(_close(a, b) for a, b in zip(mine, theirs, strict=True))


def _close(mine: Any, theirs: Any) -> bool:
    if mine.shape != theirs.shape:
        return False
    if mine.dtype.kind == "f":
        return bool(np.allclose(mine, theirs, rtol=_CLOSE, atol=_CLOSE, equal_nan=True))
    return bool((mine == theirs).all())


def save(subject: Subject, inputs: Sequence[Any], found: Sequence[Any], out: Path) -> None:
    """Writes rows.npz and original.npz; table-shaped inputs as one array per column."""
    table: dict[str, Any] = {}
    flat = subject.batched and all(_width(spec["shape"]) for spec in subject.inputs)
    for spec, array in zip(subject.inputs, inputs, strict=True):
        width = _width(spec["shape"])
        if not flat:
            table[spec["name"]] = array
        elif width == 1:
            table[spec.get("columns", [spec["name"]])[0]] = array.reshape(-1)
        else:
            names = spec.get("columns") or [f"{spec['name']}[{i}]" for i in range(width)]
            table |= {name: array[:, i] for i, name in enumerate(names)}
    named = {spec["name"]: a for spec, a in zip(subject.outputs, found, strict=True)}
    samples.save(out / "rows.npz", samples.for_file(table))
    samples.save(out / "original.npz", samples.for_file(named))


@contextmanager
def quiet() -> Generator[None]:
    """Keeps what frameworks say about themselves from people who cannot act on it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def short(error: Exception) -> str:
    """What was at the root of an error, in one line; our own say their whole text."""
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = " ".join(str(root).split())
    return text if type(root) is ValueError else f"{type(root).__name__}: {text[:200]}"
