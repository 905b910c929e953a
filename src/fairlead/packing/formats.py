"""Which format a trained file is of, told from its content and nothing else.

Only bytes are looked at: a name can lie, and nothing is loaded to find out.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.errors import FileUnreadable, FormatUnknown, UnsafeFile
from fairlead.packing import archive

ONNX, PICKLE, SKOPS = "onnx", "pickle", "skops"
XGBOOST, LIGHTGBM, CATBOOST = "xgboost", "lightgbm", "catboost"
TORCH_EXPORT, TORCHSCRIPT, SAVEDMODEL, PYTHON = (
    "torch-export",
    "torchscript",
    "savedmodel",
    "python",
)

FRAMEWORKS = {
    PICKLE: "scikit-learn",
    SKOPS: "scikit-learn",
    XGBOOST: "XGBoost",
    LIGHTGBM: "LightGBM",
    CATBOOST: "CatBoost",
    TORCH_EXPORT: "PyTorch",
    TORCHSCRIPT: "PyTorch",
    SAVEDMODEL: "TensorFlow",
    PYTHON: "Python",
    ONNX: "ONNX",
}

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
_HEAD = 4096
_MOST_SCHEMA = 1 << 20
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class TrainedFile:
    """A trained file whose format is known.

    object: the function or class in a Python source file ("file.py:predict"), else "".
    """

    path: Path
    format: str
    object: str = ""


def detect(given: str) -> TrainedFile:
    """The format of a file, a SavedModel folder or "source.py:name".

    Raises FileUnreadable, FormatUnknown with what to do instead, UnsafeFile for a lying archive.
    """
    text, _, name = given.rpartition(":")
    if text.endswith(".py") and name.isidentifier():
        _head(Path(text))
        return TrainedFile(Path(text), PYTHON, name)
    path = Path(given)
    if _is_folder(path):
        return _folder(path)
    head = _head(path)
    if path.suffix == ".py":
        raise FormatUnknown(
            "a Python source file needs the name of its function or class",
            where=given,
            fix=f"Say which: {given}:predict",
        )
    if not head:
        raise FormatUnknown("the file is empty", where=given)
    return TrainedFile(path, _by_head(head, path))


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _head(path: Path) -> bytes:
    """The first bytes of a plain file. Raises FileUnreadable; waits for nobody."""
    try:
        # A queue would wait for its other end.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileUnreadable(f"{_shown(path)} is not a plain file")
        try:
            return file.read(_HEAD) or b""
        except OSError as error:
            raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | ValueError) -> FileUnreadable:
    why = error.strerror if isinstance(error, OSError) else "it is no name of a file"
    return FileUnreadable(f"{_shown(path)} cannot be read: {why}", fix="Check the path")


def _shown(path: Path) -> str:
    """A path in a message; the user knows what they gave, so the end says enough."""
    return str(path)[-_MOST_SHOWN:]


def _folder(path: Path) -> TrainedFile:
    """A SavedModel, looked through for anything but plain files."""
    if not os.path.isfile(path / "saved_model.pb"):
        raise FormatUnknown(
            f"{_shown(path)} is a folder without a saved_model.pb",
            fix="Name the trained file itself, or a TensorFlow SavedModel folder",
        )
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                inner = [(Path(e.path), e.stat(follow_symlinks=False).st_mode) for e in found]
        except OSError as error:
            raise _unreadable(path, error) from None
        waiting += [name for name, mode in inner if stat.S_ISDIR(mode)]
        for name, mode in inner:
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise UnsafeFile("a SavedModel holds plain files only", where=name.name)
    return TrainedFile(path, SAVEDMODEL)


def _by_head(head: bytes, path: Path) -> str:
    if head[:4] == b"PK\x03\x04":
        return _by_archive(path)
    for is_it, what, fix in _NOT_SERVED:
        if is_it(head):
            raise FormatUnknown(what, where=path.name, fix=fix)
    for is_it, found in _TESTS:
        if is_it(head):
            return found
    raise FormatUnknown(
        "the format of the file is not known",
        where=path.name,
        fix="Known: ONNX, joblib and pickle of scikit-learn, skops, XGBoost (.json, .ubj), "
        "LightGBM (.txt), CatBoost (.cbm), torch.export (.pt2), TorchScript (.pt), SavedModel "
        "folders, source.py:function",
    )


def _is_pickle(head: bytes) -> bool:
    """A pickle of protocol 2 to 5, or any compressed stream: joblib's own are."""
    if head[:1] == b"\x80":
        return head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    zlib = head[:1] == b"\x78" and head[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")
    return zlib or head.startswith(_COMPRESSED)


def _is_xgboost(head: bytes) -> bool:
    """A JSON or UBJSON object that holds a learner."""
    opens = head.lstrip()[:1] == b"{" or head[:2] in (b"{L", b"{l", b"{i", b"{U")
    return opens and b"learner" in head


def _is_onnx(head: bytes) -> bool:
    """A ModelProto begins with its IR version; then comes one of its other fields."""
    return head[:1] == b"\x08" and b"\0" < head[1:2] < b"\x40" and head[2:3] in _ONNX_FIELDS


_ONNX_FIELDS = tuple(bytes([byte]) for byte in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42))
_TESTS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (_is_pickle, PICKLE),
    (lambda head: head.startswith(b"tree\n") and b"version=" in head, LIGHTGBM),
    (lambda head: head.startswith(b"CBM1"), CATBOOST),
    (_is_xgboost, XGBOOST),
    (_is_onnx, ONNX),
)

