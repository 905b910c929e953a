"""One row as each wire carries it, with the head of a plain client."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fairlead.core.errors import RowsInvalid
from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.inputs.raw import packed_texts
from fairlead.packing.examples import examples
from fairlead.packing.rows import inputs_of, read
from fairlead.protos.pool import message
from fairlead.serving.warmup import example_inputs

REST, OIP, OIP_BINARY, GRPC = "rest", "oip", "oip-binary", "grpc"
_ROWS, _ARRAYS = 8, 256
_JSON, _OCTETS = "application/json", "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a version is asked while it is measured.

    rows: as people send them over REST; [] for a model that takes no rows. tensors: of one row, as
    the Open Inference Protocol writes them. arrays: of many rows, empty where the package's own
    example is asked. of: where they come from, for people.
    """

    rows: Sequence[Any]
    tensors: Sequence[Mapping[str, Any]]
    arrays: Sequence[Array]
    of: str


def asked_of(package: Package, example: Mapping[str, Any], file: Path | None) -> Asked:
    """The package's own example, or the first rows of a file.

    Raises what reading rows raises, such as RowsInvalid, which a file in another shape is.
    """
    signature = package.signature
    if file is None:
        made = dict(example) if example.get("inputs") else {**example, "inputs": _zeros(signature)}
        rows = made.get("rows") or [_row(signature, made["inputs"])]
        of = "its own example" if example.get("rows") or example.get("inputs") else "rows of zeros"
        return Asked(rows if signature.batched else [], made["inputs"], (), of)
    table = read(file)
    of = f"rows of {file.name}"
    if package.preparations:
        values = {name: column[:_ROWS].tolist() for name, column in table.columns.items()}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        inputs = example.get("inputs") or _zeros(signature)
        return Asked(rows, inputs, (), of)
    arrays = inputs_of(table.head(_ARRAYS), signature)
    made = examples(table.head(_ROWS), signature)
    if not len(arrays[0]):
        raise RowsInvalid("there are no rows", where=str(file))
    return Asked(made["rows"], made["inputs"], arrays, of)


def _zeros(signature: Signature) -> list[dict[str, Any]]:
    """The tensors that warm-up sends where nothing better is known."""
    pairs = zip(signature.inputs, example_inputs(signature, {}), strict=True)
    return [
        {
            "name": spec.name,
            "shape": list(array.shape),
            "datatype": spec.dtype.name,
            "data": array.ravel().tolist(),
        }
        for spec, array in pairs
    ]


def _row(signature: Signature, tensors: Sequence[Mapping[str, Any]]) -> Any:
    """One row of tensors by column, or by input."""
    arrays = [np.array(t["data"], dtype=object).reshape(t["shape"]) for t in tensors]
    if not signature.columns:
        named = zip(tensors, arrays, strict=True)
        return {t["name"]: array[0].tolist() if array.ndim else array.item() for t, array in named}
    return {
        column.name: arrays[column.input].ravel()[column.position or 0]
        for column in signature.columns
    }


def rest(model: str, row: Any) -> bytes:
    """Our own protocol."""
    return _http(f"/predict/{quote(model, safe='')}", _text({"rows": [row]}))


def oip(model: str, tensors: Sequence[Mapping[str, Any]]) -> bytes:
    """The Open Inference Protocol in JSON."""
    return _http(_infer(model), _text({"inputs": list(tensors)}))


def oip_binary(model: str, signature: Signature, tensors: Sequence[Mapping[str, Any]]) -> bytes:
    """The same with tensors as bytes behind the JSON, and so the answer's."""
    raws = _raws(signature, tensors)
    described = [
        {
            **{name: value for name, value in tensor.items() if name != "data"},
            "parameters": {"binary_data_size": len(raw)},
        }
        for tensor, raw in zip(tensors, raws, strict=True)
    ]
    head = _text({"inputs": described, "parameters": {"binary_data_output": True}})
    more = f"inference-header-content-length: {len(head)}\r\n"
    return _http(_infer(model), head + b"".join(raws), _OCTETS, more)


def grpc(model: str, signature: Signature, tensors: Sequence[Mapping[str, Any]]) -> bytes:
    """The message of a ModelInfer call, tensors as bytes."""
    made: Any = message("inference.ModelInferRequest")()
    made.model_name = model
    for tensor, raw in zip(tensors, _raws(signature, tensors), strict=True):
        made.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        made.raw_input_contents.append(raw)
    return made.SerializeToString()


def _raws(signature: Signature, tensors: Sequence[Mapping[str, Any]]) -> list[bytes]:
    arrays = example_inputs(signature, {"inputs": list(tensors)})
    return [
        packed_texts(array.ravel().tolist()) if spec.dtype.is_text else array.tobytes()
        for spec, array in zip(signature.inputs, arrays, strict=True)
    ]


def _infer(model: str) -> str:
    return f"/v2/models/{quote(model, safe='')}/infer"


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode()


def _http(path: str, body: bytes, media: str = _JSON, more: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\ncontent-type: {media}\r\n"
        f"content-length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body
