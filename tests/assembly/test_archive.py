"""Archives: what is written is read again, by us and by tar; anything else is refused unread."""

from __future__ import annotations

import io
import os
import tarfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.assembly.archive import ArchiveWriter, content, is_name, members, writing
from fairlead.core.errors import BackupInvalid, StateUnavailable

PART = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}", fullmatch=True)
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)


def archive(files: dict[str, bytes]) -> bytes:
    written = BytesIO()
    writer = ArchiveWriter(written, 1_700_000_000)
    for name, raw in files.items():
        writer.add(name, len(raw), BytesIO(raw).read)
    writer.end()
    return written.getvalue()


def read(raw: bytes) -> dict[str, bytes]:
    opened = BytesIO(raw)
    return {m.name: b"".join(content(opened, m)) for m in members(opened)}


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5))
def test_what_is_written_is_read_again_by_us_and_by_tar(files):
    raw = archive(files)
    assert read(raw) == files
    with tarfile.open(fileobj=BytesIO(raw)) as theirs:
        assert {m.name: theirs.extractfile(m).read() for m in theirs} == files
        assert all(m.isreg() and m.mode == 0o600 for m in theirs)


@pytest.mark.parametrize("size", [0, 511, 512, 513, (8 << 30) - 1, 8 << 30, 1 << 40])
def test_a_file_of_any_size_is_told_by_its_head(size):
    """The head alone is looked at: such a file would not fit here."""
    from fairlead.assembly.archive import _head, _read_head

    head = _head("ledger.sqlite", size, 0)
    assert _read_head(head) == ("ledger.sqlite", size)
    assert tarfile.TarInfo.frombuf(head, "ascii", "strict").size == size


def test_a_long_name_is_cut_where_tar_cuts_it():
    name = f"outcomes/{'m' * 128}/12/0123456789abcdef-000001.segment"
    raw = archive({name: b"x"})
    assert read(raw) == {name: b"x"}
    with tarfile.open(fileobj=BytesIO(raw)) as theirs:
        assert theirs.getnames() == [name]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/", ".hidden", "a/.b", "a\\b", "a\0b", "ä",
     "a b", "~a", "a\n", "/".join("a" * 9), "a" * 256],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_none(name):
    assert not is_name(name)
    with pytest.raises(OSError, match="cannot be kept"):
        archive({name: b""})


def tarred(*entries: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as theirs:
        for entry in entries:
            theirs.addfile(entry, BytesIO(bytes(entry.size)))
    return raw.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0):
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, target, size
    return found


HOSTILE = {
    "symlink": [entry("pepper", tarfile.SYMTYPE, "/etc/passwd")],
    "hard link": [entry("a"), entry("b", tarfile.LNKTYPE, "a")],
    "device": [entry("a", tarfile.CHRTYPE)],
    "pipe": [entry("a", tarfile.FIFOTYPE)],
    "folder": [entry("a", tarfile.DIRTYPE)],
    "above": [entry("../a")],
    "absolute": [entry("/etc/cron.d/a")],
    "twice": [entry("a"), entry("a")],
    "sparse": [entry("a", tarfile.GNUTYPE_SPARSE)],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT], ids=["ustar", "gnu"])
def test_what_we_have_not_written_is_refused(entries, form):
    with pytest.raises(BackupInvalid):
        members(BytesIO(tarred(*entries, form=form)))


def test_headers_that_grow_names_by_extension_are_refused():
    """The extension's length is the sender's word; nothing of it is read."""
    long = tarred(entry("a" * 300), form=tarfile.PAX_FORMAT)
    with pytest.raises(BackupInvalid, match="something else"):
        members(BytesIO(long))


@given(st.data())
def test_a_byte_that_was_changed_in_a_head_is_noticed(data):
    raw = bytearray(archive({"a/b": b"x" * 600}))
    place = data.draw(st.integers(0, 511))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        found = members(BytesIO(bytes(raw)))
    except BackupInvalid:
        return
    assert [(m.name, m.size) for m in found] == [("a/b", 600)]  # a byte of the sum's own padding


@given(st.integers(0, 2047))
def test_an_archive_that_was_cut_off_is_refused(length):
    raw = archive({"a": b"x" * 600})
    assert len(raw) == 512 + 1024 + 1024
    with pytest.raises(BackupInvalid):
        read(raw[: min(length, 512 + 1024)])


def test_a_size_beyond_the_archive_is_refused_before_anything_is_read(tmp_path):
    """A file with holes may claim terabytes and cost nothing; what it claims must be there."""
    file = tmp_path / "huge.tar"
    from fairlead.assembly.archive import _head

    file.write_bytes(_head("ledger.sqlite", 1 << 50, 0))
    os.truncate(file, 1 << 30)
    with file.open("rb") as opened, pytest.raises(BackupInvalid, match="cut off"):
        members(opened)


def test_a_new_archive_is_for_its_owner_and_takes_its_place_at_the_end(tmp_path):
    file = tmp_path / "b.tar"
    file.write_bytes(b"an older one")
    with writing(file, 0) as writer:
        writer.add("a", 1, BytesIO(b"x").read)
        assert file.read_bytes() == b"an older one"
    assert read(file.read_bytes()) == {"a": b"x"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [f.name for f in tmp_path.iterdir()] == ["b.tar"]


def test_an_archive_that_fails_leaves_the_older_one_and_nothing_else(tmp_path):
    file = tmp_path / "b.tar"
    file.write_bytes(b"an older one")
    with pytest.raises(StateUnavailable, match="has become shorter"), writing(file, 0) as writer:
        writer.add("a", 5, BytesIO(b"x").read)
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("b.tar", b"an older one")]
