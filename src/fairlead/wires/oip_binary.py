"""Tensors as bytes behind the JSON of a request or answer (the binary tensor data extension).

The header `Inference-Header-Content-Length` says how many bytes of the body are JSON; without it
all are, and with 0 none is. The bytes of inputs are used as they came, without a copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.core.call import Call, Reply
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter, MalformedBody, MissingField, Unsupported
from fairlead.core.preparation import PICTURE
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.raw import packed_texts, raw_tensor
from fairlead.serving.array_json import flat, too_large
from fairlead.wires.oip_model import OipModel, Wanted
from fairlead.wires.oip_outputs import OutputsEncoder

HEADER = "inference-header-content-length"
MEDIA_TYPE = "application/octet-stream"
_SIZE = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
VENDOR = re.compile(
    r"application/vnd\.(?:sagemaker|vertex-ai)-triton\.binary\+json;\s*json-header-size=(.*)", re.I
)
_COPIED = 64 << 10
"""Bytes of an output up to which it is copied into the answer; a larger one is sent as it is."""
_ROWS_KEPT = 64


def json_size(headers: Mapping[str, str], size: int) -> int:
    """How many bytes of a body of `size` are JSON; -1 when nothing is said, so that all are.

    Platforms that strip headers carry the number in the content type. Raises BadParameter.
    """
    given = headers.get(HEADER)
    if given is None:
        vendor = VENDOR.match(headers.get("content-type", ""))
        if vendor is None:
            return -1
        given = vendor[1].strip()
    if not _SIZE.match(given) or int(given) > size:
        raise BadParameter("it must be a count of bytes, at most those of the body", where=HEADER)
    return int(given)


class Blobs:
    """The bytes behind the JSON of a request, one piece for each input that has none there."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = memoryview(body)
        self._at = start
        self.places: list[tuple[int, int]] = []

    def next(self, spec: TensorSpec, shape: tuple[int, ...], count: int, parameters: Any) -> Tensor:
        """The next input. Raises MissingField, Unsupported, MalformedBody, what raw_tensor does."""
        if parameters.__class__ is not dict:
            raise MalformedBody("`parameters` must be an object", where=spec.name)
        if "shared_memory_region" in parameters:
            raise Unsupported("shared memory is not used here", where=spec.name)
        size = parameters.get("binary_data_size")
        if size is None:
            raise MissingField(
                f"input {spec.name!r} needs `data`: a list of its elements", where=spec.name
            )
        if size.__class__ is not int or size < 0:
            raise BadParameter("`binary_data_size` is a count of bytes", where=spec.name)
        if size > len(self._body) - self._at:
            raise MalformedBody(
                f"input {spec.name!r} claims {size} bytes; {len(self._body) - self._at} are left",
                where=spec.name,
            )
        piece = self._body[self._at : self._at + size]
        self.places.append((self._at, self._at + size))
        self._at += size
        binary = spec.role == PICTURE
        return raw_tensor(spec.dtype, shape, count, piece, spec.name, binary=binary)

    def check_end(self) -> None:
        """Raises MalformedBody when bytes are left that belong to no input."""
        left = len(self._body) - self._at
        if left:
            raise MalformedBody(f"{left} bytes behind the JSON belong to no input", where="body")


def take_bare(call: Call, model: OipModel, body: bytes) -> None:
    """Fills a call from a body that is one tensor and nothing else.

    Raises Unsupported for a model whose input such a body does not determine.
    """
    if len(model.inputs) != 1:
        raise Unsupported(
            "a body of bytes alone is for a model with one input", fix="Say how much of it is JSON"
        )
    [(_, spec)] = model.inputs.values()
    tensor = bare_tensor(spec, model.batched, body)
    call.encoder = model.encoder(BinaryEncoder, model.every(True))
    model.finish(call, [tensor])


def bare_tensor(spec: TensorSpec, alone: bool, body: bytes) -> Tensor:
    """The tensor that a whole body is; a text comes without its length.

    alone: the first dimension is 1, whatever the signature says of it.

    Raises Unsupported where its shape does not follow from its size, and what raw_tensor does.
    """
    shape = list(spec.shape)
    if alone:
        shape[0] = 1
    if spec.dtype.is_text:
        if any(dim not in (-1, 1) for dim in shape):
            raise Unsupported("a bare text is for an input of one text", where=spec.name)
        data = memoryview(len(body).to_bytes(4, "little") + body)
        shape = [1] * len(shape)
        count = 1
    else:
        data = memoryview(body)
        count = _fill(shape, spec, len(body))
    return raw_tensor(spec.dtype, tuple(shape), count, data, spec.name)


