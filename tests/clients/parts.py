"""What the tests of several clients share."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

NUMBERS = [
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "FP16", "FP32", "FP64",
]  # fmt: skip
_NUMPY = {
    "BOOL": "?", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1",
    "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
}  # fmt: skip
MOST_SKIPPED = 0.05


def elements(datatype: str) -> np.ndarray:
    """Two rows of four values that the datatype can hold, its extremes among them."""
    kind = np.dtype(_NUMPY[datatype])
    if kind.kind == "b":
        return np.array([[True, False, True, True], [False, False, True, False]])
    if kind.kind == "f":
        return np.array([[0.0, -1.5, 3.25, 1e-3], [1, 2, 3, 4]]).astype(kind)
    info = np.iinfo(kind)
    return np.array([[info.min, info.max, 0, 1], [1, 2, 3, 4]], kind)


def check_coverage(file: str, client: type, name: str) -> None:
    """Every public method of a client stands in its tests or, with a reason, in the list."""
    methods = [m for m in dir(client) if not m.startswith("_")]
    listed = tomllib.loads((Path(__file__).parent / "skipped.toml").read_text()).get(name, {})
    text = Path(file).read_text()
    assert [m for m in listed if m not in methods] == []
    assert [m for m in methods if f".{m}(" not in text and m not in listed] == []
    assert len(listed) <= MOST_SKIPPED * len(methods)
