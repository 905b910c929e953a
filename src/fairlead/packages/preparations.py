"""`[inputs.NAME]` and `[outputs.NAME]` in a model.toml: what goes in is made of, and comes out."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, cast

from fairlead.core.errors import PackageInvalid
from fairlead.core.preparation import (
    COLORS,
    FILLS,
    FOLDER,
    INTERPOLATIONS,
    LAYOUTS,
    RESIZES,
    Meaning,
    Picture,
    Pooling,
    Preparation,
    Text,
    public_signature,
)
from fairlead.core.signature import Signature, TensorSpec

_LARGEST_SIDE = 8192
_MOST_PIXELS = 400_000_000
_MOST_TOKENS = 1 << 17
_MOST_CHARACTERS = 10_000_000
_WHOLE_KINDS = ("INT32", "INT64")
_FLOATS = ("FP32", "FP64", "FP16")

Check = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words, and whether one is."""


def _one_of(words: Sequence[str]) -> Check:
    return f"one of {', '.join(words)}", lambda v: v in words


def _whole(least: int, most: int) -> Check:
    return f"a whole number from {least} to {most}", lambda v: type(v) is int and least <= v <= most


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9


def _numbers(value: Any, zero: bool) -> bool:
    given = cast("list[Any]", value) if isinstance(value, list) else []
    return len(given) in (1, 3) and all(_number(v) and (zero or v != 0) for v in given)


def _is_size(value: Any) -> bool:
    given = cast("list[Any]", value) if isinstance(value, list) else []
    return len(given) == 2 and all(type(v) is int and 1 <= v <= _LARGEST_SIDE for v in given)


def _is_fills(value: Any) -> bool:
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return isinstance(value, dict) and all(v in FILLS for v in given.values())


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.endswith((".json", ".txt")) and "/" not in value


def _is_classes(value: Any) -> bool:
    given = cast("list[Any]", value) if isinstance(value, list) else []
    return 2 <= len(given) == len({*map(str, given)}) and all(
        isinstance(v, str) and v for v in given
    )


_NAME: Check = ("a name", lambda v: isinstance(v, str) and 0 < len(v) <= 200)
_TRUTH: Check = ("true or false", lambda v: isinstance(v, bool))
_PICTURE: dict[str, Check] = {
    "name": _NAME,
    "size": ("height and width, such as [224, 224]", _is_size),
    "resize": _one_of(RESIZES),
    "shorter_to": _whole(1, _LARGEST_SIDE),
    "interpolation": _one_of(INTERPOLATIONS),
    "color": _one_of(COLORS),
    "scale": ("a number that is not 0", lambda v: _number(v) and v != 0),
    "mean": ("a list of 1 or 3 numbers", lambda v: _numbers(v, True)),
    "std": ("a list of 1 or 3 numbers that are not 0", lambda v: _numbers(v, False)),
    "pad": _whole(0, 255),
    "layout": _one_of(LAYOUTS),
    "max_pixels": _whole(1, _MOST_PIXELS),
}
_TEXT: dict[str, Check] = {
    "name": _NAME,
    "tokenizer": ("the name of a .json or .txt file beside the model.toml", _is_file),
    "max_tokens": _whole(1, _MOST_TOKENS),
    "max_characters": _whole(1, _MOST_CHARACTERS),
    "padding": (
        'a whole number of tokens, or "longest"',
        lambda v: v == "longest" or (type(v) is int and 1 <= v <= _MOST_TOKENS),
    ),
    "fills": (f"a table of inputs, each filled with one of {', '.join(FILLS)}", _is_fills),
    "lowercase": _TRUTH,
}
_POOLING: dict[str, Check] = {
    "of": _NAME,
    "mask": _NAME,
    "pooling": _one_of(("mean", "first")),
    "normalize": _TRUTH,
}
_MEANING: dict[str, Check] = {
    "role": _one_of(("scores", "label", "value")),
    "classes": ("a list of two or more different names", _is_classes),
}
_KINDS = {"image": _PICTURE, "text": _TEXT}
_REQUIRED = {"image": ("size",), "text": ("tokenizer",)}