_OLD_PICKLE = re.compile(rb"(?:\(i|c)[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n")
_TORCH_SAVE = (
    "a torch.save file holds your own classes or bare weights, not a model that runs alone",
    "Save it by torch.export.save(torch.export.export(model, (example,)), 'm.pt2')",
)
_EXPORT = "Load it where it was trained and write a SavedModel: model.export('folder')"
_NOT_SERVED: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (lambda head: head.startswith(b"7z\xbc\xaf"), "a 7z archive is no trained file", "Unpack it"),
    (lambda head: head.startswith(b"Rar!"), "a RAR archive is no trained file", "Unpack it"),
    (lambda head: head[257:262] == b"ustar", "a tar archive is no trained file", "Unpack it"),
    (
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
        "a Keras HDF5 file may hold code and is not served",
        _EXPORT,
    ),
    (lambda head: head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"), *_TORCH_SAVE),
    (
        lambda head: bool(_OLD_PICKLE.match(head)),
        "a pickle of a protocol older than 2 is not served",
        "Load it where it was trained and save it again: joblib.dump(model, 'model.joblib')",
    ),
    (
        lambda head: head[8:10] == b'{"' and head[6:8] == b"\0\0",
        "a safetensors file holds weights without a model",
        "Load them into their model and export it to ONNX, or by torch.export",
    ),
    (
        lambda head: head.startswith(b"GGUF"),
        "a GGUF file is for language model servers, not for this one",
        "Serve it with a server of language models",
    ),
    (
        lambda head: head[4:8] == b"TFL3",
        "a TensorFlow Lite file is not served",
        "Pack the SavedModel that it was converted from",
    ),
    (
        lambda head: head.startswith((b"\x93NUMPY", b"PAR1")),
        "the file holds rows or weights, not a model",
        "Name the trained file; rows are given by --reference and --evaluation",
    ),
)


def _by_archive(path: Path) -> str:
    """Looks at the names in a zip file, after refusing one that lies or leads outside."""
    entries = archive.entries(path)
    names = {entry.filename for entry in entries}
    if "schema.json" in names and _is_skops(path):
        return SKOPS
    return _by_names({name.partition("/")[2] for name in names} | names, path)


def _is_skops(path: Path) -> bool:
    """Whether the schema names a loader, as skops writes it; only bytes are looked at."""
    try:
        with zipfile.ZipFile(path) as file, file.open("schema.json") as schema:
            raw = schema.read(_MOST_SCHEMA)
    except archive.BROKEN as error:
        raise UnsafeFile(f"the archive cannot be read: {error}", where=path.name) from None
    return raw.lstrip()[:1] == b"{" and b'"__loader__"' in raw


def _by_names(names: set[str], path: Path) -> str:
    if "constants.pkl" in names and any(n.startswith("code/") for n in names):
        return TORCHSCRIPT
    if names & {"archive_format", "serialized_exported_program.json", "models/model.json"}:
        return TORCH_EXPORT
    if "data.pkl" in names:
        raise FormatUnknown(_TORCH_SAVE[0], where=path.name, fix=_TORCH_SAVE[1])
    if "config.json" in names and any(n.endswith(".weights.h5") for n in names):
        raise FormatUnknown(
            "a .keras file may hold code and is not served", where=path.name, fix=_EXPORT
        )
    raise FormatUnknown("an archive of no known format", where=path.name)
