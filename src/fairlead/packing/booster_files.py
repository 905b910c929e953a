"""What the files of XGBoost, LightGBM and CatBoost say of themselves, read as bytes.

The files are searched, not parsed: what is shown to a person needs no tree of a forest in memory.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fairlead.core.errors import UnsafeFile
from fairlead.packing.airlock.refused import printable

_MOST_NAMES = 100_000
_MOST_TEXT = 1 << 20
_COUNT = re.compile(r"[0-9]{1,15}\Z", re.ASCII)


@contextmanager
def _mapped(path: Path) -> Generator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        yield raw


# --- XGBoost ------------------------------------------------------------------------------

_VALUE = re.compile(rb'"\s*:\s*"([^"\\]{0,200})"')
_LIST = re.compile(rb'"\s*:\s*(\[(?:\s*"(?:[^"\\]|\\.)*"\s*,?)*\s*\])', re.DOTALL)
_VERSION = re.compile(rb'"version"\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\]')
_UBJ_VERSION = re.compile(rb"version\[#[Ll]\x00*\x03i(.)i(.)i(.)", re.DOTALL)
_NODES = re.compile(rb'num_nodes(?:"\s*:\s*"|S[LliUI]\x00*[\x01-\x0f])([0-9]{1,15})')
_WIDTH = {b"L": 8, b"l": 4, b"I": 2, b"i": 1, b"U": 1}
"""Bytes of a length in UBJSON, by its marker."""


def xgboost(path: Path) -> dict[str, Any]:
    """A booster in JSON or UBJSON. Raises UnsafeFile when it is none that is whole."""
    with _mapped(path) as raw:
        binary = raw[:2] in (b"{L", b"{l", b"{i", b"{U", b"{I")
        read = _ubj_text if binary else _json_text
        count = read(raw, b"num_feature") or ""
        if not _COUNT.match(count) or raw[-64:].rstrip()[-1:] != b"}":
            raise UnsafeFile("the booster's file is damaged: it has no end", where=path.name)
        names = (_ubj_names if binary else _json_names)(raw)
        after = raw.find(b"objective", max(0, raw.find(b"learner_model_param")))
        objective = read(raw, b"name", after) if after >= 0 else None
        classes = read(raw, b"num_class") or "0"
        nodes = sum(int(found) for found in _NODES.findall(raw))
        version = (_UBJ_VERSION if binary else _VERSION).search(raw)
        numbers = version.groups() if version else ()
    told = [str(n[0]) if binary else n.decode() for n in numbers]
    outputs = [{"classes": list(range(int(classes)))}] if _several(classes) else []
    return {
        "model": f"XGBoost booster ({printable(objective or 'unknown objective')})",
        "trained_with": {"xgboost": ".".join(told)} if told else {},
        "parameters": nodes or None,
        "inputs": [{"columns": names or int(count)}],
        "outputs": outputs,
    }


def _several(classes: str) -> bool:
    return bool(_COUNT.match(classes)) and 1 < int(classes) < _MOST_NAMES


def _json_text(raw: mmap.mmap, key: bytes, start: int = 0) -> str | None:
    at = raw.find(b'"' + key + b'"', start)
    found = _VALUE.match(raw, at + 1 + len(key)) if at >= 0 else None
    return found[1].decode("utf-8", "replace") if found else None


def _json_names(raw: mmap.mmap) -> list[str]:
    at = raw.find(b'"feature_names"')
    found = _LIST.match(raw, at + 14, at + _MOST_TEXT) if at >= 0 else None
    try:
        names: Any = json.loads(found[1]) if found else []
    except ValueError:
        return []
    return [printable(str(name)) for name in cast(list[Any], names)]


def _ubj_text(raw: mmap.mmap, key: bytes, start: int = 0) -> str | None:
    at = raw.find(key + b"S", start)
    found = _ubj_string(raw, at + len(key) + 1) if at >= 0 else None
    return found[0] if found else None


def _ubj_string(raw: mmap.mmap, at: int) -> tuple[str, int] | None:
    """The text whose length stands at `at`, and where it ends."""
    width = _WIDTH.get(raw[at : at + 1], 0)
    size = int.from_bytes(raw[at + 1 : at + 1 + width], "big")
    start = at + 1 + width
    if not width or size > _MOST_TEXT or start + size > len(raw):
        return None
    return raw[start : start + size].decode("utf-8", "replace"), start + size


def _ubj_names(raw: mmap.mmap) -> list[str]:
    names: list[str] = []
    at = raw.find(b"feature_names[")
    if at < 0:
        return names
    at += len(b"feature_names[")
    if raw[at : at + 1] == b"#":
        at += 2 + _WIDTH.get(raw[at + 1 : at + 2], 0)
    while raw[at : at + 1] == b"S" and len(names) < _MOST_NAMES:
        found = _ubj_string(raw, at + 1)
        if found is None:
            break
        names.append(printable(found[0]))
        at = found[1]
    return names


# --- LightGBM -----------------------------------------------------------------------------

_LEAVES = re.compile(rb"^num_leaves=([0-9]{1,15})\s*$", re.MULTILINE)


def lightgbm(path: Path) -> dict[str, Any]:
    """A booster in LightGBM's text. Raises UnsafeFile when it is cut short."""
    with _mapped(path) as raw:
        head = raw[: min(len(raw), 16 * _MOST_TEXT)].partition(b"\n\n")[0]
        leaves = sum(int(found) for found in _LEAVES.findall(raw))
        whole = raw.find(b"end of trees") >= 0
    lines: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        key, _, text = line.partition("=")
        lines[key] = text
    if not whole:
        raise UnsafeFile("the booster's file is damaged: it has no end", where=path.name)
    classes = lines.get("num_class", "1").strip()
    names = [printable(name) for name in lines.get("feature_names", "").split()]
    return {
        "model": f"LightGBM booster ({printable(lines.get('objective', 'unknown objective'))})",
        "parameters": leaves or None,
        "inputs": [{"columns": names}] if names else [],
        "outputs": [{"classes": list(range(int(classes)))}] if _several(classes) else [],
    }


# --- CatBoost -----------------------------------------------------------------------------

_LOSS = re.compile(rb'"loss_function":\{"type":"([A-Za-z0-9_]{1,60})"')
_CLASSES = re.compile(rb'"class_names":(\[[^\]]{0,100000}\])')
_RELEASE = re.compile(rb"CatBoost release ([0-9][0-9.]{0,20})")


def catboost(path: Path) -> dict[str, Any]:
    """A model in CatBoost's own binary form."""
    with _mapped(path) as raw:
        size = int.from_bytes(raw[4:8], "little")
        if size + 8 > len(raw):
            raise UnsafeFile("the model's file is damaged: it has no end", where=path.name)
        loss, classes, release = (p.search(raw) for p in (_LOSS, _CLASSES, _RELEASE))
        texts = [found[1].decode("utf-8", "replace") if found else "" for found in (loss, release)]
        try:
            named: Any = json.loads(classes[1]) if classes else []
        except ValueError:
            named = []
    shown = [printable(str(name)) for name in cast(list[Any], named)]
    return {
        "model": f"CatBoost model ({texts[0] or 'unknown loss'})",
        "trained_with": {"catboost": texts[1].strip(".")} if texts[1] else {},
        "outputs": [{"classes": shown}] if shown else [],
    }
