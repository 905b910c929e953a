"""Pictures and texts on their way into a model: decoded bodies in, the model's arrays out.

What people send stays as it is, a tensor of texts, until the call is executed; the arrays are made
in the thread that predicts, for all joined calls at once.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import (
    BadParameter,
    DeadlineExceeded,
    DtypeMismatch,
    MalformedBody,
    MissingField,
    NotFinite,
    TextInvalid,
    TooManyRows,
    UnknownName,
)
from fairlead.core.package import Package
from fairlead.core.preparation import FOLDER, PICTURE, Picture, public_signature
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array, Tensor, join
from fairlead.inputs.multipart import parts_of
from fairlead.inputs.pictures import Pictures
from fairlead.inputs.rows import listed, rows_of_csv, tensors_of
from fairlead.inputs.text import Texts

_MOST_BYTES = 512 << 20
"""Of memory that the inputs of one execution may take."""

_MOST_FILES = 16
"""Of one form; more rows than these are better sent as JSON."""

_B64 = "b64"
_MULTIPART = "multipart/form-data"


class Preparing:
    """What one version's declarations do with what is sent.

    public: the signature with a picture or text where the model takes a tensor.
    """

    def __init__(self, package: Package, read: Callable[[str], bytes]) -> None:
        """read: the bytes of a file of the package. Raises MissingExtra, LoadFailed."""
        self._signature = package.signature
        self._most_rows = package.limits.max_rows
        self.public = public_signature(package.signature, package.preparations)
        self._roles = {s.name: s.role for s in self.public.inputs if s.role}
        self._texts_inside = sum(s.dtype.is_text for s in self.public.inputs)
        dtypes = {spec.name: spec.dtype.numpy for spec in package.signature.inputs}
        self._makers: dict[str, Pictures | Texts] = {}
        for one in package.preparations:
            if isinstance(one, Picture):
                self._makers[one.name] = Pictures(one, dtypes[one.input])
            else:
                self._makers[one.name] = Texts(one, read(f"{FOLDER}/{one.tokenizer}"))
        self._inputs = {one.name: one.input for one in package.preparations}
        self._row_bytes = sum(maker.row_bytes for maker in self._makers.values())

    # --- what has come --------------------------------------------------------------------------

    def of_rows(self, rows: Sequence[Any]) -> list[Tensor] | None:
        """The tensors of rows that hold pictures or texts, None where they hold tensors.

        Raises what `tensors_of` does.
        """
        if not rows or not self._is_sent(rows[0]):
            return None
        plain = [self._plain(row) for row in rows]
        return tensors_of(plain, self.public)

    def of_columns(self, value: Any) -> list[Tensor] | None:
        """The same for an object of lists by name, or a list of the only input's values."""
        if value.__class__ is not dict or value.keys() == {_B64}:
            return self.of_rows(value if value.__class__ is list else [value])
        names = [name for name in value if name in self._roles]
        if not names:
            return None
        lists: dict[str, list[Any]] = {
            name: given if given.__class__ is list else [given] for name, given in value.items()
        }
        if not all(given and self._is_value(given[0]) for given in map(lists.__getitem__, names)):
            return None
        if len({len(given) for given in lists.values()}) > 1:
            raise MalformedBody("the inputs have different numbers of rows", where="inputs")
        rows = zip(*lists.values(), strict=True)
        return self.of_rows([dict(zip(lists, row, strict=True)) for row in rows])

    def of_body(self, body: bytes, media_type: str) -> list[Tensor] | None:
        """The tensors of a body that is itself a picture, a text, or files of a form.

        None for any other media type. Raises BadParameter for a model that takes more than one
        thing in a row.
        """
        media = media_type.partition(";")[0].strip().lower()
        if media in ("text/csv", "application/csv"):
            return tensors_of(rows_of_csv(body, self.public, self._most_rows), self.public)
        if not media.startswith("image/") and media not in (_MULTIPART, "text/plain"):
            return None
        if len(self.public.inputs) != 1:
            raise BadParameter(
                f"this model takes {listed([s.name for s in self.public.inputs])} in a row",
                fix="Send rows as JSON",
            )
        if media == _MULTIPART:
            return [self._of_form(body, media_type)] if self._role == PICTURE else None
        if (self._role == PICTURE) != media.startswith("image/"):
            return None
        return [self._sole([body])]

    @property
    def _role(self) -> str:
        return self.public.inputs[0].role

    def _of_form(self, body: bytes, media_type: str) -> Tensor:
        found = parts_of(body, media_type, min(self._most_rows, _MOST_FILES))
        (name,) = self._roles
        for part in found:
            if part.name not in (name, f"{name}[]", "file", "files"):
                raise UnknownName(
                    f"the form has a field {part.name[:80]!r}",
                    where="body",
                    fix=f"Name each field {name}; each is a row",
                )
        if not found:
            raise MissingField("the form has no file", where="body")
        return self._sole([part.data for part in found])

    def _sole(self, values: Sequence[bytes]) -> Tensor:
        """The only input, of bytes as they came."""
        data: list[Any] = list(values)
        if self._role != PICTURE:
            data = [_text(raw, row) for row, raw in enumerate(values)]
        return Tensor(DTYPES["BYTES"], (len(data),), data)

    def _is_value(self, value: Any) -> bool:
        """Whether a value can be a picture or a text, and is no tensor."""
        return value.__class__ is str or (value.__class__ is dict and value.keys() == {_B64})

    def _is_sent(self, row: Any) -> bool:
        if row.__class__ is dict and row.keys() != {_B64}:
            return any(self._is_value(row.get(name)) for name in self._roles)
        if row.__class__ is list:
            return any(map(self._is_value, row))
        return self._is_value(row)

    def _plain(self, row: Any) -> Any:
        """A row with texts where it had objects `{"b64": ...}`."""
        if row.__class__ is dict and row.keys() != {_B64}:
            return {name: self._unwrapped(value, name) for name, value in row.items()}
        names = [spec.name for spec in self.public.inputs]
        if row.__class__ is list:
            pairs = zip(row, names, strict=False) if len(row) == len(names) else ()
            return [self._unwrapped(value, name) for value, name in pairs] or row
        return self._unwrapped(row, names[0])

    def _unwrapped(self, value: Any, name: str) -> Any:
        if value.__class__ is not dict:
            return value
        inner = value.get(_B64)
        if value.keys() != {_B64} or inner.__class__ is not str:
            raise DtypeMismatch(f'{name!r} is a string or {{"b64": "..."}}', where=name)
        if self._roles.get(name) == PICTURE:
            return inner
        try:
            return b64decode(inner, validate=True).decode()
        except (NotBase64, UnicodeDecodeError, ValueError):
            raise TextInvalid(f"a text of {name!r} is not base64 of UTF-8", where=name) from None

    # --- what becomes of it ---------------------------------------------------------------------

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these are tensors of the public signature, and not of the model's own.

        A declared input is numbers in the one and texts in the other, so the count tells.
        """
        return sum(tensor.dtype.is_text for tensor in tensors) == self._texts_inside

    def finish(self, call: Call, tensors: Sequence[Tensor]) -> None:
        """Sets a call's inputs, rows, group and how arrays are made, once its encoder is set.

        Raises TooManyRows where the arrays would take too much memory.
        """
        rows = tensors[0].shape[0]
        if rows * self._row_bytes > _MOST_BYTES:
            raise TooManyRows(
                f"{rows} rows in one request; {_MOST_BYTES // self._row_bytes} are the limit, by "
                "the memory that their inputs take"
            )
        call.inputs, call.rows = tensors, rows
        call.prepare = self.arrays
        call.group = (call.encoder, "prepared", *[t.shape[1:] for t in tensors])

    def arrays(self, calls: Sequence[Call], rows: int) -> list[Array]:
        """The model's inputs for joined calls. Runs in a thread.

        Raises what is wrong with a row, and DeadlineExceeded once nobody waits for any of them.
        """

        def rest() -> None:
            moment = now()
            if all([call.gone or call.deadline < moment for call in calls]):
                raise DeadlineExceeded("the deadline passed while the inputs were prepared")

        made: dict[str, Array] = {}
        for place, spec in enumerate(self.public.inputs):
            joined = join([call.inputs[place] for call in calls], rows)
            maker = self._makers.get(spec.name)
            if maker is None:
                made[spec.name] = joined
                _check_finite(joined, self.public, place)
            elif isinstance(maker, Pictures):
                made[self._inputs[spec.name]] = maker.array(joined.reshape(-1).tolist(), rest)
            else:
                made.update(maker.arrays(joined.reshape(-1).tolist()))
        return self._in_order(made)

    def _in_order(self, made: Mapping[str, Array]) -> list[Array]:
        return [
            made[spec.name].astype(spec.dtype.numpy, copy=False) for spec in self._signature.inputs
        ]

    @property
    def described(self) -> list[dict[str, Any]]:
        """What is taken beside tensors, for people."""
        media = {PICTURE: ["image/png", "image/jpeg", "image/webp", _MULTIPART, "application/json"]}
        usual = ["text/plain", "text/csv", "application/json"]
        return [
            {"name": name, "is": role, "makes": self._inputs[name], "media": media.get(role, usual)}
            for name, role in self._roles.items()
        ]


def preparing_of(package: Package, read: Callable[[str], bytes]) -> Preparing | None:
    """How a version's inputs are prepared, None where they are tensors only.

    Raises MissingExtra, LoadFailed.
    """
    return Preparing(package, read) if package.preparations else None


def _text(raw: bytes, row: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise TextInvalid(
            f"the text of row {row} is not UTF-8", where=f"row {row}", row=row
        ) from None


def _check_finite(array: Array, signature: Signature, place: int) -> None:
    spec = signature.inputs[place]
    if not spec.dtype.is_float or spec.missing:
        return
    good = [bool(abs(float(v)) < float("inf")) for v in array.reshape(-1)]
    if not all(good):
        row = good.index(False) // max(1, len(good) // len(array))
        raise NotFinite(
            f"input {spec.name!r} holds NaN or infinity, which this model does not take",
            where=f"row {row}",
            row=row,
        )
