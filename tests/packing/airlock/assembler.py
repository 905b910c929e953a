"""Pickles built opcode by opcode, as no honest writer would."""

from __future__ import annotations

import struct
from typing import Any


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module: str, attribute: str) -> bytes:
    """STACK_GLOBAL, which takes dotted attributes."""
    return value(module) + value(attribute) + b"\x93"


def value(of: Any) -> bytes:
    """A plain value, as pickle itself writes it, without its frame."""
    if isinstance(of, Raw):
        return of.code
    if isinstance(of, str):
        raw = of.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw
    if isinstance(of, bytes):
        return b"B" + struct.pack("<I", len(of)) + of
    if of is None or isinstance(of, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[of]
    if isinstance(of, float):
        return b"G" + struct.pack(">d", of)
    if isinstance(of, int):
        return b"\x8a\x09" + of.to_bytes(9, "little", signed=True)
    if isinstance(of, tuple):
        return b"(" + b"".join(map(value, of)) + b"t"
    if isinstance(of, list):
        return b"](" + b"".join(map(value, of)) + b"e"
    if isinstance(of, dict):
        return b"}(" + b"".join(value(k) + value(v) for k, v in of.items()) + b"u"
    raise TypeError(of)


class Raw:
    """Code in the place of a value."""

    def __init__(self, code: bytes) -> None:
        self.code = code


def calls(function: bytes, *arguments: Any) -> bytes:
    """REDUCE."""
    return function + value(arguments) + b"R"


def made(cls: bytes, *arguments: Any) -> bytes:
    """NEWOBJ."""
    return cls + value(arguments) + b"\x81"


def built(target: bytes, state: Any) -> bytes:
    """BUILD."""
    return target + value(state) + b"b"


def file(code: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + code + b"."


DTYPE, NDARRAY = name("numpy", "dtype"), name("numpy", "ndarray")


def element(text: str) -> bytes:
    return calls(DTYPE, text, False, True)


def array(dtype: bytes, shape: tuple[int, ...], data: Any) -> bytes:
    empty = calls(name("numpy._core.multiarray", "_reconstruct"), Raw(NDARRAY), (0,), b"b")
    return built(empty, (1, shape, Raw(dtype), False, data))


class Reduces:
    """An object that pickle itself writes as a call."""

    def __init__(self, module: str, attribute: str, *arguments: Any) -> None:
        self.made_of = module, attribute, arguments

    def __reduce__(self) -> Any:
        module, attribute, arguments = self.made_of
        return getattr(__import__(module), attribute), arguments
