"""A fresh ONNX graph of a tensor model, made to fit its signature: names, types, nothing else.

Exporters leave stack traces and file names of the machine they ran on, and count upwards in names
from conversion to conversion. What is written here is the same for the same model every time.

Standalone: the standard library and numpy only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from fairlead.packing.converters import graphs

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def fitted(
    model: Any, signature: Mapping[str, Any], inexact: frozenset[str] = frozenset()
) -> bytes:
    """The graph's bytes with the signature's names.

    Raises ValueError if it does not fit the signature, or holds an operator that ONNX has not or
    that does not do exactly what the original's does (`inexact`).
    """
    graph = model.graph
    _check_operators(model, inexact)
    held = {value.name for value in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    _check(inputs, signature["inputs"])
    _check(graph.output, signature["outputs"])
    names: dict[str, str] = {}
    for values, specs in ((inputs, signature["inputs"]), (graph.output, signature["outputs"])):
        names |= {v.name: s["name"] for v, s in zip(values, specs, strict=True)}
    if len(names) != len(inputs) + len(graph.output):
        raise ValueError("an output is an input, or is given twice")
    _sort(graph)
    for part in _graphs(graph):
        _rename(part, names)
    for part in (*_graphs(graph), *model.functions):
        _strip(part)
    sizes: dict[str, str] = {}
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.HasField("dim_param"):
                size.dim_param = sizes.setdefault(size.dim_param, f"size_{len(sizes)}")
    del model.metadata_props[:]
    return graphs.finish(model, {})


def _check_operators(model: Any, inexact: frozenset[str]) -> None:
    """Exporters write what they cannot convert under its own name, and go on."""
    defs: Any = import_module("onnx.defs")
    nodes = [node for part in _graphs(model.graph) for node in part.node]
    known = {(f.domain, f.name) for f in model.functions}
    for domain, kind in sorted({(n.domain, n.op_type) for n in nodes} - known):
        if domain not in _DOMAINS or not defs.has(kind, domain) or kind in inexact:
            raise ValueError(f"there is no ONNX operator that does the same as {kind}")


def _check(values: Any, specs: list[Mapping[str, Any]]) -> None:
    """Datatypes are the signature's, and what it leaves free the graph leaves free."""
    found = graphs.specs(values)
    if len(found) != len(specs):
        raise ValueError(f"the graph has {len(found)} where the signature has {len(specs)}")
    for mine, theirs in zip(found, specs, strict=True):
        fits = mine["datatype"] == theirs["datatype"] and len(mine["shape"]) == len(theirs["shape"])
        if not fits or any(
            have not in (-1, want)
            for have, want in zip(mine["shape"], theirs["shape"], strict=True)
        ):
            raise ValueError(
                f"the graph's {mine['name']!r} is {mine['datatype']} {mine['shape']}, not "
                f"{theirs['datatype']} {theirs['shape']}"
            )


def _sort(graph: Any) -> None:
    """Nodes in the order in which the outputs need them, weights in the order of their use."""
    makers = {name: n for n, node in enumerate(graph.node) for name in node.output if name}
    order: list[int] = []
    seen: set[int] = set()
    waiting = [(makers[v.name], False) for v in reversed(graph.output) if v.name in makers]
    while waiting:
        number, complete = waiting.pop()
        if complete:
            order.append(number)
        elif number not in seen:
            seen.add(number)
            waiting.append((number, True))
            needs = [makers[name] for name in _needs(graph.node[number]) if name in makers]
            waiting += [(need, False) for need in reversed(needs)]
    nodes = [copy.deepcopy(graph.node[number]) for number in order]
    place = {name: n for n, name in enumerate(n for node in nodes for n in _needs(node))}
    weights = {w.name: copy.deepcopy(w) for w in graph.initializer if w.name in place}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights[name] for name in sorted(weights, key=lambda n: place[n]))


def _needs(node: Any) -> Iterator[str]:
    """The values that a node takes, also those that only graphs inside it take."""
    yield from node.input
    for inner in _inside(node):
        for below in inner.node:
            yield from _needs(below)
        yield from (value.name for value in inner.output)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Gives every value and node of the graph a name by its place; adds to `names`."""

    def new(name: str, letter: str) -> str:
        if name and name not in names:
            short = f"{letter}{len(names)}"
            taken = set(names.values())
            while short in taken:
                short += "_"
            names[name] = short
        return names.get(name, "")

    for weight in graph.initializer:
        weight.name = new(weight.name, "w")
    for value in graph.input:
        value.name = new(value.name, "v")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [new(name, "v") for name in node.input]
        node.output[:] = [new(name, "v") for name in node.output]
    for value in graph.output:
        value.name = new(value.name, "v")


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those inside its nodes, outer ones first."""
    yield graph
    for node in graph.node:
        for inner in _inside(node):
            yield from _graphs(inner)


def _inside(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _strip(part: Any) -> None:
    """Takes off everything that onnxruntime does not need and that tells of the machine."""
    kept = [*part.node]
    del part.metadata_props[:]
    if hasattr(part, "initializer"):
        del part.value_info[:]
        kept += [*part.input, *part.output, *part.initializer]
    for entry in kept:
        del entry.metadata_props[:]
        entry.doc_string = ""
