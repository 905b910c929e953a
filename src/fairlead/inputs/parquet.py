"""A Parquet file as a body: a table with the model's columns. pyarrow reads it; nothing is
unpickled, and no cell is made before the number of rows and columns is known to be small.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fairlead.core.errors import BodyTooLarge, MalformedBody, MissingExtra, TooManyRows
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import Signature
from fairlead.core.tensor import Tensor
from fairlead.inputs.columns import tensors_of_columns

_CELL = 64
"""Bytes that a cell may take as a Python value, beside its text."""
_INDEX = "__index_level_"
"""How pandas calls the columns of an index that it writes beside those of the table."""


def tensors_of_parquet(
    body: bytes, signature: Signature, most: int, limits: BodyLimits
) -> list[Tensor]:
    """The tensors of a table, whose columns are found by name.

    most: rows that are read. Raises MissingExtra without pyarrow, MalformedBody for what is no such
    file or has columns of lists, TooManyRows, BodyTooLarge, and what `tensors_of_columns` does.
    """
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra(
            "reading Parquet needs pyarrow", fix="pip install 'fairlead[parquet]'"
        ) from None
    try:
        return _tensors(arrow, parquet, body, signature, most, limits)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedBody(f"this is no Parquet file: {str(error)[:120]}", where="body") from None


def _tensors(
    arrow: Any, parquet: Any, body: bytes, signature: Signature, most: int, limits: BodyLimits
) -> list[Tensor]:
    """As `tensors_of_parquet`. Raises what pyarrow does too."""
    buffer = arrow.py_buffer(body)
    told: Any = parquet.read_metadata(arrow.BufferReader(buffer))
    if told.num_rows > most:
        raise TooManyRows(f"{told.num_rows} rows in one request; {most} is the limit")
    if max(1, told.num_rows) * told.num_columns * _CELL > limits.parsed:
        raise BodyTooLarge(f"the table has {told.num_rows} rows of {told.num_columns} columns")
    schema: Any = parquet.read_schema(arrow.BufferReader(buffer))
    texts = [field.name for field in schema if _is_text(arrow, field.type)]
    # Texts stay in a dictionary: one that is long and occurs often is one object until it is
    # known how much all of them are.
    file = parquet.ParquetFile(arrow.BufferReader(buffer), read_dictionary=texts)
    given: dict[str, Any] = {}
    left = limits.parsed
    for field in schema:
        if field.name.startswith(_INDEX):
            continue
        if arrow.types.is_nested(field.type):
            raise MalformedBody("columns of lists or structs are not taken", column=field.name[:80])
        given[field.name], size = _cells(arrow, file.read(columns=[field.name]).column(0))
        left -= size
        if left < 0:
            raise BodyTooLarge(f"the table takes more than {limits.parsed >> 20} MiB unpacked")
    return tensors_of_columns(given, signature)


def _is_text(arrow: Any, kind: Any) -> bool:
    kinds = arrow.types
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_binary(kind))


def _cells(arrow: Any, chunked: Any) -> tuple[list[Any], int]:
    """The cells of a column and their bytes, as if equal texts were not one object."""
    found: list[Any] = []
    size = 0
    for chunk in chunked.chunks:
        if not arrow.types.is_dictionary(chunk.type):
            found += chunk.to_pylist()
            size += chunk.nbytes
            continue
        words = chunk.dictionary.to_pylist()
        cells = [None if at is None else words[at] for at in chunk.indices.to_pylist()]
        size += sum(len(cell) for cell in cells if cell is not None)
        found += cells
    return found, size
