"""A backup holds what outlives a server, and comes back as it was or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from tests.access.parts import NOW, made

from fairlead.assembly.archive import ArchiveWriter
from fairlead.assembly.backup import MANIFEST, back_up, names_of
from fairlead.assembly.inventory import inventory
from fairlead.assembly.restore import check_whole, reading, restore
from fairlead.core.errors import (
    BackupInvalid,
    BadUsage,
    FileUnreadable,
    StateDamaged,
    StateInvalid,
    StateNewer,
    StateNotEmpty,
    StateUnavailable,
)
from fairlead.usage.segments import FRAME, begin, frame
from fairlead.usage.stores.keys import FILE, open_keys


@pytest.fixture
def state(tmp_path):
    """A state folder with a key, a segment, and what is of one server's life only."""
    folder = tmp_path / "state"
    (folder / "journal").mkdir(parents=True)
    (folder / "runners" / "1").mkdir(parents=True)
    (folder / "cache").mkdir()
    minted = made()
    with closing(open_keys(folder / FILE)) as store:
        store.create(minted[1].key, minted[1].digest)
    (folder / "pepper").write_bytes(b"p" * 32)
    (folder / "audit.head").write_bytes(b"head")
    (folder / "lock").write_bytes(b"")
    (folder / "runners" / "1" / "a").write_bytes(b"x")
    (folder / "cache" / "a").write_bytes(b"x")
    (folder / "keys.before-format-2.sqlite").write_bytes(b"x")
    (folder / "bookkeeper.sock").write_bytes(b"")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "journal" / "w-000001.segment").write_bytes(frame(1, b"one") + frame(1, b"two"))
    (folder / "journal" / "place").write_bytes(b"here")
    return folder


def come_back(file: Path, folder: Path, *, force: bool = False):
    folder.mkdir(exist_ok=True)
    with reading(file) as (read, held):
        return restore(folder, read, held, force=force)


KEPT = ["audit.head", "journal/place", "journal/w-000001.segment", "keys.sqlite", "pepper"]


def test_a_backup_comes_back_as_it_was(state, tmp_path):
    taken = back_up(state, tmp_path / "b.tar")
    assert taken.files == len(KEPT)
    again = tmp_path / "again"
    done = come_back(tmp_path / "b.tar", again)
    assert (done.aside, done.held.elsewhere, done.held.sha256) == (None, False, taken.sha256)
    assert names_of(again) == KEPT
    for name in KEPT:
        if name != FILE:
            assert (again / name).read_bytes() == (state / name).read_bytes()
        assert (again / name).stat().st_mode & 0o777 == 0o600
    with closing(open_keys(again / FILE)) as here, closing(open_keys(state / FILE)) as there:
        assert here.snapshot() == there.snapshot()
    assert not [f for f in again.rglob("*") if f.name.startswith((".", "restoring"))]


def test_a_backup_of_a_backup_is_the_same_but_for_its_time(state, tmp_path):
    back_up(state, tmp_path / "1.tar")
    come_back(tmp_path / "1.tar", tmp_path / "again")
    back_up(tmp_path / "again", tmp_path / "2.tar")
    digests = []
    for number in (1, 2):
        with reading(tmp_path / f"{number}.tar") as (_, held):
            # SQLite counts changes within a database, so that two copies differ.
            digests.append({n: d for n, d in held.digests.items() if n != FILE})
    assert digests[0] == digests[1]


def test_what_a_writer_has_not_finished_is_left_out(state, tmp_path):
    """A frame that is half there now would be taken for damage."""
    folder = state / "journal"
    handle = begin(folder, "v-000001.segment")
    whole = frame(1, b"whole")
    os.write(handle, whole + frame(1, b"half")[:-1])
    back_up(state, tmp_path / "b.tar")
    come_back(tmp_path / "b.tar", tmp_path / "again")
    assert (tmp_path / "again" / "journal" / "v-000001.segment").read_bytes() == whole
    os.close(handle)
    # Its writer is dead: its bytes have been hashed, or will be, and stay as they are.
    back_up(state, tmp_path / "b.tar")
    come_back(tmp_path / "b.tar", tmp_path / "later")
    kept = (tmp_path / "later" / "journal" / "v-000001.segment").read_bytes()
    assert len(kept) == len(whole) + FRAME.size + 3


