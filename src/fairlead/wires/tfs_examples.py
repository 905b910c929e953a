"""Classification and regression of examples, as TensorFlow Serving's clients ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.core.call import Call
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter, MalformedBody
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.instances import text_of
from fairlead.inputs.loose_json import spelt
from fairlead.inputs.rows import tensors_of
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.served import Served

_MOST = 64 << 20
SCORES, VALUE = "scores", "value"
"""The roles of outputs that answer Classify and Regress."""
WORDS = {SCORES: "classification", VALUE: "regression"}
"""What TensorFlow calls the signatures of such outputs."""
_NAMED = {SCORES: "scores", VALUE: "outputs"}
"""What it calls the outputs themselves."""
_CLASSES = "classes"


def rows_of_examples(request: dict[str, Any], signature: Signature) -> list[Tensor]:
    """The tensors of a request's examples, each with what its context adds.

    Raises MalformedBody, and what `tensors_of` does for a column.
    """
    examples = request.get("examples")
    context = request.get("context", {})
    if examples.__class__ is not list or not examples:
        raise MalformedBody("`examples` must be a list of objects", where="examples")
    if context.__class__ is not dict:
        raise MalformedBody("`context` must be an object", where="context")
    return merged(examples, context, signature)


def merged(examples: Sequence[Any], context: dict[str, Any], signature: Signature) -> list[Tensor]:
    """The tensors of examples, each a dict of features by column."""
    if not signature.columns:
        raise BadParameter("the inputs of this model are no columns, which examples need")
    rows: list[Any] = []
    for number, example in enumerate(examples):
        if example.__class__ is not dict:
            raise MalformedBody("an example must be an object", where=f"examples[{number}]")
        rows.append({name: _bare(value, name) for name, value in {**context, **example}.items()})
    return tensors_of(rows, signature)


def _bare(value: Any, name: str) -> Any:
    """A feature's value: a list of one is the one, and base64 is the text that it stands for."""
    if value.__class__ is list and len(value) == 1:
        value = value[0]
    return text_of(value, name) if value.__class__ is dict else value


def examples_outputs(served: Served, role: str) -> tuple[int, ...]:
    """The positions of the outputs that answer examples.

    One of scores, or of one value a row; behind scores the labels, where the model gives them row
    by row. An output without a role has the one that TensorFlow Serving sees in its name.
    Raises BadParameter for a model without one.
    """
    outputs = served.package.signature.outputs
    for position, spec in enumerate(outputs):
        one = spec.shape[1:] in ((), (1,))
        named = spec.role == role or (not spec.role and spec.name == _NAMED[role])
        if named and _is_number(spec) and (one if role == VALUE else len(spec.shape) == 2):
            labels = _labels(outputs, spec) if role == SCORES and not spec.classes else ()
            return (position, *labels)
    raise BadParameter(
        f"Expected {WORDS[role]} signature: this model has no output that is one",
        fix="Ask it to predict",
    )


def _is_number(spec: TensorSpec) -> bool:
    return not spec.dtype.is_text


def _labels(outputs: Sequence[TensorSpec], scores: TensorSpec) -> tuple[int, ...]:
    """The position of the output that labels scores, if there is one."""
    return tuple(
        position
        for position, spec in enumerate(outputs)
        if spec.name == _CLASSES and spec.dtype.is_text and len(spec.shape) == len(scores.shape)
    )


def labels_of(spec: TensorSpec, outputs: Sequence[Array]) -> list[list[str]]:
    """The labels of each row's scores. outputs: the scores, and perhaps the labels."""
    scores = outputs[0]
    if len(outputs) > 1:
        rows: list[list[Any]] = outputs[1].tolist()
        return [[v.decode() if v.__class__ is bytes else str(v) for v in row] for row in rows]
    return [list(spec.classes) or [str(n) for n in range(scores.shape[1])]] * len(scores)


class _ExamplesEncoder:
    """Writes `{"results": [...]}` from one output, or from scores and their labels."""

    decides = False
    role = ""

    def __init__(self, served: Served) -> None:
        package = served.package
        self.outputs = examples_outputs(served, self.role)
        self.specs = [package.signature.outputs[i] for i in self.outputs]
        self.most_rows = package.limits.max_rows

    def results(self, outputs: Sequence[Array]) -> list[bytes]:
        """Each row as JSON."""
        raise NotImplementedError

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call."""
        rows = self.results(outputs)
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = b'{"results":[' + b",".join(rows[start:stop]) + b"]}"
            start = stop


class ClassifyEncoder(_ExamplesEncoder):
    """Each row as pairs of a label and its score."""

    role = SCORES

    def results(self, outputs: Sequence[Array]) -> list[bytes]:
        """Each row as `[["label", score], ...]`."""
        scores = spelt(text_rows(outputs[0], _MOST), outputs[0])
        labels = labels_of(self.specs[0], outputs)
        if len(outputs) == 1:
            template = _template(labels[0])
            return [template % tuple(row.split(b",")) for row in scores]
        pairs = zip(labels, scores, strict=True)
        return [_template(names) % tuple(row.split(b",")) for names, row in pairs]


class RegressEncoder(_ExamplesEncoder):
    """Each row as one number."""

    role = VALUE

    def results(self, outputs: Sequence[Array]) -> list[bytes]:
        """Each row as a number."""
        return spelt(text_rows(outputs[0], _MOST), outputs[0])


def _template(labels: Sequence[str]) -> bytes:
    """A row's JSON, with room for the scores."""
    names = [orjson.dumps(label).replace(b"%", b"%%") for label in labels]
    return b"[" + b",".join([b"[%b,%%b]" % name for name in names]) + b"]"
