"""Keys in SQLite: digests only, every change whole, any number of readers beside one writer."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.access.parts import DIGESTER, NOW, SECOND, made

from fairlead.access.minting import successor_of
from fairlead.access.secrets import new_secret
from fairlead.core.errors import (
    KeyFieldInvalid,
    KeyNotFound,
    KeyRetired,
    StateInvalid,
    StateUnavailable,
)
from fairlead.usage.stores.keys_sqlite import FILE, FORMAT, KeyStore


@pytest.fixture
def file(tmp_path):
    return tmp_path / FILE


@pytest.fixture
def store(file):
    with closing(KeyStore(file)) as opened:
        yield opened


def keep(store, *scopes, **more):
    """Makes a key and keeps it."""
    minted = made(*scopes, **more)
    store.create(minted[1].key, minted[1].digest)
    return minted


FULL = {
    "limits": ["requests=100/second:5", "rows=9/month", "concurrency=2"],
    "networks": ("10.0.0.0/8", "::1"),
    "origins": ("https://example.org",),
    "disclosure": "label",
    "plan": "gold",
    "kind": "test",
}


def test_a_key_comes_back_as_it_was_kept(store, file):
    plain, full = keep(store), keep(store, "predict:iris@3", "usage:read", **FULL)
    with closing(KeyStore(file)) as other:
        assert other.snapshot() == (2, [plain[1], full[1]])
        assert other.show(full[1].key.id) == full[1].key


@given(name=st.text(min_size=1, max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_is_taken_for_sql(store, name):
    minted = made()
    key = replace(minted[1].key, name=name)
    before = len(store.every())
    try:
        store.create(key, minted[1].digest)
    except KeyFieldInvalid:
        assert len(store.every()) == before
        return
    assert store.show(key.id).name == name
    assert len(store.every()) == before + 1


@pytest.mark.parametrize("text", ["' OR 1=1 --", "x'; DROP TABLE key; --", "%", "\0", "_"])
def test_injection_finds_nothing_and_changes_nothing(store, text):
    minted = keep(store)
    for ask in (store.show, lambda t: store.revoke(t, NOW)):
        with pytest.raises(KeyNotFound):
            ask(text)
    assert store.every(text) == []
    assert store.snapshot() == (1, [minted[1]])


def test_every_change_raises_the_revision_and_a_refused_one_does_not(store):
    minted = keep(store)
    assert store.revision() == 1
    with pytest.raises(KeyFieldInvalid, match="kept already"):
        store.create(minted[1].key, minted[1].digest)
    with pytest.raises(KeyNotFound):
        store.revoke("nobody", NOW)
    assert store.revision() == 1
    assert store.revoke(minted[1].key.id, NOW)
    assert store.revision() == 2
    assert store.revoke(minted[1].key.id, NOW + 1) == []
    assert store.revision() == 2
    assert store.show(minted[1].key.id).revoked_ns == NOW


@pytest.mark.parametrize(
    ("pattern", "revoked"),
    [
        ("ci-*", {"ci-a", "ci-b"}),
        ("*", {"ci-a", "ci-b", "web"}),
        ("web", {"web"}),
        ("?eb", {"web"}),
    ],
)
def test_a_pattern_revokes_every_key_that_it_fits(store, pattern, revoked):
    for name in ("ci-a", "ci-b", "web"):
        keep(store, name=name)
    assert {key.name for key in store.revoke(pattern, NOW)} == revoked
    assert {key.name for key in store.every() if key.revoked_ns == NOW} == revoked


def test_a_tenant_sees_and_revokes_its_own_keys_only(store):
    mine, other = keep(store, tenant="mine"), keep(store, tenant="other")
    assert store.every("mine") == [mine[1].key]
    unknown = _message(lambda: store.show("key_nobodynobodynob", "mine"))
    told = _message(lambda: store.show(other[1].key.id, "mine"))
    assert told.replace(other[1].key.id, "") == unknown.replace("key_nobodynobodynob", "")
    assert [key.id for key in store.revoke("*", NOW, "mine")] == [mine[1].key.id]
    with pytest.raises(KeyNotFound):
        store.revoke(other[1].key.id, NOW, "mine")
    assert store.show(other[1].key.id).revoked_ns is None


def _message(ask):
    with pytest.raises(KeyNotFound) as refused:
        ask()
    return refused.value.line()


def test_a_rotated_key_and_its_successor_know_of_each_other(store):
    old = keep(store)[1].key
    new = successor_of(old, NOW + SECOND, DIGESTER)[1]
    store.rotate(old.id, new.key, new.digest, NOW + 9 * SECOND)
    kept = store.show(old.id)
    assert (kept.successor, kept.retires_ns) == (new.key.id, NOW + 9 * SECOND)
    assert store.show(new.key.id) == new.key
    assert store.revision() == 2


@pytest.mark.parametrize(
    ("end", "says"), [("revoked", "is revoked"), ("expired", "is expired"), ("replaced", "Rotate ")]
)
def test_a_key_that_has_ended_cannot_be_rotated(store, end, says):
    old = keep(store, lifetime_ns=5 * SECOND)[1].key
    later = NOW + (6 * SECOND if end == "expired" else SECOND)
    new, newer = (successor_of(old, later, DIGESTER)[1] for _ in range(2))
    if end == "revoked":
        store.revoke(old.id, NOW)
    elif end == "replaced":
        store.rotate(old.id, newer.key, newer.digest, NOW + 9 * SECOND)
    before = store.snapshot()
    with pytest.raises(KeyRetired) as refused:
        store.rotate(old.id, new.key, new.digest, NOW)
    assert says in refused.value.line()
    assert store.snapshot() == before


def test_of_many_that_rotate_one_key_at_once_one_succeeds(store, file):
    old = keep(store)[1].key

    def rotate(_):
        new = successor_of(old, NOW, DIGESTER)[1]
        with closing(KeyStore(file)) as own:
            try:
                own.rotate(old.id, new.key, new.digest, NOW)
            except KeyRetired:
                return None
            return new.key.id

    with ThreadPoolExecutor(4) as pool:
        done = [one for one in pool.map(rotate, range(12)) if one]
    assert [store.show(old.id).successor] == done
    assert len(store.every()) == 2


def test_a_successor_of_another_lineage_or_tenant_is_refused(store):
    old = keep(store)[1].key
    for stranger in (made()[1], made(tenant="other")[1]):
        with pytest.raises(ValueError, match="the lineage and the tenant"):
            store.rotate(old.id, stranger.key, stranger.digest, NOW)
    new = successor_of(old, NOW, DIGESTER)[1]
    with pytest.raises(KeyNotFound):
        store.rotate("key_nobody", new.key, new.digest, NOW)


# --- what is in the file ----------------------------------------------------------------------


def test_no_secret_is_in_any_file_of_the_database(store, file):
    secret, stored = keep(store)
    follows, successor = successor_of(stored.key, NOW, DIGESTER)
    store.rotate(stored.key.id, successor.key, successor.digest, NOW)
    raw = b"".join(one.read_bytes() for one in file.parent.iterdir())
    for text in (secret.reveal(), follows.reveal()):
        assert text.encode() not in raw
        assert text[9:39].encode() not in raw
        assert text[-4:].encode() in raw


@pytest.mark.parametrize("digest", [b"short", b"x" * 33, "x" * 32, bytearray(32)])
def test_what_is_no_digest_is_not_kept(store, digest):
    with pytest.raises(ValueError, match="no digest"):
        store.create(made()[1].key, digest)
    secret = new_secret().reveal()
    with pytest.raises(ValueError, match="no digest") as refused:
        store.create(made()[1].key, secret.encode())
    assert secret not in str(refused.value)
    assert store.every() == []


def test_the_database_itself_takes_no_secret_for_a_digest(store, file):
    keep(store)
    with closing(sqlite3.connect(file)) as raw:
        for wrong in (new_secret().reveal(), new_secret().reveal().encode(), None, 5, b""):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute("UPDATE key SET digest = ?", (wrong,))


def test_the_file_is_for_its_owner_alone(store, file):
    keep(store)
    assert {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(store, file, mode):
    file.chmod(mode)
    with pytest.raises(StateInvalid, match="others may write"):
        KeyStore(file)


def test_a_newer_format_is_refused_and_left_as_it_is(store, file):
    keep(store)
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("UPDATE state SET format = ?", (FORMAT + 1,))
    with pytest.raises(StateInvalid, match=f"format {FORMAT + 1}, this release knows {FORMAT}"):
        KeyStore(file)


def test_a_damaged_file_is_told(file):
    file.write_bytes(b"this is no database" * 100)
    file.chmod(0o600)
    with pytest.raises(StateInvalid, match="damaged"):
        KeyStore(file)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StateUnavailable, match="No such file"):
        KeyStore(tmp_path / "none" / FILE)


def test_a_full_disk_refuses_the_change_and_loses_nothing(store):
    minted = keep(store)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateUnavailable, match="full"):
        deque((keep(store, name="n" * 100) for _ in range(200)), maxlen=0)
    kept = store.every()
    assert minted[1].key in kept
    assert store.revision() == len(kept)
    store._db.execute("PRAGMA max_page_count = 100000")
    keep(store)
    assert store.revision() == len(kept) + 1


def test_a_writer_that_holds_the_database_is_told_and_readers_go_on(store, file):
    minted = keep(store)
    store._db.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable, match="locked"):
            keep(store)
        assert store.snapshot() == (1, [minted[1]])
        other.execute("ROLLBACK")
    keep(store)


def test_opening_a_second_time_keeps_the_locks_of_the_first(store, file):
    """POSIX ends every lock of a process on a file when it closes the file anywhere."""
    store._db.execute("BEGIN IMMEDIATE")
    KeyStore(file).close()
    program = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file], capture_output=True, text=True, timeout=60
    )
    assert "database is locked" in done.stderr
    store._db.execute("ROLLBACK")


READER = """
import sys
from pathlib import Path
from fairlead.usage.stores.keys_sqlite import KeyStore

store, last = KeyStore(Path(sys.argv[1])), int(sys.argv[2])
revision = seen = 0
print("ready", flush=True)
while revision < last:
    revision, keys = store.snapshot()
    # Every key came with a revision of its own, and every second one was revoked with another.
    revoked = sum(stored.key.revoked_ns is not None for stored in keys)
    assert len(keys) + revoked == revision, (len(keys), revoked, revision)
    assert revision >= seen
    seen = revision
print("done", len(keys), revoked)
"""


def test_two_processes_read_whole_snapshots_while_a_third_writes(store, file):
    keys, revoked = 60, 30
    command = [sys.executable, "-c", READER, str(file), str(keys + revoked)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) for _ in range(2)
    ]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["ready\n"] * 2
        for number in range(keys):
            minted = keep(store, name=f"k{number}")
            if number % 2:
                store.revoke(minted[1].key.id, NOW)
        said = [reader.communicate(timeout=60)[0] for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
    assert said == [f"done {keys} {revoked}\n"] * 2