def test_what_is_committed_is_in_it_whatever_others_do_meanwhile(state, tmp_path):
    with closing(sqlite3.connect(state / FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE key SET name = 'never committed'")
        back_up(state, tmp_path / "b.tar")
        writer.execute("ROLLBACK")
    come_back(tmp_path / "b.tar", tmp_path / "again")
    with closing(open_keys(tmp_path / "again" / FILE)) as store:
        assert [key.name for key in store.every()] != ["never committed"]


def test_a_segment_that_is_removed_while_it_is_backed_up_is_in_it(state, tmp_path, monkeypatch):
    """What was rolled up after the ledger was copied, and then removed, would be in neither."""
    from fairlead.assembly import backup

    segment = state / "journal" / "w-000001.segment"
    raw = segment.read_bytes()
    copy_of = backup.copy_of

    def copy_and_remove(*given):
        copy_of(*given)
        segment.unlink(missing_ok=True)

    monkeypatch.setattr(backup, "copy_of", copy_and_remove)
    back_up(state, tmp_path / "b.tar")
    come_back(tmp_path / "b.tar", tmp_path / "again")
    assert (tmp_path / "again" / "journal" / segment.name).read_bytes() == raw


def test_a_damaged_database_is_told_and_no_backup_is_left(state, tmp_path):
    with closing(sqlite3.connect(state / FILE, isolation_level=None)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (state / FILE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)
    with pytest.raises(StateDamaged, match="damaged"):
        back_up(state, tmp_path / "b.tar")
    assert not [f for f in tmp_path.iterdir() if f.name != "state"]


def test_a_backup_does_not_lie_in_its_own_folder(state, tmp_path):
    with pytest.raises(BadUsage):
        back_up(state, state / "b.tar")
    with pytest.raises(FileUnreadable):
        back_up(tmp_path / "none", tmp_path / "b.tar")
    with pytest.raises(StateUnavailable):
        back_up(state, tmp_path / "none" / "b.tar")


def test_an_inventory_names_files_bytes_and_formats(state):
    found = {one["name"]: one for one in inventory(state)}
    assert list(found) == ["audit.head", "journal", "keys.sqlite", "pepper"]
    assert (found["journal"]["files"], found["pepper"]["size"]) == (2, 32)
    assert found["keys.sqlite"]["formats"] == {"keys": 2, "revision": 1}


# --- restoring --------------------------------------------------------------------------------


def test_a_folder_that_holds_something_is_left_alone(state, tmp_path):
    back_up(state, tmp_path / "b.tar")
    other = tmp_path / "other"
    other.mkdir()
    (other / "pepper").write_bytes(b"other")
    with pytest.raises(StateNotEmpty):
        come_back(tmp_path / "b.tar", other)
    assert {f.name: f.read_bytes() for f in other.iterdir()} == {"pepper": b"other"}


def test_with_force_what_was_there_is_moved_aside_and_not_backed_up_again(state, tmp_path):
    back_up(state, tmp_path / "b.tar")
    (state / "pepper").write_bytes(b"changed")
    lock = (state / "lock").stat().st_ino
    done = come_back(tmp_path / "b.tar", state, force=True)
    assert (done.aside / "pepper").read_bytes() == b"changed"
    assert (done.aside / "journal" / "place").exists()
    assert (state / "pepper").read_bytes() == b"p" * 32
    assert (state / "lock").stat().st_ino == lock
    assert names_of(state) == KEPT
    twice = come_back(tmp_path / "b.tar", state, force=True)
    assert twice.aside != done.aside
    assert done.aside.exists()


def test_a_disk_without_room_changes_nothing(state, tmp_path, monkeypatch):
    back_up(state, tmp_path / "b.tar")
    before = sorted(f.name for f in state.iterdir())
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.statvfs_result and _Usage())
    with pytest.raises(StateUnavailable, match="no room"):
        come_back(tmp_path / "b.tar", state, force=True)
    assert sorted(f.name for f in state.iterdir()) == before


class _Usage:
    free = 10


def test_a_restore_that_was_cut_short_is_noticed_and_can_be_done_again(
    state, tmp_path, monkeypatch
):
    back_up(state, tmp_path / "b.tar")
    again = tmp_path / "again"
    again.mkdir()
    rename = Path.rename
    moved = []

    def dies(self, target):
        if target.parent == again and len(moved) == 2:
            raise OSError("killed")
        moved.append(target)
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dies)
        with pytest.raises(StateUnavailable):
            come_back(tmp_path / "b.tar", again)
    with pytest.raises(StateInvalid, match="cut short"):
        check_whole(again)
    come_back(tmp_path / "b.tar", again, force=True)
    check_whole(again)
    assert names_of(again) == KEPT


# --- archives that lie ------------------------------------------------------------------------


def forged(file: Path, files: dict[str, bytes], change=lambda manifest: manifest) -> Path:
    """A backup of these files, with a manifest that was changed."""
    listed = [
        {"name": name, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in files.items()
    ]
    manifest = {"format": 1, "made": "now", "database": "here", "files": listed}
    with file.open("wb") as written:
        writer = ArchiveWriter(written, 0)
        for name, raw in files.items():
            writer.add(name, len(raw), BytesIO(raw).read)
        told = change(manifest)
        raw = told if isinstance(told, bytes) else json.dumps(told).encode()
        writer.add(MANIFEST, len(raw), BytesIO(raw).read)
        writer.end()
    return file


def _another_hash(manifest):
    manifest["files"][0]["sha256"] = "0" * 64
    return manifest


LIES = {
    "wrong hash": _another_hash,
    "file missing": lambda m: {**m, "files": [*m["files"], {**m["files"][0], "name": "b"}]},
    "file not named": lambda m: {**m, "files": []},
    "another size": lambda m: {**m, "files": [{**m["files"][0], "size": 5}]},
    "no format": lambda m: {k: v for k, v in m.items() if k != "format"},
    "format of no number": lambda m: {**m, "format": "1"},
    "format true": lambda m: {**m, "format": True},
    "no JSON": lambda m: b"{",
    "a list": lambda m: [],
    "deep": lambda m: b"[" * 100_000,
    "not text": lambda m: b"\xff\xfe",
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_a_manifest_that_lies_is_refused(tmp_path, change):
    file = forged(tmp_path / "b.tar", {"pepper": b"x" * 9}, change)
    with pytest.raises(BackupInvalid), reading(file):
        pass


def test_an_honest_manifest_is_taken(tmp_path):
    with reading(forged(tmp_path / "b.tar", {"pepper": b"x" * 9})) as (_, held):
        assert [member.name for member in held.files] == ["pepper"]


@pytest.mark.parametrize(
    "name", ["lock", "runners/1", "cache/a", "bookkeeper.sock", "restoring-x/a", "keys.sqlite-wal"]
)
def test_a_file_that_no_backup_holds_is_refused(tmp_path, name):
    file = forged(tmp_path / "b.tar", {name: b"x"})
    with pytest.raises(BackupInvalid, match="no backup holds"), reading(file):
        pass


def test_a_newer_backup_is_refused_with_what_to_do(tmp_path):
    file = forged(tmp_path / "b.tar", {"pepper": b"x"}, lambda m: {**m, "format": 2})
    with pytest.raises(StateNewer, match="this release knows 1"), reading(file):
        pass


def test_a_backup_that_changes_while_it_is_restored_is_noticed(state, tmp_path):
    file = tmp_path / "b.tar"
    back_up(state, file)
    again = tmp_path / "again"
    again.mkdir()
    with reading(file) as (read, held):
        pepper = next(member for member in held.files if member.name == "pepper")
        with file.open("r+b") as other:
            other.seek(pepper.at)
            other.write(b"q")
        with pytest.raises(BackupInvalid, match="not what was backed up"):
            restore(again, read, held, force=False)
    assert list(again.iterdir()) == []


def test_a_locked_folder_is_nobody_elses(state):
    """What commands rely on: a server's lock keeps a restore out."""
    from fairlead.assembly.server import take_state
    from fairlead.core.errors import BindRefused

    with (state / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BindRefused):
            take_state(str(state))


def test_the_time_of_keys_is_kept(state, tmp_path):
    with closing(open_keys(state / FILE)) as store:
        store.revoke("*", NOW)
    back_up(state, tmp_path / "b.tar")
    come_back(tmp_path / "b.tar", tmp_path / "again")
    with closing(open_keys(tmp_path / "again" / FILE)) as store:
        assert [key.revoked_ns for key in store.every()] == [NOW]
