"""Zip files of trained models: looked at by their list of entries, never unpacked here.

A file that leads outside, repeats itself or claims to hold far more than it does is refused whole.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from fairlead.core.errors import UnsafeFile

BROKEN = (
    zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, LookupError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""What reading a damaged archive may raise."""

_MOST_ENTRIES = 100_000
_MOST_LISTED = 16 << 20
_MOST_RATIO = 100
_ANY_RATIO = 1 << 20
_MOST_UNPACKED = 16 << 30
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)
_ODD_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE, _LONG_END_SIZE = b"PK\x06\x07", 20, 56
_TAIL = 65_535 + _END_SIZE + _LOCATOR_SIZE + _LONG_END_SIZE
_LOCAL_SIZE = 30


def entries(path: Path) -> list[zipfile.ZipInfo]:
    """The entries of a zip file that is what it claims. Raises UnsafeFile for any other."""
    try:
        _check_list(path)
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
        size = path.stat().st_size
    except BROKEN as error:
        raise UnsafeFile(f"the archive cannot be read: {error}", where=path.name) from None
    why = _wrong_names(found) or _wrong_kinds(found) or _wrong_sizes(found, size)
    if why:
        raise UnsafeFile(why, where=path.name)
    return found


def _check_list(path: Path) -> None:
    """Bounds the list of entries before it is read: it is read whole."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise zipfile.BadZipFile("it has no end")
    listed = struct.unpack_from("<I", tail, at + 12)[0]
    long_at = at - _LOCATOR_SIZE - _LONG_END_SIZE
    if tail[at - _LOCATOR_SIZE : at].startswith(_LOCATOR) and long_at >= 0:
        listed = struct.unpack_from("<Q", tail, long_at + 40)[0]
    if listed > _MOST_LISTED:
        raise zipfile.BadZipFile("it lists more entries than any model has")


def _wrong_names(found: Sequence[zipfile.ZipInfo]) -> str:
    if len(found) > _MOST_ENTRIES:
        return "the archive has more entries than any model has"
    seen: set[str] = set()
    files: set[str] = set()
    for entry in found:
        # What comes before a NUL is all that some readers see.
        name = entry.orig_filename
        parts = name.rstrip("/").split("/")
        outside = name.startswith("/") or ".." in parts or ":" in parts[0]
        if outside or "\\" in name or "\0" in name or "" in parts:
            return "the archive leads outside its own folder"
        same = unicodedata.normalize("NFKC", name.rstrip("/")).casefold()
        if same in seen:
            return "the archive holds one name twice"
        seen.add(same)
        if not entry.is_dir():
            files.add(same)
    if any(name.rpartition("/")[0] in files for name in seen):
        return "the archive holds a file that is a folder too"
    return ""


def _wrong_kinds(found: Sequence[zipfile.ZipInfo]) -> str:
    for entry in found:
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in _KINDS or mode & _ODD_BITS:
            return "the archive holds a link, a device or a file with special rights"
        if entry.flag_bits & _ENCRYPTED:
            return "the archive is encrypted"
        if entry.compress_type not in _METHODS:
            return "the archive is compressed in a way that no model is"
    return ""


def _wrong_sizes(found: Sequence[zipfile.ZipInfo], size: int) -> str:
    total = sum(entry.file_size for entry in found)
    if total > _MOST_UNPACKED or total > max(_ANY_RATIO, size * _MOST_RATIO):
        return "the archive unpacks to far more than it holds"
    placed = sorted(found, key=lambda entry: entry.header_offset)
    ends = [e.header_offset + _LOCAL_SIZE + e.compress_size for e in placed]
    if placed and (placed[0].header_offset != 0 or ends[-1] > size):
        return "the archive lists entries that are not in it"
    if any(
        end > after.header_offset for end, (_, after) in zip(ends, pairwise(placed), strict=False)
    ):
        return "the archive holds entries that overlap"
    return ""