def _fill(shape: list[int], spec: TensorSpec, size: int) -> int:
    """Sets the one dimension that is not fixed; the count of elements. Raises Unsupported."""
    count = 1
    for dim in shape:
        count *= abs(dim)
    if shape.count(-1) > 1:
        raise Unsupported("the shape of a bare body must follow from its size", where=spec.name)
    if -1 in shape:
        elements = size // spec.dtype.itemsize
        shape[shape.index(-1)] = max(1, elements // count)
        count *= max(1, elements // count)
    return count


class BinaryEncoder(OutputsEncoder):
    """Writes answers of which some outputs come as bytes, for one choice of outputs."""

    def __init__(self, model: OipModel, wanted: Wanted) -> None:
        super().__init__(model, wanted)
        package = model.served.package
        self._binary = wanted.binary
        self._start = (
            f'{{"model_name":"{package.name}","model_version":"{package.version}",'.encode()
        )
        self._heads = [
            f'{{"name":{json.dumps(spec.name)},"datatype":"{spec.dtype}","shape":['.encode()
            for spec in self._written
        ]
        plain = all(wanted.binary) and all(spec.dtype.itemsize for spec in self._written)
        self._known: dict[int, bytes] | None = {} if plain and self._fixed else None

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets payload, tail and reply of every call. Raises AnswerTooLarge."""
        outputs = self._chosen(outputs, verdicts)
        if len(calls) == 1:
            blobs = [raw_bytes(s, a) for s, a in self._sent(outputs)]
            self._write(calls[0], outputs, blobs)
            return
        cuts = [cutter(s, a) for s, a in self._sent(outputs)]
        start = 0
        for call in calls:
            stop = start + call.rows
            blobs = [cut(start, stop) for cut in cuts]
            self._write(call, [array[start:stop] for array in outputs], blobs)
            start = stop

    def _sent(self, outputs: Sequence[Array]) -> list[tuple[TensorSpec, Array]]:
        """The outputs that come as bytes."""
        each = zip(self._written, outputs, self._binary, strict=True)
        return [(spec, array) for spec, array, binary in each if binary]

    def _write(
        self, call: Call, outputs: Sequence[Array], blobs: Sequence[bytes | memoryview]
    ) -> None:
        size = sum(map(len, blobs))
        identity = b"" if call.note is None else b'"id":%b,' % call.note
        text = b"%b%b%b" % (self._start, identity, self._about(call.rows, outputs, blobs))
        if size + len(text) > self._most:
            raise too_large(self._most)
        if not size:
            call.payload = text
            return
        if size <= _COPIED:
            call.payload = b"".join((text, *blobs))
        else:
            call.payload, call.tail = text, blobs
        call.reply = Reply(200, call.payload, MEDIA_TYPE, ((HEADER, str(len(text))),))

    def _about(
        self, rows: int, outputs: Sequence[Array], blobs: Sequence[bytes | memoryview]
    ) -> bytes:
        """What the JSON says of the outputs; where all come as bytes, rows alone decide it."""
        known = self._known
        if known is None:
            return self._described(outputs, blobs)
        found = known.get(rows)
        if found is None:
            if len(known) >= _ROWS_KEPT:
                known.clear()
            found = known[rows] = self._described(outputs, blobs)
        return found

    def _described(self, outputs: Sequence[Array], blobs: Sequence[bytes | memoryview]) -> bytes:
        parts: list[bytes] = []
        sizes = iter(map(len, blobs))
        for head, array, binary in zip(self._heads, outputs, self._binary, strict=True):
            shape = ",".join(map(str, array.shape)).encode()
            if binary:
                about = b'%b%b],"parameters":{"binary_data_size":%d}}'
                parts.append(about % (head, shape, next(sizes)))
            else:
                parts.append(b'%b%b],"data":[%b]}' % (head, shape, flat(array, self._most)))
        return b'"outputs":[%b]}' % b",".join(parts)


def raw_bytes(spec: TensorSpec, array: Array) -> bytes | memoryview:
    """The elements of an output as they travel; a large one is not copied."""
    if spec.dtype.is_text:
        flat_texts: list[Any] = array.reshape(-1).tolist()
        return packed_texts([v.decode() if isinstance(v, bytes) else str(v) for v in flat_texts])
    if array.nbytes <= _COPIED or not array.flags.c_contiguous:
        return array.tobytes()
    return array.reshape(-1).view("u1").data


def cutter(spec: TensorSpec, array: Array) -> Callable[[int, int], bytes | memoryview]:
    """Cuts the rows of an output out as bytes."""
    if spec.dtype.is_text:

        def texts(start: int, stop: int) -> bytes | memoryview:
            return raw_bytes(spec, array[start:stop])

        return texts
    whole = array.tobytes()
    size = len(whole) // max(1, len(array))

    def numbers(start: int, stop: int) -> bytes:
        return whole[start * size : stop * size]

    return numbers