def preparations_of(words: Mapping[str, Any], where: str) -> tuple[Preparation, ...]:
    """What `[inputs]` declares, in its order. Raises PackageInvalid."""
    found: list[Preparation] = []
    for name, given in _tables(words, "inputs", where):
        kind = given.get("kind")
        section = f"inputs.{name}"
        if kind not in _KINDS:
            raise _invalid(f"[{section}] kind must be one of {', '.join(_KINDS)}", where)
        for key in _REQUIRED[kind]:
            if key not in given:
                raise _invalid(f"[{section}] must have {key}: {_KINDS[kind][key][0]}", where)
        chosen = {k: v for k, v in given.items() if k != "kind"}
        _check(chosen, _KINDS[kind], section, where)
        found.append(_picture(name, chosen, where) if kind == "image" else _text(name, chosen))
    return tuple(found)


def poolings_of(words: Mapping[str, Any], where: str) -> tuple[Pooling, ...]:
    """The outputs that `[outputs]` adds, in its order. Raises PackageInvalid."""
    found: list[Pooling] = []
    for name, given in _tables(words, "outputs", where):
        if "role" in given:
            continue
        _check(given, _POOLING, f"outputs.{name}", where)
        if "pooling" not in given:
            raise _invalid(
                f"[outputs.{name}] must have role: {_MEANING['role'][0]}; or pooling: "
                f"{_POOLING['pooling'][0]}",
                where,
            )
        found.append(Pooling(name, **given))
    return tuple(found)


def meanings_of(words: Mapping[str, Any], where: str) -> tuple[Meaning, ...]:
    """What `[outputs]` says that outputs are, in its order. Raises PackageInvalid."""
    found: list[Meaning] = []
    for name, given in _tables(words, "outputs", where):
        if "role" not in given:
            continue
        _check(given, _MEANING, f"outputs.{name}", where)
        if given["role"] == "scores" and "classes" not in given:
            raise _invalid(f"[outputs.{name}] must have classes: one for each score", where)
        if given["role"] == "value" and "classes" in given:
            raise _invalid(f"[outputs.{name}] a value has no classes", where)
        found.append(Meaning(name, given["role"], tuple(given.get("classes", ()))))
    return tuple(found)


def meant(signature: Signature, meanings: Sequence[Meaning], where: str) -> Signature:
    """The signature whose outputs are what the owner says.

    Raises PackageInvalid for an output that is not there, or cannot be that.
    """
    told = {one.name: one for one in meanings}
    specs = {spec.name: spec for spec in signature.outputs}
    for name, one in told.items():
        if name not in specs:
            raise _unknown(name, specs, where, "output")
        _check_meaning(one, specs[name], where)
    outputs = [
        _meaning(spec, told[spec.name]) if spec.name in told else spec for spec in signature.outputs
    ]
    return replace(signature, outputs=tuple(outputs))


def _meaning(spec: TensorSpec, one: Meaning) -> TensorSpec:
    shape = (spec.shape[0], len(one.classes)) if one.role == "scores" else spec.shape
    return replace(spec, shape=shape, role=one.role, classes=one.classes)


def _check_meaning(one: Meaning, spec: TensorSpec, where: str) -> None:
    inner, count = spec.shape[1:], len(one.classes)
    if one.role == "scores":
        fits = spec.dtype.is_float and inner in ((count,), (-1,))
        wanted = f"{count} scores a row are numbers of shape [-1, {count}]"
    else:
        fits = inner in ((), (1,)) and not (one.role == "value" and spec.dtype.is_text)
        wanted = f"one {one.role} a row has the shape [-1]"
    if not spec.shape or not fits:
        raise _invalid(
            f"[outputs.{one.name}] {wanted}, and it is {spec.dtype} of shape {list(spec.shape)}",
            where,
        )


def _tables(words: Mapping[str, Any], section: str, where: str) -> list[tuple[str, dict[str, Any]]]:
    given: dict[str, Any] = words.get(section, {})
    for name, table in given.items():
        if not isinstance(table, dict):
            raise _invalid(f"[{section}] {name} must be a table: [{section}.{name}]", where)
    return list(given.items())


def _check(given: Mapping[str, Any], known: dict[str, Check], section: str, where: str) -> None:
    for key, value in given.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
            raise _invalid(f"[{section}] {key[:80]} is not known", where, fix)
        wanted, accepts = known[key]
        if not accepts(value):
            raise _invalid(f"[{section}] {key} must be {wanted}", where)


