"""Requests like one that was read before: only the bytes of their tensors are new.

When all bytes around the tensors are those of a request that was read and checked in full, they
mean the same. The tensors are cut out where they stood; what they hold is any number of its type.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.call import Call
from fairlead.core.tensor import Tensor

_FORMS_KEPT = 32
_MOST_AROUND = 2048


class Form:
    """What requests have in common that differ in the bytes of their tensors only.

    places: (start, end) of each tensor's bytes, in the order of the signature.
    """

    __slots__ = ("_before", "_call", "_shapes", "_views")

    def __init__(self, call: Call, body: bytes, places: Sequence[tuple[int, int]]) -> None:
        self._call = (call.encoder, call.group, call.rows, call.note)
        self._shapes = [(tensor.dtype, tensor.shape) for tensor in call.inputs]
        self._views = [slice(*place) for place in places]
        ends = [end for _, end in places]
        gaps = zip(ends, [start for start, _ in places[1:]], strict=False)
        self._before = [(s, e, body[s:e]) for s, e in gaps if s != e]

    def fill(self, call: Call, body: bytes) -> bool:
        """Whether the bytes between the tensors are of this form too; then `call` is filled."""
        for start, end, before in self._before:
            if body[start:end] != before:
                return False
        view = memoryview(body)
        call.encoder, call.group, call.rows, call.note = self._call
        call.inputs = [
            Tensor(dtype, shape, view[place])
            for (dtype, shape), place in zip(self._shapes, self._views, strict=True)
        ]
        return True


class KnownBytes:
    """The forms of the requests that one version was sent.

    A form is found by the length of the body and what stands before its first tensor.
    """

    def __init__(self) -> None:
        self._forms: dict[tuple[int, bytes], Form] = {}

    def fill(self, call: Call, body: bytes, start: int = -1) -> bool:
        """Whether `body` is of a known form; then `call` is filled from it.

        start: where the first tensor begins; -1 when that is not known.
        """
        if start >= 0:
            form = self._forms.get((len(body), body[:start]))
            return form is not None and form.fill(call, body)
        for (size, begin), form in self._forms.items():
            if size == len(body) and body.startswith(begin) and form.fill(call, body):
                return True
        return False

    def learn(self, call: Call, body: bytes, places: Sequence[tuple[int, int]]) -> None:
        """Keeps the form of a request that was read in full into `call`.

        The tensors must stand in the order of the signature, and end the body. Tensors of which not
        every value may be sent (text, BOOL) are left to the full reading.
        """
        plain = all([tensor.dtype.plain for tensor in call.inputs])
        sound = len(places) == len(call.inputs) and places[-1][1] == len(body)
        if not (plain and sound) or call.parameters or call.prepare is not None:
            return
        if places[0][0] > _MOST_AROUND:
            return
        if len(self._forms) >= _FORMS_KEPT:
            self._forms.clear()
        self._forms[len(body), body[: places[0][0]]] = Form(call, body, places)
