"""What the airlock's process left behind, believed only as far as it is checked here.

A Python function or a TorchScript module runs its own code in there, and a damaged library may be
made to. So its files are opened through no link, its graph is walked like a stranger's, and no
claim of its arrays is followed that its files do not hold.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from numpy.lib import format as npy

from fairlead.core.errors import AirlockFailed, UnsafeFile
from fairlead.core.signature import Signature
from fairlead.packing import onnx_file

FACTS = "facts.json"
_MOST_FACTS = 64 << 20
_MOST_ARRAYS = 10_000
_LEAST = 4096
"""What a file takes at least, so that many empty ones count too."""
_RUNTIME = re.compile(r"[a-z][a-z_]{0,30}\Z", re.ASCII)
_GRAPH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\Z", re.ASCII)


def read_facts(out: Path) -> dict[str, Any] | None:
    """The facts, None when the process wrote none. Raises AirlockFailed."""
    try:
        handle = os.open(out / FACTS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        raise _unusable("its facts are no file") from None
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_FACTS:
            raise _unusable("its facts are no file of theirs")
        try:
            found: Any = json.loads(file.read())
        except (ValueError, RecursionError):
            raise _unusable("its facts are no JSON") from None
    if not isinstance(found, dict):
        raise _unusable("its facts are no object")
    return cast(dict[str, Any], found)


def held(folder: Path) -> int:
    """Bytes of all files below a folder that another process is writing."""
    total, waiting = 0, [folder]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                total += max(_LEAST, about.st_blocks * 512)
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(Path(entry.path))
    return total


def check(facts: dict[str, Any], out: Path) -> None:
    """Raises AirlockFailed or UnsafeFile unless facts and files are what a converter promises."""
    _check_facts(facts)
    _check_files(out)
    graph = out / facts["graph"]
    if not graph.exists():
        raise _unusable("its graph is not there")
    for name in ("rows.npz", "original.npz"):
        _check_arrays(out / name)
    if facts["runtime"] == "onnx":
        _check_graph(graph)


def _check_facts(facts: dict[str, Any]) -> None:
    try:
        Signature.from_json(facts["signature"])
        sound = _RUNTIME.match(facts["runtime"]) and _GRAPH.match(facts["graph"])
        texts = [facts["reason"], *facts["versions"].values(), *facts["versions"]]
        sound = sound and all(isinstance(text, str) for text in texts)
        sound = sound and isinstance(facts["about"], dict) and isinstance(facts["sampled"], bool)
        further: Any = facts.get("signatures", {})
        sound = sound and all(
            isinstance(kind, str) and 0 < len(n) <= 256 for n, kind in further.items()
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _unusable(f"its facts lack what belongs there: {type(error).__name__}") from None
    if not sound:
        raise _unusable("its facts are not what belongs there")


def _check_files(out: Path) -> None:
    """Everything is a plain file or a folder, and has no second name elsewhere."""
    waiting = [out]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            entries = [(Path(entry.path), entry.stat(follow_symlinks=False)) for entry in found]
        for path, about in entries:
            if stat.S_ISDIR(about.st_mode):
                waiting.append(path)
            elif not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
                raise UnsafeFile("the model made a link or a special file while it was converted")


def _check_arrays(path: Path) -> None:
    """Its arrays hold as many plain elements as they claim."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ARRAYS:
                raise ValueError("too many")
            for entry in entries:
                with archive.open(entry) as file:
                    _check_array(file, entry.file_size)
            if sum(entry.file_size for entry in entries) > 2 * path.stat().st_size:
                raise ValueError("compressed")
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        raise _unusable(f"{path.name} is damaged: {error}") from None


def _check_array(file: Any, size: int) -> None:
    major, _ = npy.read_magic(file)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, _, kind = read(file)
    claimed = kind.itemsize
    for side in shape:
        claimed *= side
    if kind.hasobject or any(side < 0 for side in shape) or claimed > size:
        raise ValueError("it claims more than it holds")


def _check_graph(graph: Path) -> None:
    found = onnx_file.read(graph.read_bytes())
    if found.external or found.foreign:
        raise UnsafeFile("the converted graph leads outside of itself")


def _unusable(why: str) -> AirlockFailed:
    return AirlockFailed(f"the airlock's result cannot be used: {why}")
