"""One vector for each text out of one for each token, as nodes at the end of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from fairlead.core.errors import ConversionFailed, MissingExtra
from fairlead.core.preparation import Pooling

_AXES_ARE_INPUTS = 13
"""From this version of the operators on, axes are an input and not an attribute."""

_LEAST = 1e-12
_PREFIX = "fairlead_pooling"


def pooled(raw: bytes, poolings: Sequence[Pooling]) -> bytes:
    """The graph with each pooled output in place of its tokens'.

    Raises MissingExtra without onnx, ConversionFailed where the graph has no such output.
    """
    try:
        onnx: Any = import_module("onnx")
    except ImportError as error:
        raise MissingExtra("pooling needs onnx", fix="pip install 'fairlead[onnx]'") from error
    model = onnx.load_model_from_string(raw)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    for pooling in poolings:
        _Pooling(onnx, model, opset, pooling).apply()
    return model.SerializeToString(deterministic=True)


class _Pooling:
    """One pooling at work on a model."""

    def __init__(self, onnx: Any, model: Any, opset: int, wanted: Pooling) -> None:
        self._onnx, self._graph, self._opset, self._wanted = onnx, model.graph, opset, wanted
        self._count = 0

    def apply(self) -> None:
        tokens = self._tokens()
        kind = tokens.type.tensor_type.elem_type
        if self._wanted.pooling == "first":
            first = self._constant(0, self._onnx.TensorProto.INT64, ())
            found = self._node("Gather", [tokens.name, first], axis=1)
        else:
            found = self._mean(tokens.name, kind)
        if self._wanted.normalize:
            squares = self._over_axis("ReduceSum", self._node("Mul", [found, found]), keep=1)
            least = self._constant(_LEAST, kind, ())
            length = self._node("Max", [self._node("Sqrt", [squares]), least])
            found = self._node("Div", [found, length])
        self._graph.node.append(
            self._onnx.helper.make_node("Identity", [found], [self._wanted.name])
        )
        rows, _, width = tokens.type.tensor_type.shape.dim
        made = self._onnx.helper.make_tensor_value_info(
            self._wanted.name, kind, [_size(rows), _size(width)]
        )
        outputs = [made if one.name == tokens.name else one for one in self._graph.output]
        del self._graph.output[:]
        self._graph.output.extend(outputs)

    def _mean(self, tokens: str, kind: int) -> str:
        """The mean of the tokens that count; a text without one is all zeros."""
        mask = self._wanted.mask
        if mask not in {one.name for one in self._graph.input}:
            raise ConversionFailed(
                f"pooling needs an input that says which tokens count, and there is no {mask!r}",
                fix='Name it: mask = "..."',
            )
        counted = self._over_axis("Unsqueeze", self._node("Cast", [mask], to=kind), axis=2)
        total = self._over_axis("ReduceSum", self._node("Mul", [tokens, counted]), keep=0)
        count = self._over_axis("ReduceSum", counted, keep=0)
        least = self._constant(1e-9, kind, ())
        return self._node("Div", [total, self._node("Max", [count, least])])

    def _tokens(self) -> Any:
        """The output that has a vector for each token."""
        known = [o for o in self._graph.output if len(o.type.tensor_type.shape.dim) == 3]
        found = [o for o in known if self._wanted.of in ("", o.name)]
        taken = {o.name for o in self._graph.output} | {i.name for i in self._graph.input}
        if self._wanted.name in taken:
            raise ConversionFailed(f"the graph has a {self._wanted.name!r} already")
        if len(found) != 1:
            names = ", ".join(o.name for o in known) or "none"
            raise ConversionFailed(
                f"pooling of {self._wanted.name!r} needs one output of shape [rows, tokens, n]",
                fix=f'Name it: of = "..."; the graph has {names}',
            )
        return found[0]

    def _over_axis(self, operator: str, given: str, *, axis: int = 1, keep: int = -1) -> str:
        """A node along one axis, however this version of the operators is told of it."""
        more = {"keepdims": keep} if keep >= 0 else {}
        if self._opset < _AXES_ARE_INPUTS:
            return self._node(operator, [given], axes=[axis], **more)
        axes = self._constant(axis, self._onnx.TensorProto.INT64, (1,))
        return self._node(operator, [given, axes], **more)

    def _node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        self._count += 1
        name = f"{_PREFIX}_{self._wanted.name}_{self._count}"
        made = self._onnx.helper.make_node(operator, inputs, [name], **attributes)
        self._graph.node.append(made)
        return name

    def _constant(self, value: float, kind: int, shape: tuple[int, ...]) -> str:
        self._count += 1
        name = f"{_PREFIX}_{self._wanted.name}_{self._count}"
        made = self._onnx.helper.make_tensor(name, kind, shape, [value])
        self._graph.initializer.append(made)
        return name


def _size(dim: Any) -> Any:
    """A dimension as it is written: a number, or the name of an open one."""
    return dim.dim_value or dim.dim_param or None
