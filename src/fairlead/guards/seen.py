"""What the guards see of a call's tensors: named columns of numbers or text, a value per row.

A table is its columns. An image is how bright, how sharp and how even it is; token ids are how long
and how usual they are; more numbers than anyone names are sums of them. Pack and worker see alike,
since both look through the same `Seen`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.guards.images import image_columns
from fairlead.guards.novelty import Novelty
from fairlead.guards.novelty_reasons import COMBINED
from fairlead.guards.sketch import Sketch, learn_sketch
from fairlead.guards.tokens import Vocabulary, learn_vocabulary, token_columns

FORMAT = 1
MOST_NUMBERS = 4096
"""More numbers in a row are seen as sums."""

TABLE, NUMBERS, IMAGE, SUMS, TOKENS, NOTHING = "table", "numbers", "image", "sums", "tokens", ""
_LEAST_SIDE = 8
_MOST_CHANNELS = 4
_FEW = 30
"""With fewer rows to spare nothing can be learnt of how numbers lie or which tokens are usual."""

_PIECE = 1 << 22
"""Elements that are looked at together, so that memory does not grow with the rows."""

_TOKENS = re.compile(r"(^|[^a-z])(ids?|tokens?|mask)([^a-z]|$)", re.IGNORECASE)


class UnseenShape(ValueError):
    """Rows of a shape that no training row had; says which input and what shape, in words."""


@dataclass(frozen=True, slots=True)
class View:
    """How one input is seen.

    kind:   TABLE, NUMBERS, IMAGE, SUMS, TOKENS, or NOTHING: it is not guarded.
    names:  of the columns of a TABLE or NUMBERS; the beginning of the names of other columns.
    learnt: the vocabulary of TOKENS, or the sketch of SUMS.
    """

    input: str
    kind: str
    names: tuple[str, ...] = ()
    learnt: Vocabulary | Sketch | None = None

    def columns(self, array: Array) -> dict[str, Array]:
        """The columns of one input. Raises UnseenShape."""
        if self.kind in (TABLE, NUMBERS):
            return self._table(array)
        if self.kind == NOTHING:
            return {}
        if not array[:1].size:
            raise UnseenShape(f"{self.input} is empty")
        size = max(1, _PIECE // array[0].size)
        if len(array) <= size:
            return self._derived(array)
        parts = [self._derived(array[i : i + size]) for i in range(0, len(array), size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _table(self, array: Array) -> dict[str, Array]:
        if array.ndim == 1 or len(self.names) == 1:
            return {self.names[0]: array.reshape(len(array))}
        self._check_width(array, len(self.names))
        return {name: array[:, i] for i, name in enumerate(self.names)}

    def _derived(self, array: Array) -> dict[str, Array]:
        (before,) = self.names
        if isinstance(self.learnt, Sketch):
            self._check_width(array, self.learnt.width)
            sums = self.learnt.sums(array)
            return {f"{before}sum {i + 1}": sums[:, i] for i in range(sums.shape[1])}
        if isinstance(self.learnt, Vocabulary):
            found = token_columns(array, self.learnt)
        else:
            found = image_columns(array)
        return {before + name: values for name, values in found.items()}

    def _check_width(self, array: Array, width: int) -> None:
        if array.ndim != 2 or array.shape[1] != width:
            raise UnseenShape(f"{self.input} has {array[:1].size} numbers, training rows {width}")


class Seen:
    """How all inputs of a model are seen."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)
        self.plain = all(view.kind == TABLE for view in views)
        """Whether the inputs are a table as it is, of which nothing had to be learnt."""
        self.photographs = all(view.kind in (IMAGE, NOTHING) for view in views)
        self.told = not any(view.kind == SUMS for view in views)
        """Whether the columns' names tell a person anything."""

    def columns(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """The columns of some rows; {} when nothing of them is seen. Raises UnseenShape."""
        found: dict[str, Array] = {}
        for view, array in zip(self.views, inputs, strict=True):
            found |= view.columns(array)
        return found

    @property
    def unguarded(self) -> list[str]:
        """The inputs that are not looked at."""
        return [view.input for view in self.views if view.kind == NOTHING]

    def described(self) -> list[str]:
        """What of each input is looked at, in words."""
        return [f"{view.input}: {_SAID[view.kind]}" for view in self.views if view.kind != TABLE]

    # --- on disk --------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """How the inputs are seen, as an .npz file without any object in it."""
        told: list[dict[str, Any]] = []
        arrays: dict[str, Any] = {}
        for number, view in enumerate(self.views):
            entry: dict[str, Any] = {"input": view.input, "kind": view.kind, "names": view.names}
            if isinstance(view.learnt, Vocabulary):
                entry |= {"padding": view.learnt.padding, "unknown": view.learnt.unknown}
                arrays[f"ids{number}"] = view.learnt.ids
                arrays[f"rarity{number}"] = view.learnt.rarity
            elif isinstance(view.learnt, Sketch):
                arrays[f"mean{number}"] = view.learnt.mean
                arrays[f"scale{number}"] = view.learnt.scale
            told.append(entry)
        raw = json.dumps({"format": FORMAT, "views": told}).encode()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, told=np.frombuffer(raw, np.uint8), **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Seen:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            told: dict[str, Any] = json.loads(arrays["told"].tobytes())
            if told["format"] != FORMAT:
                raise ValueError(f"what is seen is of format {told['format']}, not {FORMAT}")
            return cls([_view(entry, i, arrays) for i, entry in enumerate(told["views"])])


def explain(
    novelty: Novelty,
    seen: Seen,
    inputs: Sequence[Array],
    *,
    limits: bool,
    hidden: Collection[str] = (),
) -> list[list[str]]:
    """For each row what is strange about it, in words; limits, hidden: as `Novelty.explain`."""
    columns = seen.columns(inputs)
    if not seen.told:
        names = " and ".join(v.input for v in seen.views if v.kind != NOTHING)
        return [[f"{names} is unlike that of the training rows"]] * len(inputs[0])
    told = novelty.explain(columns, limits=limits, hidden=hidden)
    if not seen.photographs:
        return told
    unlike = "the image is unlike the training images: "
    return [[words.replace(COMBINED, unlike) for words in row] for row in told]


_SAID = {
    NUMBERS: "its numbers",
    IMAGE: "brightness, contrast, detail and a coarse grid of the image",
    SUMS: "sums of its numbers",
    TOKENS: "length and usualness of the tokens",
    NOTHING: "not guarded",
}


def _view(entry: dict[str, Any], number: int, arrays: Any) -> View:
    kind, learnt = str(entry["kind"]), None
    if kind == TOKENS:
        padding = entry["padding"]
        learnt = Vocabulary(
            None if padding is None else int(padding),
            arrays[f"ids{number}"],
            arrays[f"rarity{number}"],
            float(entry["unknown"]),
        )
    elif kind == SUMS:
        learnt = Sketch(arrays[f"mean{number}"], arrays[f"scale{number}"])
    elif kind not in _SAID and kind != TABLE:
        raise ValueError(f"{kind!r} is no way to see an input")
    return View(str(entry["input"]), kind, tuple(map(str, entry["names"])), learnt)


def seen_of(signature: Signature) -> Seen:
    """How the inputs are seen by a model that has learnt nothing of them: as a table, or not."""
    return Seen(
        [
            View(spec.name, TABLE, names)
            if (names := _table_names(signature, i))
            else View(spec.name, NOTHING)
            for i, spec in enumerate(signature.inputs)
        ]
    )


def learn_seen(
    signature: Signature, inputs: Sequence[Array], *, seed: int = 0, private: bool = False
) -> tuple[Seen, Array]:
    """How the inputs of a batched model are best seen, and the rows from which guards may learn.

    inputs: reference rows. Where something is learnt of them here (which tokens are usual, how far
    numbers stray), it is learnt from a third of the rows, and the others are left for the guards:
    to them they are as new as any row to come. private: keep nothing that ten rows do not share.
    """
    count = len(inputs[0])
    kinds = [_kind(signature, i, array) for i, array in enumerate(inputs)]
    rest = np.arange(count)
    first = rest
    if any(kind in (SUMS, TOKENS) for kind in kinds):
        if count < _FEW:
            kinds = [NOTHING if kind in (SUMS, TOKENS) else kind for kind in kinds]
        else:
            order = np.random.default_rng(seed).permutation(count)
            first, rest = np.sort(order[: count // 3]), np.sort(order[count // 3 :])
    several = len(inputs) > 1
    views: list[View] = []
    for i, (spec, kind) in enumerate(zip(signature.inputs, kinds, strict=True)):
        learnt = None
        names = (f"{spec.name}: " if several or kind in (TOKENS, SUMS) else "",)
        if kind == TABLE:
            names = _table_names(signature, i)
        elif kind == NUMBERS:
            names = tuple(f"{spec.name}[{k}]" for k in range(inputs[i].shape[1]))
        elif kind == SUMS:
            learnt = learn_sketch(inputs[i][first])
        elif kind == TOKENS:
            learnt = learn_vocabulary(inputs[i][first], 10 if private else 1)
        views.append(View(spec.name, kind, names, learnt))
    return Seen(views), rest


def _kind(signature: Signature, number: int, array: Array) -> str:
    """How an input is best seen."""
    spec = signature.inputs[number]
    wide = array.ndim == 2 and array.shape[1] > MOST_NUMBERS
    if wide and array.dtype.kind == "f":
        return SUMS
    if spec.columns or array.ndim == 1 or spec.shape[1:] == (1,):
        return TABLE
    if _is_tokens(spec, array):
        return TOKENS
    if array.ndim == 2:
        return TABLE if signature.columns else NUMBERS
    return IMAGE if _is_image(spec, array) else NOTHING


def _is_tokens(spec: TensorSpec, array: Array) -> bool:
    """Whether it is rows of token ids: integers of an open number, or called so."""
    if array.ndim != 2 or array.dtype.kind not in "iu":
        return False
    return spec.shape[1] == -1 or _TOKENS.search(spec.name) is not None


def _is_image(spec: TensorSpec, array: Array) -> bool:
    """Whether it is images: one to four channels first, last or none, and sides to speak of."""
    if spec.dtype.is_text or array.dtype.kind not in "fiu":
        return False
    sides = array.shape[1:]
    if len(sides) == 3 and sides[0] <= _MOST_CHANNELS:
        sides = sides[1:]
    elif len(sides) == 3 and sides[2] <= _MOST_CHANNELS:
        sides = sides[:2]
    return len(sides) == 2 and min(sides) >= _LEAST_SIDE


def _table_names(signature: Signature, number: int) -> tuple[str, ...]:
    """The names of an input's columns; () when it is no table."""
    named = tuple(c.name for c in signature.columns if c.input == number)
    if named:
        return named
    spec = signature.inputs[number]
    if spec.columns:
        return spec.columns
    single = len(spec.shape) == 1 or spec.shape[1:] == (1,)
    return (spec.name,) if single and signature.batched else ()
