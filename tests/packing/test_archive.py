"""Zip files that lead outside, lie or are bombs are refused whole; nothing is ever unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.packing import trained

from fairlead.core.errors import UnsafeFile
from fairlead.packing import archive


def packed(*entries: tuple[str, bytes], how: int = zipfile.ZIP_STORED, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as made:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = how
            made.writestr(info, content)
    return buffer.getvalue()


def refused(tmp_path: Path, raw: bytes, why: str) -> None:
    path = tmp_path / "model.zip"
    path.write_bytes(raw)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnsafeFile, match=why) as error:
        archive.entries(path)
    assert error.value.where == "model.zip"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("title", ["skops", "torchscript", "torch-export"])
def test_an_honest_archive_passes(tmp_path, title):
    path = tmp_path / "model"
    path.write_bytes(trained.contents()[title])
    with zipfile.ZipFile(path) as honest:
        assert [e.filename for e in archive.entries(path)] == honest.namelist()


def test_an_archive_of_a_stream_passes(tmp_path):
    """Writers that cannot go back put the sizes behind each entry."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *_: int) -> int:
            raise OSError

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", b"1" * 1000)
        made.writestr("b/c", b"2" * 1000)
    path = tmp_path / "model"
    path.write_bytes(stream.getvalue())
    assert len(archive.entries(path)) == 2


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "a/../../evil", "a/..", "..", "/etc/passwd", "//host/share", "C:/evil", "C:evil",
        "a\\..\\evil", "\\evil", "a//b", "a/./../..", "./..",
    ],
)  # fmt: skip
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    refused(tmp_path, packed(("good", b"1"), (name, b"2")), "leads outside")


def test_a_name_with_a_nul_is_refused_although_zipfile_hides_it(tmp_path):
    raw = packed(("good.txt#evil", b"1")).replace(b"good.txt#evil", b"good.txt\0evil")
    refused(tmp_path, raw, "leads outside")


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "A"), ("stra\xdfe", "STRASSE"), ("\u212b", "\xc5")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused_however_it_is_written(tmp_path, names):
    refused(tmp_path, packed(*[(name, b"1") for name in names]), "one name twice")


def test_a_file_that_is_a_folder_too_is_refused(tmp_path):
    refused(tmp_path, packed(("a", b"1"), ("a/b", b"2")), "a folder too")


@pytest.mark.parametrize(
    "mode", [0o120777, 0o010644, 0o020644, 0o060644, 0o140644, 0o104755, 0o102755, 0o041777]
)
def test_links_devices_and_special_rights_are_refused(tmp_path, mode):
    refused(tmp_path, packed(("a", b"/etc/passwd"), mode=mode), "link, a device")


def test_a_compression_of_another_kind_or_a_lock_is_refused(tmp_path):
    refused(tmp_path, packed(("a", b"1"), how=zipfile.ZIP_LZMA), "compressed in a way")
    raw = bytearray(packed(("a", b"1")))
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    refused(tmp_path, bytes(raw), "encrypted")


def test_a_bomb_is_refused_by_its_ratio(tmp_path):
    refused(tmp_path, packed(("a", bytes(8 << 20)), how=zipfile.ZIP_DEFLATED), "far more")


def test_a_bomb_of_many_small_ones_is_refused(tmp_path):
    each = [(f"a{n}", bytes(1 << 20)) for n in range(16)]
    refused(tmp_path, packed(*each, how=zipfile.ZIP_DEFLATED), "far more")


def listing(entry: bytes, count: int, local: bytes = b"") -> bytes:
    """An archive whose list holds one entry so many times, under names of their own."""
    listed = b"".join(entry.replace(b"NNNNNNNN", b"%08d" % n) for n in range(count))
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(listed), len(local), 0
    )
    return local + listed + end


def one() -> tuple[bytes, bytes]:
    """The local part and the listed entry of an archive of one file."""
    raw = packed(("NNNNNNNN", b"12345678"))
    at, end = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    return raw[:at], raw[at:end]


def test_a_million_entries_are_refused_before_they_are_listed(tmp_path):
    local, entry = one()
    refused(tmp_path, listing(entry, 1_000_000, local), "more entries")


def test_more_entries_than_a_model_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_ENTRIES", 10)
    refused(tmp_path, packed(*[(f"a{n}", b"1") for n in range(11)]), "more entries")


def test_entries_that_overlap_are_refused(tmp_path):
    """Each names the same bytes, so a small file unpacks to a large one."""
    local, entry = one()
    refused(tmp_path, listing(entry, 50, local), "overlap")


def test_an_archive_inside_another_file_is_refused(tmp_path):
    refused(tmp_path, b"PK\x03\x04 a false start " + packed(("a", b"1")), "not in it")
    refused(tmp_path, packed(("a", b"1")) + packed(("b", b"1")), "not in it")


def changed(field: int, value: int, size: int = 4) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        at = raw.index(b"PK\x01\x02") + field
        return raw[:at] + value.to_bytes(size, "little") + raw[at + size :]

    return change


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        (24, 1 << 31, "far more"),  # its size unpacked
        (20, 1 << 31, "not in it"),  # its size packed
        (42, 1 << 20, "not in it"),  # where it begins
    ],
)
def test_an_entry_that_lies_about_its_size_or_place_is_refused(tmp_path, field, value, why):
    refused(tmp_path, changed(field, value)(packed(("a", b"12345"))), why)


def test_a_list_that_lies_about_its_length_is_refused(tmp_path):
    raw = packed(("a", b"1"))
    at = raw.rindex(b"PK\x05\x06")
    for length in (0xFFFFFFFF, 1 << 25, 3):
        lying = raw[: at + 12] + length.to_bytes(4, "little") + raw[at + 16 :]
        refused(tmp_path, lying, "cannot be read")


def test_a_long_list_that_lies_is_refused(tmp_path):
    raw = packed(("a", b"1"))
    at = raw.rindex(b"PK\x05\x06")
    long_end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    refused(tmp_path, raw[:at] + long_end + locator + raw[at:], "more entries")


@pytest.mark.parametrize("title", ["skops", "torchscript"])
def test_an_archive_cut_anywhere_is_refused(tmp_path, title):
    raw = trained.contents()[title]
    for size in {*range(4, 60), *range(60, len(raw), max(1, len(raw) // 50))}:
        refused(tmp_path, raw[:size], "cannot be read|not in it")


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["skops", "torchscript"]),
    st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5),
    st.booleans(),
)
def test_a_damaged_archive_passes_or_is_refused_and_nothing_else(tmp_path, title, changes, late):
    raw = bytearray(trained.contents()[title])
    start = raw.index(b"PK\x01\x02") if late else 0
    for place, piece in changes:
        at = start + place % (len(raw) - start)
        raw[at : at + len(piece)] = piece
    path = tmp_path / "model"
    path.write_bytes(raw)
    try:
        archive.entries(path)
    except UnsafeFile:
        return
