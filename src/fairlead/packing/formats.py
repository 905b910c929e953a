"""Which format a trained file is of, told from its content and nothing else.

Only bytes are looked at: a name can lie, and nothing is loaded to find out.
"""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.errors import FileUnreadable, FormatUnknown, UnsafeFile

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
_MOST_ENTRIES = 100_000
_MOST_RATIO = 100
_MOST_UNPACKED = 16 << 30


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
        return TrainedFile(_plain(Path(text)), PYTHON, name)
    path = Path(given)
    if path.is_dir() and not path.is_symlink():
        return _folder(path)
    _plain(path)
    if path.suffix == ".py":
        raise FormatUnknown(
            "a Python source file needs the name of its function or class",
            where=given,
            fix=f"Say which: {given}:predict",
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise FileUnreadable(f"{given} cannot be read: {error.strerror}") from error
    if not head:
        raise FormatUnknown("the file is empty", where=given)
    return TrainedFile(path, _by_head(head, path))


def _plain(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise FileUnreadable(
            f"{path} cannot be read: {error.strerror}", fix="Check the path"
        ) from error
    if not stat.S_ISREG(mode):
        raise FileUnreadable(f"{path} is not a plain file")
    return path


def _folder(path: Path) -> TrainedFile:
    if (path / "saved_model.pb").is_file():
        for inner in path.rglob("*"):
            if inner.is_symlink() or not (inner.is_file() or inner.is_dir()):
                raise UnsafeFile("a SavedModel holds plain files only", where=inner.name)
        return TrainedFile(path, SAVEDMODEL)
    raise FormatUnknown(
        f"{path} is a folder without a saved_model.pb",
        fix="Name the trained file itself, or a TensorFlow SavedModel folder",
    )


def _by_head(head: bytes, path: Path) -> str:
    if head[:4] == b"PK\x03\x04":
        return _by_archive(path)
    for is_it, found in _TESTS:
        if is_it(head):
            return found
    for is_it, what, fix in _NOT_SERVED:
        if is_it(head):
            raise FormatUnknown(what, where=str(path), fix=fix)
    raise FormatUnknown(
        "the format of the file is not known",
        where=str(path),
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
    """A ModelProto begins with its IR version, then its producer or its graph."""
    follows = (b"\x12", b"\x3a", b"\x42", b"\x1a")
    return head[:1] == b"\x08" and 0 < head[1] < 64 and head[2:3] in follows


_TESTS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (_is_pickle, PICKLE),
    (lambda head: head.startswith(b"tree\n") and b"version=" in head, LIGHTGBM),
    (lambda head: head.startswith(b"CBM1"), CATBOOST),
    (_is_xgboost, XGBOOST),
    (_is_onnx, ONNX),
)
_NOT_SERVED: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (lambda head: head.startswith(b"7z\xbc\xaf"), "a 7z archive is no trained file", "Unpack it"),
    (lambda head: head.startswith(b"Rar!"), "a RAR archive is no trained file", "Unpack it"),
    (lambda head: head[257:262] == b"ustar", "a tar archive is no trained file", "Unpack it"),
    (
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
        "a Keras HDF5 file may hold code and is not served",
        "Load it where it was trained and write a SavedModel: model.export('folder')",
    ),
)


def _by_archive(path: Path) -> str:
    """Looks at the names in a zip file, after refusing one that lies or leads outside."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, path)
            names = {e.filename for e in entries}
            tails = {n.partition("/")[2] for n in names} | names
            if "schema.json" in names and _has_key(archive, "schema.json", "__loader__"):
                return SKOPS
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError) as error:
        raise UnsafeFile(f"the archive cannot be read: {error}", where=path.name) from error
    return _by_names(tails, path)


def _by_names(names: set[str], path: Path) -> str:
    if "constants.pkl" in names and any(n.startswith("code/") for n in names):
        return TORCHSCRIPT
    if names & {"archive_format", "serialized_exported_program.json", "models/model.json"}:
        return TORCH_EXPORT
    if "data.pkl" in names:
        raise FormatUnknown(
            "a torch.save file holds your own classes or bare weights, not a model that runs alone",
            where=path.name,
            fix="Save the model by torch.export.save(torch.export.export(model, example), 'm.pt2')",
        )
    if "config.json" in names and any(n.endswith(".weights.h5") for n in names):
        raise FormatUnknown(
            "a .keras file may hold code and is not served",
            where=path.name,
            fix="Load it where it was trained and write a SavedModel: model.export('folder')",
        )
    raise FormatUnknown("an archive of no known format", where=path.name)


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Raises UnsafeFile for an archive that leads outside, repeats names or unpacks to a bomb."""
    if len(entries) > _MOST_ENTRIES:
        raise UnsafeFile("the archive has more entries than any model has", where=path.name)
    seen: set[str] = set()
    total = 0
    for entry in entries:
        name = entry.filename
        parts = name.split("/")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
            raise UnsafeFile("the archive leads outside its own folder", where=path.name)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeFile("the archive holds a link or a device", where=path.name)
        if name.casefold() in seen:
            raise UnsafeFile("the archive holds one name twice", where=path.name)
        seen.add(name.casefold())
        total += entry.file_size
    size = max(1, path.stat().st_size)
    if total > _MOST_UNPACKED or total > max(1 << 20, size * _MOST_RATIO):
        raise UnsafeFile("the archive unpacks to far more than it holds", where=path.name)


def _has_key(archive: zipfile.ZipFile, entry: str, key: str) -> bool:
    with archive.open(entry) as file:
        found = json.loads(file.read(64 << 20))
    return isinstance(found, dict) and key in found
