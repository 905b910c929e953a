"""SQLite files that are full, read-only, damaged, gone or replaced: told in our words, and nothing
that was committed is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.access.parts import NOW, made

from fairlead.core.errors import StateDamaged, StateInvalid, StateUnavailable
from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.keys import FILE, open_keys
from fairlead.usage.stores.sqlite import copy_of, formats_of

SCHEMA = "CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, words TEXT) STRICT;"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "a.sqlite"


@pytest.fixture
def database(file):
    file.parent.mkdir()
    with closing(open_database(file, SCHEMA, name="things")) as opened:
        yield opened


def put(database, number: int, words: str = "") -> None:
    with database.writing():
        database.rows("INSERT INTO thing VALUES (?, ?)", (number, words))


def count(database) -> int:
    return database.rows("SELECT count(*) FROM thing")[0][0]


def test_a_commit_survives_a_power_cut(database):
    assert database.rows("PRAGMA journal_mode") == [("wal",)]
    assert database.rows("PRAGMA synchronous") == [(2,)]


def test_every_file_is_for_its_owner_alone(database, file):
    put(database, 1)
    copy_of(file, file.with_name("copy.sqlite"), "things")
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"a.sqlite", "a.sqlite-wal", "copy.sqlite"} <= modes.keys()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(database, file, mode):
    file.chmod(mode)
    database.close()
    with pytest.raises(StateInvalid, match="others may write the database of things"):
        count(database)


def test_what_is_no_database_is_told_and_left_as_it_is(tmp_path):
    file = tmp_path / "a.sqlite"
    file.write_bytes(b"this is no database" * 100)
    file.chmod(0o600)
    with pytest.raises(StateDamaged, match="the database of things is damaged"):
        open_database(file, SCHEMA, name="things")
    assert file.read_bytes() == b"this is no database" * 100


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StateUnavailable, match="No such file"):
        open_database(tmp_path / "none" / "a.sqlite", SCHEMA)


def test_opening_a_second_time_keeps_the_locks_of_the_first(database, file):
    """POSIX ends every lock of a process on a file when it closes the file anywhere."""
    program = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE')"
    )
    with database.writing():
        open_database(file, SCHEMA, name="things").close()
        done = subprocess.run(
            [sys.executable, "-c", program, file], capture_output=True, text=True, timeout=60
        )
        assert "database is locked" in done.stderr


def test_a_full_database_refuses_the_change_and_loses_nothing(database):
    put(database, 1)
    pages = database.rows("PRAGMA page_count")[0][0]
    database.rows(f"PRAGMA max_page_count = {pages}")

    def fill():
        for number in range(2, 200):
            put(database, number, "n" * 500)

    with pytest.raises(StateUnavailable, match="full"):
        fill()
    kept = count(database)
    assert kept >= 1
    database.rows("PRAGMA max_page_count = 100000")
    put(database, 500)
    assert count(database) == kept + 1


FULL = """
import resource, signal, sys
from contextlib import closing
from pathlib import Path
from tests.access.parts import made
from fairlead.core.errors import StateUnavailable
from fairlead.usage.stores.keys import open_keys

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
with closing(open_keys(Path(sys.argv[1]))) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        for _ in range(2000):
            minted = made()
            store.create(minted[1].key, minted[1].digest)
            kept += 1
    except StateUnavailable as error:
        print(error.line())
    assert store.revision() == len(store.every()) == kept, (store.revision(), kept)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    minted = made()
    store.create(minted[1].key, minted[1].digest)
    print(store.revision() == len(store.every()) == kept + 1 > 1)
"""


def test_a_disk_that_is_full_loses_no_key_and_goes_on_when_there_is_room(tmp_path):
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / FILE],
        capture_output=True, text=True, env=environ, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("FRL-1506 the database of keys does not work")
    assert said[1] == "True"


READ_ONLY = """
import os, sys
from pathlib import Path
from fairlead.core.errors import StateUnavailable
from fairlead.usage.stores.keys import open_keys

if not os.getuid():
    os.setgid(65534)
    os.setuid(65534)  # who may do everything is stopped by no mode
try:
    open_keys(Path(sys.argv[1]))
except StateUnavailable as error:
    print(error.line())
"""


def test_a_folder_that_may_only_be_read_is_told_and_works_again_later():
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    with TemporaryDirectory() as made_folder:
        file = Path(made_folder) / FILE
        minted = made()
        with closing(open_keys(file)) as store:
            store.create(minted[1].key, minted[1].digest)
        file.chmod(0o444)
        file.parent.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, file],
            capture_output=True, text=True, env=environ, timeout=60,
        )  # fmt: skip
        file.parent.chmod(0o700)
        file.chmod(0o600)
        assert done.returncode == 0, done.stderr
        assert "FRL-1506 the database of keys does not work: attempt to write a" in done.stdout
        with closing(open_keys(file)) as store:
            assert store.revoke("*", NOW)


def test_a_file_that_is_gone_is_told_and_not_made_anew(database, file, tmp_path):
    """A new and empty one would say that there are no keys, and open the server to everybody."""
    put(database, 1)
    away = tmp_path / "away"
    file.parent.rename(away)
    with pytest.raises(StateUnavailable, match="No such file"):
        count(database)
    with pytest.raises(StateUnavailable):
        put(database, 2)
    away.rename(file.parent)
    assert count(database) == 1
    put(database, 2)
    assert count(database) == 2


def test_a_file_that_was_restored_is_read_instead_of_the_old_one(database, file, tmp_path):
    put(database, 1)
    copy = tmp_path / "copy.sqlite"
    copy_of(file, copy, "things")
    put(database, 2)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink()
    shutil.copy(copy, file.with_name("new"))
    file.with_name("new").chmod(0o600)
    file.with_name("new").replace(file)
    assert count(database) == 1
    put(database, 3)
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT id FROM thing ORDER BY id").fetchall() == [(1,), (3,)]


def test_a_process_that_is_killed_in_a_change_leaves_none_of_it(tmp_path):
    program = """
import os, signal, sys
from pathlib import Path
from tests.access.parts import made
from fairlead.usage.stores.keys import open_keys

store = open_keys(Path(sys.argv[1]))
kept, lost = made(), made()
store.create(kept[1].key, kept[1].digest)
print(kept[1].key.id, flush=True)
with store._database.writing():
    store._insert(lost[1].key, lost[1].digest)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / FILE],
        capture_output=True, text=True, env=environ, timeout=60,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    with closing(open_keys(tmp_path / FILE)) as store:
        assert [key.id for key in store.every()] == [done.stdout.strip()]
        assert store.revision() == 1
        store.revoke("*", NOW)


def test_a_copy_is_whole_or_not_there(database, file, tmp_path, monkeypatch):
    put(database, 1)
    copy = tmp_path / "copy.sqlite"
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _fails)
        with pytest.raises(StateUnavailable, match="No space left"):
            copy_of(file, copy, "things")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["state"]
    copy_of(file, copy, "things")
    assert formats_of(copy, "things") == {"things": 1}


def _fails(_):
    raise OSError(28, "No space left on device")


def test_what_has_no_format_has_none(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as raw:
        raw.execute("CREATE TABLE thing (id INTEGER)")
        assert formats_of(tmp_path / "a.sqlite", "things") == {}
        raw.execute("CREATE TABLE format (version INTEGER)")
        raw.execute("INSERT INTO format VALUES (3)")
        raw.commit()
    assert formats_of(tmp_path / "a.sqlite", "things") == {"tables": 3}
