"""The messages of gRPC protocols, in a pool of our own.

A client library in the same process registers the same names in protobuf's common pool, and a name
may stand there once. `scripts/protos.py` compiles the .proto files beside this one.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation

COMPILED = "descriptors.binpb"
_HERE = "fairlead.protos"

if api_implementation.Type() == "python":  # pragma: no cover - no such installation is supported
    raise ImportError("protobuf's pure-Python parser is no match for what strangers send")


def source(name: str) -> str:
    """The text of a .proto file, by its name. Raises FileNotFoundError."""
    return files(_HERE).joinpath(name).read_text(encoding="utf-8")


def sources() -> list[str]:
    """The names of the .proto files."""
    return sorted(f.name for f in files(_HERE).iterdir() if f.name.endswith(".proto"))


@cache
def compiled() -> descriptor_pb2.FileDescriptorSet:
    """Every file, each after those that it imports."""
    return descriptor_pb2.FileDescriptorSet.FromString(files(_HERE).joinpath(COMPILED).read_bytes())


@cache
def _pool() -> Any:
    made = descriptor_pool.DescriptorPool()
    for file in compiled().file:
        made.AddSerializedFile(file.SerializeToString())
    return made


@cache
def message(name: str) -> Any:
    """The class of a message by its full name, such as `inference.ModelInferRequest`."""
    found: Any = _pool().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(found)


@cache
def methods(service: str) -> dict[str, tuple[Any, Any]]:
    """The methods of a service by name: the classes of what they take and give."""
    found: Any = _pool().FindServiceByName(service)
    return {
        method.name: (message(method.input_type.full_name), message(method.output_type.full_name))
        for method in found.methods
    }


def files_with(symbol: str) -> list[bytes]:
    """The file that declares a symbol and those that it imports; none for an unknown name."""
    try:
        first: Any = _pool().FindFileContainingSymbol(symbol)
    except KeyError:
        return []
    wanted, names = [first], set[str]()
    while wanted:
        file = wanted.pop()
        names.add(file.name)
        wanted += [other for other in file.dependencies if other.name not in names]
    return [f.SerializeToString() for f in compiled().file if f.name in names]
