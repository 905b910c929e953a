"""Keys, in SQLite and in PostgreSQL: digests only, every change whole, readers beside a writer."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.access.parts import DIGESTER, NOW, SECOND, made
from tests.databases import looked_at

from fairlead.access.minting import successor_of
from fairlead.access.secrets import new_secret
from fairlead.core.errors import (
    KeyFieldInvalid,
    KeyNotFound,
    KeyRetired,
    StateConflict,
    StateValueInvalid,
)
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.keys import open_keys


@pytest.fixture
def store(place):
    with closing(open_keys(place)) as opened:
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
    "priority": "batch",
}


def test_a_key_comes_back_as_it_was_kept(store, place):
    plain, full = keep(store), keep(store, "predict:iris@3", "usage:read", **FULL)
    with closing(open_keys(place)) as other:
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


def test_of_many_that_rotate_one_key_at_once_one_succeeds(store, place):
    old = keep(store)[1].key

    def rotate(_):
        new = successor_of(old, NOW, DIGESTER)[1]
        with closing(open_keys(place)) as own:
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


# --- since when -------------------------------------------------------------------------------


def test_what_changed_since_a_revision_is_told_and_nothing_else(store):
    one, two, three = (keep(store) for _ in range(3))
    assert store.changes(0) == (3, [one[1], two[1], three[1]])
    assert store.changes(2) == (3, [three[1]])
    assert store.changes(3) == (3, [])
    store.revoke(one[1].key.id, NOW)
    new = successor_of(two[1].key, NOW, DIGESTER)[1]
    store.rotate(two[1].key.id, new.key, new.digest, NOW)
    number, changed = store.changes(3)
    assert number == 5
    assert {stored.key.id for stored in changed} == {one[1].key.id, two[1].key.id, new.key.id}
    assert store.changes(99) == (5, [])


@given(steps=st.lists(st.sampled_from("crvs"), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_follows_the_changes_knows_what_a_snapshot_tells(store, steps):
    revision, keys = store.snapshot()
    known = {stored.key.id: stored for stored in keys}
    for step in steps:
        living = [k for k in store.every() if k.standing(NOW) == "works" and not k.successor]
        if step == "c" or not living:
            keep(store)
        elif step == "r":
            new = successor_of(living[0], NOW, DIGESTER)[1]
            store.rotate(living[0].id, new.key, new.digest, NOW + SECOND)
        elif step == "v":
            store.revoke(living[-1].id, NOW)
        else:
            revision, keys = store.changes(revision)
            known |= {stored.key.id: stored for stored in keys}
    revision, keys = store.changes(revision)
    known |= {stored.key.id: stored for stored in keys}
    now, snapshot = store.snapshot()
    assert now == revision
    assert known == {stored.key.id: stored for stored in snapshot}


# --- what is in the database ------------------------------------------------------------------


def test_no_secret_is_in_the_database(store, place, request):
    secret, stored = keep(store)
    follows, successor = successor_of(stored.key, NOW, DIGESTER)
    store.rotate(stored.key.id, successor.key, successor.digest, NOW)
    raw = _everything(place, request)
    for text in (secret.reveal(), follows.reveal()):
        assert text.encode() not in raw
        assert text[9:39].encode() not in raw
        assert text[-4:].encode() in raw


def _everything(place, request):
    """Every byte that the database keeps."""
    if isinstance(place, str):
        server = request.getfixturevalue("postgres")
        rows = looked_at(place, server, "SELECT key::text, encode(digest, 'hex') FROM key")
        return repr(rows).encode()
    return b"".join(one.read_bytes() for one in place.parent.iterdir())


@pytest.mark.parametrize("digest", [b"short", b"x" * 33, "x" * 32, bytearray(32)])
def test_what_is_no_digest_is_not_kept(store, digest):
    with pytest.raises(ValueError, match="no digest"):
        store.create(made()[1].key, digest)
    secret = new_secret().reveal()
    with pytest.raises(ValueError, match="no digest") as refused:
        store.create(made()[1].key, secret.encode())
    assert secret not in str(refused.value)
    assert store.every() == []


def test_the_database_itself_takes_no_secret_for_a_digest(store, place):
    keep(store)
    database = connection(place, "keys")
    for wrong in (new_secret().reveal(), new_secret().reveal().encode(), None, b""):
        with pytest.raises((StateConflict, StateValueInvalid)):
            database.rows("UPDATE key SET digest = ?", (wrong,))
    database.close()


def test_revoking_one_of_many_keys_reads_few_of_them(store, place):
    """10,000 keys are revoked one by one in a hundred seconds: none may look at all others."""
    plan = connection(place, "keys")
    explain = "EXPLAIN QUERY PLAN" if not isinstance(place, str) else "EXPLAIN"
    if isinstance(place, str):
        plan.rows("SET enable_seqscan = off")
    for asked in ("WHERE id = 'a' OR name = 'a'", "WHERE changed > 5"):
        told = repr(plan.rows(f"{explain} SELECT name FROM key {asked}"))
        assert "SCAN key" not in told
        assert "Seq Scan" not in told
    plan.close()


READER = """
import sys
from pathlib import Path
from fairlead.usage.stores.keys import open_keys

place = sys.stdin.readline().strip()
place = place if place.startswith('postgresql:') else Path(place)
store, last = open_keys(place), int(sys.argv[1])
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


def test_two_processes_read_whole_snapshots_while_a_third_writes(store, place):
    keys, revoked = 60, 30
    command = [sys.executable, "-c", READER, str(keys + revoked)]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    readers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )
        for _ in range(2)
    ]
    try:
        for reader in readers:
            reader.stdin.write(f"{place}\n")
            reader.stdin.flush()
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


def test_keys_of_the_first_format_are_interactive_from_now_on(place):
    with closing(open_keys(place)) as opened:
        minted = keep(opened)
        database = opened._database
        with database.writing():
            database.rows("ALTER TABLE key DROP COLUMN priority")
            database.rows("UPDATE format SET version = 1 WHERE name = 'keys'")
    with closing(open_keys(place)) as opened:
        assert opened.show(minted[1].key.id).priority == "interactive"
        shadow = keep(opened, priority="shadow")
        assert opened.snapshot()[1][-1].key.priority == shadow[1].key.priority == "shadow"
