"""A model as the server describes it: rows of people to its tensors, its tensors to answers.

The same rows give the same answers and errors as `POST /predict/{model}` gives; only numbers come
with every digit that the model's own have.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fairlead.core.decision import UNGUARDED
from fairlead.core.errors import AnswerUnreadable, BadParameter, MissingField, TextInvalid
from fairlead.core.preparation import PICTURE
from fairlead.core.signature import Signature, TensorSpec, class_names, row_keys
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.pictures import encoded
from fairlead.inputs.rows import rows_of, tensors_of

VERDICT = "verdict"
"""The output that holds what the guards say."""
_B64 = "b64"


@dataclass(frozen=True, slots=True)
class Described:
    """What the client knows of one version of a model.

    sent:    the inputs where pictures or texts are sent, None where nothing but tensors is.
    guarded: whether the guards say something of each row.
    labels:  the owner's names of labels.
    """

    model: str
    version: int
    signature: Signature
    sent: Signature | None
    guarded: bool
    labels: Mapping[str, Any]
    max_rows: int

    def asked_as(self, other: Described) -> bool:
        """Whether another version is asked in the same words for the same rows."""
        return (self.signature, self.sent, self.guarded) == (
            other.signature,
            other.sent,
            other.guarded,
        )

    def tensors(self, rows: Sequence[Any]) -> list[tuple[TensorSpec, Tensor]]:
        """The inputs for these rows, or for an array as it is; pictures as bytes.

        Raises what the server would, naming row and column.
        """
        if self.takes(rows):
            spec, array = self.signature.inputs[0], cast("Array", rows)
            return [(spec, Tensor(spec.dtype, array.shape, array.tobytes()))]
        if not self.signature.batched:
            raise BadParameter(
                "this model takes whole tensors, not rows",
                fix=f"POST /v2/models/{self.model}/infer",
            )
        if not rows:
            raise MissingField("there are no rows", where="rows")
        signature, plain = self.signature, rows_of(list(rows), self.signature)
        if self.sent is not None and _is_sent(plain[0], self.sent):
            signature = self.sent
            plain = [_unwrapped(row, self.sent) for row in plain]
        made = [*zip(signature.inputs, tensors_of(plain, signature), strict=True)]
        for spec, tensor in made:
            if spec.role == PICTURE:
                texts: Any = tensor.data
                tensor.data = [encoded(text, row) for row, text in enumerate(texts)]  # type: ignore[assignment]
        return made

    def takes(self, given: Any) -> bool:
        """Whether this is an array of the only input's type and width."""
        spec = self.signature.inputs[0]
        if not hasattr(given, "tobytes") or getattr(given, "ndim", 0) != 2 or not len(given):
            return False
        fits = given.dtype == spec.dtype.numpy and spec.dtype.plain and self.signature.batched
        alone = len(self.signature.inputs) == 1 and self.sent is None
        return fits and alone and spec.shape in ((-1, given.shape[1]), (-1, -1))

    def wanted(self, outputs: Sequence[str]) -> list[str]:
        """The outputs to ask for; none for all of those that there are."""
        if not self.guarded:
            return [*outputs]
        return [*(outputs or [spec.name for spec in self.signature.outputs]), VERDICT]

    def rows(self, found: Mapping[str, Array], verdicts: Sequence[Any]) -> list[dict[str, Any]]:
        """Each answered row; found: the outputs by name. Raises AnswerUnreadable."""
        known = {spec.name: spec for spec in self.signature.outputs}
        specs = [known[name] for name in found if name in known]
        keys = row_keys(specs)
        columns = [_column(spec, found[spec.name], self.labels) for spec in specs]
        said = verdicts if self.guarded else [_unguarded() for _ in columns[0]]
        if any(len(column) != len(said) for column in columns):
            raise AnswerUnreadable("the outputs have different numbers of rows")
        made: list[dict[str, Any]] = []
        for verdict, values in zip(said, zip(*columns, strict=True), strict=True):
            gone = verdict.pop("withheld", False)
            made.append(dict(zip(keys, [None] * len(keys) if gone else values, strict=True)))
            made[-1] |= verdict
        return made


def described(told: dict[str, Any]) -> Described:
    """A model from what `GET /models/{model}` and ModelMetadata tell. Raises AnswerUnreadable."""
    try:
        outputs = told["outputs"]
        facts = {"format": 1, "outputs": outputs}
        signature = Signature.from_json({**facts, "inputs": told["inputs"]})
        sent = Signature.from_json({**facts, "inputs": told["sent"]}) if "sent" in told else None
        own = {spec.name for spec in signature.outputs}
        return Described(
            model=str(told["name"]),
            version=int(told["version"]),
            signature=signature,
            sent=sent,
            guarded=told["guards"] != "unlearnt" and signature.batched and VERDICT not in own,
            labels=dict(told.get("labels", {})),
            max_rows=int(told["limits"]["max_rows"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AnswerUnreadable("the model's description cannot be read") from None


def _unguarded() -> dict[str, Any]:
    return {"decision": UNGUARDED.outcome, "reasons": [*UNGUARDED.reasons]}


def _column(spec: TensorSpec, array: Array, labels: Mapping[str, Any]) -> list[Any]:
    """One output of every row; where there may be no number, JSON has null."""
    values: list[Any] = array.tolist()
    if spec.missing:
        values = _numbers(values)
    if spec.role == "scores" and spec.classes and len(spec.shape) == 2:
        names = class_names(spec, labels)
        return [dict(zip(names, row, strict=True)) for row in values]
    if spec.shape[1:] == (1,):
        values = [row[0] for row in values]
    if spec.role == "label" and labels and (len(spec.shape) == 1 or spec.shape[1:] == (1,)):
        return [str(labels[str(v)]) if str(v) in labels else v for v in values]
    return values


def _numbers(value: Any) -> Any:
    """Values with None for what is no number."""
    if value.__class__ is list:
        return [_numbers(one) for one in value]
    return None if value.__class__ is float and value - value != 0 else value


def _is_sent(row: Any, sent: Signature) -> bool:
    """Whether a row holds a picture or a text where there could be a tensor."""
    if row.__class__ is dict and row.keys() != {_B64}:
        values: list[Any] = [row.get(spec.name) for spec in sent.inputs if spec.role]
    else:
        values = cast("list[Any]", row) if row.__class__ is list else [row]
    return any(
        value.__class__ is str or (value.__class__ is dict and value.keys() == {_B64})
        for value in values
    )


def _unwrapped(row: Any, sent: Signature) -> Any:
    """A row with text where it had objects `{"b64": ...}`. Raises TextInvalid."""
    if row.__class__ is dict and row.keys() != {_B64}:
        specs = {spec.name: spec for spec in sent.inputs}
        return {name: _text(value, specs.get(name)) for name, value in row.items()}
    if row.__class__ is list and len(row) == len(sent.inputs):
        return [_text(value, spec) for value, spec in zip(row, sent.inputs, strict=True)]
    return _text(row, sent.inputs[0])


def _text(value: Any, spec: TensorSpec | None) -> Any:
    if spec is None or value.__class__ is not dict or value.keys() != {_B64}:
        return value
    inner = value[_B64]
    if spec.role == PICTURE:
        return inner
    try:
        return b64decode(inner, validate=True).decode()
    except (NotBase64, UnicodeDecodeError, ValueError, TypeError):
        raise TextInvalid(
            f"a text of {spec.name!r} is not base64 of UTF-8", where=spec.name
        ) from None
