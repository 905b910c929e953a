"""Requests like one that was read before: only their numbers are new.

Most callers send the same JSON again with other numbers in it. When all bytes around the numbers
are those of a request that was read and checked in full, they mean the same, and the numbers alone
are read. Whatever else such a body holds is left to the full reading, which also finds the words
for what is wrong.
"""

from __future__ import annotations

from typing import Any

import orjson

from fairlead.core.call import Call
from fairlead.core.errors import FairleadError
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Tensor, element_count
from fairlead.inputs.elements import pack
from fairlead.inputs.strict_json import check_memory

_FORMS_KEPT, _ENDS_KEPT = 64, 4
_MOST_AROUND = 1024
_ENDS_TRIED = 8
_KEYS = {"inputs", "outputs"}


class Form:
    """What all requests have in common that differ in their numbers only.

    end: the bytes after the numbers.
    """

    __slots__ = ("_count", "_encoder", "_group", "_rows", "_shape", "_spec", "end")

    def __init__(self, call: Call, spec: TensorSpec, end: bytes) -> None:
        self.end = end
        self._spec = spec
        self._shape = call.inputs[0].shape
        self._count = element_count(self._shape)
        self._rows = call.rows
        self._encoder = call.encoder
        self._group = call.group

    def fill(self, call: Call, numbers: bytes) -> bool:
        """Whether `numbers` are a list of numbers of this shape; then `call` is filled."""
        # Packing would take true and false for numbers; no number has these letters.
        if b"t" in numbers or b"f" in numbers:
            return False
        spec = self._spec
        try:
            data = pack(
                spec.dtype,
                self._shape,
                self._count,
                orjson.loads(numbers),
                booleans=False,
                missing=spec.missing,
                where=spec.name,
            )
        except (orjson.JSONDecodeError, FairleadError):
            return False
        call.inputs = (Tensor(spec.dtype, self._shape, data),)
        call.rows = self._rows
        call.encoder = self._encoder
        call.group = self._group
        return True


class KnownForms:
    """The forms of the requests that one version was sent, by the bytes before the numbers."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._forms: dict[bytes, list[Form]] = {}

    def fill(self, call: Call, body: bytes) -> bool:
        """Whether `body` is of a known form and sound; then `call` is filled from it.

        Raises BodyTooLarge when it would take too much memory.
        """
        start = _start(body)
        for form in self._forms.get(body[:start], ()):
            if body.endswith(form.end):
                check_memory(body, self._limits)
                return form.fill(call, body[start : len(body) - len(form.end)])
        return False

    def learn(self, call: Call, spec: TensorSpec, body: bytes, request: dict[str, Any]) -> None:
        """Keeps the form of a request of one input, which was read in full into `call`."""
        start = _start(body)
        if not (0 < start <= _MOST_AROUND and spec.dtype.plain and request.keys() <= _KEYS):
            return
        request["inputs"][0]["data"] = []
        stop = len(body)
        for _ in range(_ENDS_TRIED):
            stop = body.rfind(b"]", max(start, len(body) - _MOST_AROUND), stop)
            if stop < 0:
                return
            # Had anything else been cut out than the data, the rest would not be equal.
            if _reads_as(body[:start] + b"[]" + body[stop + 1 :], request):
                self._keep(body[:start], Form(call, spec, body[stop + 1 :]))
                return

    def _keep(self, begin: bytes, form: Form) -> None:
        if len(self._forms) >= _FORMS_KEPT:
            self._forms.clear()
        kept = [known for known in self._forms.get(begin, ()) if known.end != form.end]
        # Where one end is the end of another, the longer one is meant.
        ends = sorted([form, *kept[: _ENDS_KEPT - 1]], key=lambda known: -len(known.end))
        self._forms[begin] = ends


def _start(body: bytes) -> int:
    """Where the first list after the word `data` starts, -1 when there is none."""
    return body.find(b"[", body.find(b'"data"'))


def _reads_as(text: bytes, value: Any) -> bool:
    try:
        return orjson.loads(text) == value
    except orjson.JSONDecodeError:
        return False
