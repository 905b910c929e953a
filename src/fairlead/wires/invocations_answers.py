"""Answers of `/invocations` that are no JSON object: lines, arrays, bare bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from fairlead.core.call import Call, Reply
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter
from fairlead.core.tensor import Array
from fairlead.inputs.arrays import npy_of, npz_of
from fairlead.serving.served import Served
from fairlead.wires.oip_binary import raw_bytes
from fairlead.wires.predictions import row_objects

_MOST = 64 << 20


class _Encoder:
    """Cuts the answer of each call out of the batch. media: of the answer."""

    decides = False
    media = ""

    def __init__(self, served: Served) -> None:
        package = served.package
        if not package.signature.batched:
            raise BadParameter("this model has no rows", fix="Ask for application/json")
        self.specs = package.signature.outputs
        self.outputs = tuple(range(len(self.specs)))
        self.most_rows = package.limits.max_rows

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The answer with these outputs."""
        raise NotImplementedError

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets payload and reply of every call."""
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = self.body([array[start:stop] for array in outputs])
            call.reply = Reply(200, call.payload, self.media)
            start = stop


class CsvEncoder(_Encoder):
    """A line for each row: the values of its outputs, one after the other."""

    media = "text/csv"

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The lines, without a header."""
        flat = [array.reshape(len(array), -1).tolist() for array in outputs]
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator="\n")
        for row in zip(*flat, strict=True):
            writer.writerow([value for values in row for value in values])
        return file.getvalue().encode()


class LinesEncoder(_Encoder):
    """A JSON object for each row, on a line of its own."""

    media = "application/jsonlines"

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The lines, as many as rows."""
        return b"".join([row + b"\n" for row in row_objects(self.specs, outputs, _MOST)])


class NpyEncoder(_Encoder):
    """The first output as an array."""

    media = "application/x-npy"

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The file of the array."""
        return npy_of(outputs[0])


class NpzEncoder(_Encoder):
    """Every output as an array by its name."""

    media = "application/x-npz"

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The archive of the arrays."""
        return npz_of([spec.name for spec in self.specs], outputs)


class RawEncoder(_Encoder):
    """The elements of every output, one output behind the other."""

    media = "application/octet-stream"

    def body(self, outputs: Sequence[Array]) -> bytes:
        """The bytes."""
        pairs = zip(self.specs, outputs, strict=True)
        return b"".join([bytes(raw_bytes(spec, array)) for spec, array in pairs])


ENCODERS: Mapping[str, Callable[[Served], _Encoder]] = {
    "text/csv": CsvEncoder,
    "application/jsonlines": LinesEncoder,
    "application/jsonl": LinesEncoder,
    "application/x-npy": NpyEncoder,
    "application/x-npz": NpzEncoder,
    "application/octet-stream": RawEncoder,
}
"""By the media type that a caller accepts; any other is answered in JSON."""
