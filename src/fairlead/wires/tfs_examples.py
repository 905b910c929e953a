"""Classification and regression of examples, as TensorFlow Serving's clients ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.core.call import Call
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter, MalformedBody
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.instances import text_of
from fairlead.inputs.rows import tensors_of
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.registry import Served

_MOST = 64 << 20
SCORES, VALUE = "scores", "value"
"""The roles of outputs that answer Classify and Regress."""
WORDS = {SCORES: "classification", VALUE: "regression"}
"""What TensorFlow calls the signatures of such outputs."""


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


def examples_output(served: Served, role: str) -> int:
    """The position of the output that answers examples: of scores, or of one value a row.

    Raises BadParameter for a model without one.
    """
    for position, spec in enumerate(served.package.signature.outputs):
        one = spec.shape[1:] in ((), (1,))
        if spec.role == role and (one if role == VALUE else len(spec.shape) == 2):
            return position
    raise BadParameter(
        f"Expected {WORDS[role]} signature: this model has no output that is one",
        fix="Ask it to predict",
    )


class _ExamplesEncoder:
    """Writes `{"results": [...]}` from one output."""

    decides = False
    role = ""

    def __init__(self, served: Served) -> None:
        package = served.package
        found = examples_output(served, self.role)
        self.outputs = (found,)
        self.specs = [package.signature.outputs[found]]
        self.most_rows = package.limits.max_rows

    def results(self, array: Array) -> list[bytes]:
        """Each row as JSON."""
        raise NotImplementedError

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call."""
        rows = self.results(outputs[0])
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = b'{"results":[' + b",".join(rows[start:stop]) + b"]}"
            start = stop


class ClassifyEncoder(_ExamplesEncoder):
    """Each row as pairs of a label and its score."""

    role = SCORES

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        names = self.specs[0].classes
        self.labels = names

    def results(self, array: Array) -> list[bytes]:
        """Each row as `[["label", score], ...]`."""
        labels = self.labels or [str(n) for n in range(array.shape[1])]
        template = b"[" + b",".join([b"[%b,%%b]" % _name(n) for n in labels]) + b"]"
        return [template % tuple(row.split(b",")) for row in text_rows(array, _MOST)]


class RegressEncoder(_ExamplesEncoder):
    """Each row as one number."""

    role = VALUE

    def results(self, array: Array) -> list[bytes]:
        """Each row as a number."""
        return text_rows(array, _MOST)


def _name(label: str) -> bytes:
    return orjson.dumps(label).replace(b"%", b"%%")