def _picture(name: str, given: dict[str, Any], where: str) -> Picture:
    chosen: dict[str, Any] = {"name": name, **given}
    chosen["size"] = tuple(given["size"])
    for key in ("mean", "std"):
        chosen[key] = tuple(float(v) for v in given.get(key, ()))
    made = Picture(input=name, **chosen)
    for key in ("mean", "std"):
        if len(chosen[key]) not in (0, 1, made.channels):
            raise _invalid(f"[inputs.{name}] {key} has 3 numbers, a grey picture has 1", where)
    if made.shorter_to and (made.resize != "shorter" or made.shorter_to < max(made.size)):
        raise _invalid(
            f'[inputs.{name}] shorter_to goes with resize = "shorter", and must not be below size',
            where,
        )
    return made


def _text(name: str, given: dict[str, Any]) -> Text:
    chosen: dict[str, Any] = {"name": "text", **given}
    padding = given.get("padding", "longest")
    chosen["padding"] = 0 if padding == "longest" else padding
    return Text(input=name, **chosen)


def check_preparations(
    preparations: Sequence[Preparation],
    signature: Signature,
    where: str,
    files: Container[str],
) -> None:
    """Raises PackageInvalid unless the model's inputs are what is made of pictures and texts.

    files: of the package, with the tokenizers.
    """
    if preparations and not signature.batched:
        raise _invalid("[inputs] needs a model that takes rows", where)
    specs = {spec.name: spec for spec in signature.inputs}
    for one in preparations:
        if one.input not in specs:
            raise _unknown(one.input, specs, where)
        if isinstance(one, Picture):
            _check_picture(one, specs[one.input], where)
        else:
            _check_text(one, specs, where)
            if f"{FOLDER}/{one.tokenizer}" not in files:
                raise _invalid(f"the package has no {one.tokenizer}", where)
    names = [spec.name for spec in public_signature(signature, preparations).inputs]
    if len(set(names)) != len(names):
        raise _invalid(f"[inputs] two inputs would be called the same: {', '.join(names)}", where)


def _check_picture(one: Picture, spec: TensorSpec, where: str) -> None:
    fits = len(spec.shape) == 4 and all(
        w in (-1, s) for s, w in zip(one.shape, spec.shape[1:], strict=True)
    )
    if not fits:
        raise _invalid(
            f"[inputs.{one.input}] makes pictures of shape {list(one.shape)}, the model takes "
            f"{list(spec.shape[1:])}",
            where,
            "Look at size, layout and color",
        )
    kinds = (*_FLOATS, "UINT8") if one.plain else _FLOATS
    if spec.dtype.name not in kinds:
        raise _invalid(
            f"[inputs.{one.input}] cannot be made into {spec.dtype}",
            where,
            "Leave scale, mean and std out" if spec.dtype.name == "UINT8" else None,
        )


def _check_text(one: Text, specs: Mapping[str, TensorSpec], where: str) -> None:
    width = specs[one.input].shape[1:]
    for name in (one.input, *one.fills):
        if name not in specs:
            raise _unknown(name, specs, where)
        spec = specs[name]
        if spec.dtype.name not in _WHOLE_KINDS or len(spec.shape) != 2:
            raise _invalid(
                f"[inputs.{one.input}] {name!r} is {spec.dtype} of shape {list(spec.shape)}, and "
                "token ids are INT64 or INT32 of shape [-1, -1]",
                where,
            )
    if one.padding > one.max_tokens:
        raise _invalid(f"[inputs.{one.input}] padding is beyond max_tokens", where)
    if width != (-1,) and width != (one.padding,):
        raise _invalid(
            f"[inputs.{one.input}] the model takes {width[0]} tokens",
            where,
            f"padding = {width[0]}",
        )


def _unknown(
    name: str, specs: Mapping[str, TensorSpec], where: str, what: str = "input"
) -> PackageInvalid:
    near = get_close_matches(name, specs, 1)
    fix = f"Did you mean {near[0]}?" if near else f"Its {what}s: {', '.join([*specs][:20])}"
    return _invalid(f"[{what}s] the model has no {what} {name[:80]!r}", where, fix)


def _invalid(what: str, where: str, fix: str | None = None) -> PackageInvalid:
    return PackageInvalid(f"model.toml: {what}", where=where, fix=fix)
