"""Attacks by arrays: forged element types, buffers and trees, and pickles inside joblib files."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
from tests.packing.airlock.assembler import (
    DTYPE,
    NDARRAY,
    Raw,
    Reduces,
    array,
    built,
    calls,
    element,
    file,
    made,
    name,
)

Attack = tuple[str, bytes, str]
"""A title, the code, and the object that a refusal must name."""

REBUILD = name("numpy._core.multiarray", "_reconstruct")


def types(canary: str) -> Iterator[Attack]:
    """Element types that would make object pointers of bytes, or read beyond them."""
    pointers = b"\x10" * 8
    buffer = Raw(calls(name("builtins", "bytearray"), pointers))
    yield "pointers through ndarray", calls(NDARRAY, (1,), "O", buffer), "numpy.ndarray"
    fields = {"a": (Raw(element("O8")), 0)}
    hidden = built(element("V8"), (3, "|", None, ("a",), fields, 8, 1, 0))
    yield "pointers through a structured type", array(hidden, (1,), pointers), ""
    yield (
        "pointers through _frombuffer",
        calls(name("numpy._core.numeric", "_frombuffer"), pointers, Raw(element("O8")), (1,), "C"),
        "",
    )
    yield "pointers as an object array's bytes", array(element("O8"), (1,), pointers), ""
    yield (
        "an object as a scalar",
        calls(name("numpy._core.multiarray", "scalar"), Raw(element("O8")), pointers),
        "",
    )
    grown = (3, "|", None, ("a",), {"a": (Raw(element("V1000")), 0)}, 1000, 1, 0)
    yield "an element type that grows", built(element("V8"), grown), ""
    outside = (3, "|", None, ("a",), {"a": (Raw(element("f8")), 64)}, 8, 1, 0)
    yield "a field outside its element", built(element("V8"), outside), ""
    yield "an element type by fields", calls(DTYPE, [("a", "O")], False, True), ""


def arrays(canary: str) -> Iterator[Attack]:
    """Arrays that claim what they do not hold, and what stands on them."""
    yield "an array larger than its bytes", array(element("f8"), (1 << 20,), b"\x00" * 8), ""
    yield (
        "an array that overflows",
        array(element("f8"), (1 << 31, 1 << 31, 1 << 31), b"\x00" * 8),
        "",
    )
    yield "an array with a negative side", array(element("f8"), (-1,), b"\x00" * 8), ""
    yield (
        "an array made with a shape",
        calls(REBUILD, Raw(NDARRAY), (1 << 40,), b"b"),
        "",
    )
    yield (
        "an array of a subclass",
        calls(REBUILD, Raw(name("numpy", "memmap")), (0,), b"b"),
        "",
    )
    yield (
        "a file mapped",
        calls(name("numpy", "memmap"), canary, "uint8", "w+", 0, (8,)),
        "numpy.memmap",
    )
    classes = array(element("i8"), (1,), struct.pack("<q", 3))
    yield (
        "a tree that reads beyond its classes",
        calls(name("sklearn.tree._tree", "Tree"), 4, Raw(classes), 1 << 20),
        "",
    )
    sparse = made(name("scipy.sparse._csr", "csr_matrix"))
    yield "a sparse matrix that points outside", built(
        sparse,
        {
            "_shape": (2, 2), "maxprint": 50,
            "indices": Raw(array(element("i4"), (1,), struct.pack("<i", 1 << 20))),
            "indptr": Raw(array(element("i4"), (3,), struct.pack("<3i", 0, 1, 1))),
            "data": Raw(array(element("f8"), (1,), b"\x00" * 8)),
        },
    ), ""  # fmt: skip


def inside_joblib(touch: str) -> Iterator[Attack]:
    """A pickle inside an array of objects inside a joblib file."""

    def dumped(of: Any, compress: Any = 0) -> bytes:
        buffer = io.BytesIO()
        joblib.dump(of, buffer, compress=compress)
        return buffer.getvalue()

    inside = np.array([Reduces("posix", "system", touch), None], dtype=object)
    yield "joblib with objects", dumped({"a": np.ones(3), "b": inside}), "posix.system"
    for compress in ("zlib", "gzip", "bz2", "lzma", "xz"):
        yield f"joblib with objects by {compress}", dumped(inside, (compress, 3)), "posix.system"
    wrapper = made(name("joblib.numpy_pickle", "NumpyArrayWrapper"))
    described = {
        "subclass": Raw(NDARRAY),
        "shape": (1,),
        "order": "C",
        "dtype": Raw(element("O8")),
        "allow_mmap": False,
    }
    inner = file(calls(name("os", "system"), touch))
    yield "joblib's wrapper around a pickle", built(wrapper, described) + inner, "os.system"
    for title, changed in (
        ("of bytes that are not there", {"dtype": Raw(element("f8")), "shape": (1 << 40,)}),
        ("of a negative side", {"dtype": Raw(element("f8")), "shape": (-1,)}),
        (
            "of another class",
            {"dtype": Raw(element("f8")), "subclass": Raw(name("builtins", "dict"))},
        ),
        ("of no type", {"dtype": "f8"}),
    ):
        yield f"joblib's wrapper {title}", built(wrapper, described | changed), ""
    zipped = calls(name("joblib.numpy_pickle_compat", "ZNDArrayWrapper"), touch)
    yield "joblib's old wrapper", zipped, "joblib.numpy_pickle_compat.ZNDArrayWrapper"
