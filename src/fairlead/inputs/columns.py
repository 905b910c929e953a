"""Rows that come column by column: `{"columns": {"age": [41, 35], "plan": ["basic", "pro"]}}`.

Each column is packed at once, so that many rows cost little more than their bytes.
"""

from __future__ import annotations

from struct import error
from typing import Any

import numpy as np

from fairlead.core.errors import FairleadError, MalformedBody, MissingField, UnknownName
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Tensor
from fairlead.inputs.elements import pack
from fairlead.inputs.rows import listed

_LIST = {list}
_EXACT = 1 << 53
"""Beyond it a float may have been rounded on its way."""


class ColumnReader:
    """Reads rows that come column by column, for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._names = [column.name for column in signature.columns]
        spans: list[tuple[TensorSpec, int, int]] = []
        for spec in signature.inputs if signature.columns else ():
            start = spans[-1][2] if spans else 0
            spans.append((spec, start, start + (1 if len(spec.shape) == 1 else spec.shape[1])))
        self._spans = spans
        self._plain = bool(spans) and all(spec.dtype.plain for spec, _, _ in spans)

    def tensors(self, given: Any, *, booleans: bool) -> list[Tensor]:
        """One tensor per input, as `tensors_of_columns` says.

        booleans: whether true or false may occur (False promises that they do not).
        """
        found = self._quickly(given) if self._plain and not booleans else None
        return tensors_of_columns(given, self._signature) if found is None else found

    def _quickly(self, given: Any) -> list[Tensor] | None:
        """The tensors where every cell is a number that its type takes as it is, else None.

        Whatever is unusual is looked at by who can say what is wrong with it.
        """
        names = self._names
        if given.__class__ is not dict or len(given) != len(names):
            return None
        try:
            columns = [given[name] for name in names]
        except KeyError:
            return None
        if {*map(type, columns)} != _LIST or len({*map(len, columns)}) != 1 or not columns[0]:
            return None
        count = len(columns[0])
        made: list[Tensor] = []
        for spec, start, stop in self._spans:
            pack_column = spec.dtype.packer(count)
            try:
                raw = b"".join([pack_column(*column) for column in columns[start:stop]])
            except (error, OverflowError):
                return None
            if count > 1 and stop - start > 1:
                table = np.frombuffer(raw, spec.dtype.numpy).reshape(-1, count)
                raw = table.T.tobytes()
            shape = (count,) if len(spec.shape) == 1 else (count, stop - start)
            made.append(Tensor(spec.dtype, shape, raw))
        return made


def tensors_of_columns(given: Any, signature: Signature) -> list[Tensor]:
    """One tensor per input from lists of equal length by column.

    Raises MalformedBody, UnknownName, MissingField, and what is wrong with a value, naming its row
    and column.
    """
    if not signature.columns:
        raise MalformedBody("this model has no columns", fix='Send {"rows": [...]}')
    names = [column.name for column in signature.columns]
    if given.__class__ is not dict:
        raise MalformedBody("`columns` must be an object of lists", where="columns")
    for name in given:
        if name not in names:
            raise UnknownName(
                f"the model does not know the column {str(name)[:80]!r}",
                column=str(name)[:80],
                fix=f"Known: {listed(names)}",
            )
    count = _count(given, names)
    found: list[Tensor] = []
    start = 0
    for spec in signature.inputs:
        width = 1 if len(spec.shape) == 1 else spec.shape[1]
        columns = [_packed(spec, name, given[name]) for name in names[start : start + width]]
        found.append(_joined(spec, columns, count))
        start += width
    return found


def _count(given: dict[str, Any], names: list[str]) -> int:
    """How many rows there are. Raises MissingField, MalformedBody."""
    count = -1
    for name in names:
        cells = given.get(name)
        if name not in given:
            raise MissingField(f"the column {name!r} is missing", column=name)
        if cells.__class__ is not list or not cells:
            raise MalformedBody(f"the column {name!r} must be a list of values", column=name)
        if count not in (-1, len(cells)):
            raise MalformedBody(
                f"the column {name!r} has {len(cells)} values, another one {count}", column=name
            )
        count = len(cells)
    return count


def _packed(spec: TensorSpec, name: str, cells: list[Any]) -> bytes | list[str]:
    dtype = spec.dtype
    if dtype.plain and not dtype.is_float and float in {*map(type, cells)}:
        cells = [_whole(cell) for cell in cells]
    size = len(cells)
    try:
        return pack(
            dtype, (size,), size, cells, booleans=True, missing=spec.missing, where=repr(name)
        )
    except FairleadError as wrong:
        row = _first_wrong(spec, cells)
        place = f"row {row}, column {name!r}"
        raise type(wrong)(wrong.what, where=place, fix=wrong.fix, row=row, column=name) from None


def _first_wrong(spec: TensorSpec, cells: list[Any]) -> int:
    """The row of the first cell that its type cannot hold; there is one."""
    for row, cell in enumerate(cells):
        try:
            pack(spec.dtype, (1,), 1, [cell], booleans=True, missing=spec.missing, where="")
        except FairleadError:
            return row
    return 0


def _whole(cell: Any) -> Any:
    """The integer that a float surely is."""
    whole = cell.__class__ is float and cell.is_integer() and abs(cell) <= _EXACT
    return int(cell) if whole else cell


def _joined(spec: TensorSpec, columns: list[bytes | list[str]], count: int) -> Tensor:
    """The columns of one input beside each other."""
    flat = len(spec.shape) == 1
    shape = (count,) if flat else (count, len(columns))
    if len(columns) == 1:
        return Tensor(spec.dtype, shape, columns[0])
    if spec.dtype.is_text:
        rows = zip(*columns, strict=True)
        texts: list[str] = [str(cell) for row in rows for cell in row]
        return Tensor(spec.dtype, shape, texts)
    kind = spec.dtype.numpy
    arrays = [np.frombuffer(column, kind) for column in columns if isinstance(column, bytes)]
    return Tensor(spec.dtype, shape, np.stack(arrays, axis=1).tobytes())
