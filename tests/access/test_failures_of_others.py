"""What went wrong in another gateway, one test for each of its public issues.

The numbers are of BerriAI/litellm. What needs more than this library is not here.
"""

import os
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import DIGESTER, NOW, SECOND, Limiter, bearer, book, caller, made
from tests.house.source import ROOT

from fairlead.access.book import KeyBook
from fairlead.access.minting import GRACE_NS, successor_of
from fairlead.core.access import OF_A_MODEL, OPERATIONS
from fairlead.core.allowance import Cost
from fairlead.core.errors import KeyReplaced, KeyRevoked, ResourceExhausted
from fairlead.usage.stores.keys import FILE, open_keys

READER = """
import sys
from pathlib import Path
from fairlead.access.book import KeyBook
from fairlead.access.secrets import Digester
from fairlead.core.errors import KeyRevoked
from fairlead.usage.stores.keys import open_keys

store, header = open_keys(Path(sys.argv[1])), sys.stdin.readline().strip()
revision, keys = store.snapshot()
book = KeyBook(keys, revision, Digester(b"p" * 32))
book.authenticate(header, "", 0)
print("known", flush=True)
while True:
    if store.revision() != book.revision:
        revision, keys = store.snapshot()
        book = KeyBook(keys, revision, Digester(b"p" * 32))
    try:
        book.authenticate(header, "", 0)
    except KeyRevoked:
        print("refused", flush=True)
        break
"""


def test_9820_2149_1775_a_key_that_is_revoked_in_one_process_ends_in_the_others(tmp_path):
    minted = made()
    with closing(open_keys(tmp_path / FILE)) as store:
        store.create(minted[1].key, minted[1].digest)
        command = [sys.executable, "-c", READER, str(tmp_path / FILE)]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        readers = [subprocess.Popen(command, env=environ, **pipes) for _ in range(2)]
        try:
            for reader in readers:
                reader.stdin.write(bearer(minted) + "\n")
                reader.stdin.flush()
            assert [reader.stdout.readline() for reader in readers] == ["known\n"] * 2
            store.revoke(minted[1].key.id, NOW)
            said = [reader.communicate(timeout=60)[0] for reader in readers]
        finally:
            for reader in readers:
                reader.kill()
    assert said == ["refused\n"] * 2


def test_25553_26672_a_call_under_way_does_not_bring_a_revoked_key_back(tmp_path):
    """Calls of the old book go on, and remember the key there: it stays revoked, 10,000 times."""
    minted = made(limits=["concurrency=20000"])
    with closing(open_keys(tmp_path / FILE)) as store:
        store.create(minted[1].key, minted[1].digest)
        revision, keys = store.snapshot()
        old, limiter = KeyBook(keys, revision, DIGESTER), Limiter()
        under_way = [
            limiter.commit(old.authenticate(bearer(minted), "", NOW), "iris", Cost(), 0, NOW)
            for _ in range(100)
        ]
        store.revoke(minted[1].key.id, NOW)
        revision, keys = store.snapshot()
        new = KeyBook(keys, revision, DIGESTER)
        for number in range(10_000):
            old.authenticate(bearer(minted), "", NOW)
            if under_way:
                under_way.pop().settle(0, NOW)
            with pytest.raises(KeyRevoked):
                new.authenticate(bearer(minted), "", NOW + number)
        assert store.snapshot() == (revision, keys)


SCOPES = st.sets(
    st.sampled_from([f"{one}:*" if one in OF_A_MODEL else one for one in OPERATIONS]), min_size=1
)


@given(scopes=SCOPES, kind=st.sampled_from(["live", "test", "admin"]))
def test_35535_no_scope_and_no_kind_of_key_gets_around_a_revocation(scopes, kind):
    minted = made(*scopes, kind=kind)
    revoked = replace(minted[1], key=replace(minted[1].key, revoked_ns=NOW))
    with pytest.raises(KeyRevoked):
        book(revoked).authenticate(bearer(minted), "127.0.0.1", NOW)


def test_27193_a_rotated_key_works_until_its_grace_is_over_and_not_after(tmp_path):
    old = made()
    with closing(open_keys(tmp_path / FILE)) as store:
        store.create(old[1].key, old[1].digest)
        new = successor_of(old[1].key, NOW, DIGESTER)
        end = NOW + GRACE_NS
        store.rotate(old[1].key.id, new[1].key, new[1].digest, end)
        revision, keys = store.snapshot()
    known = KeyBook(keys, revision, DIGESTER)
    for now in (NOW, end - 1):
        assert known.authenticate(bearer(old), "", now).key == old[1].key.id
    for now in (end, end + SECOND):
        with pytest.raises(KeyReplaced):
            known.authenticate(bearer(old), "", now)
        assert known.authenticate(bearer(new), "", now).key == new[1].key.id


def test_11210_25762_34241_one_licence_holds_for_the_whole_repository():
    licences = [
        file.relative_to(ROOT)
        for place in ("src", "tests", "docs", "examples", "scripts")
        for file in (ROOT / place).rglob("*")
        if file.stem.upper() in ("LICENSE", "LICENCE", "COPYING")
    ]
    assert licences == []
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"


def test_36940_two_processes_that_pass_midnight_at_once_erase_nothing():
    """A day is computed from the time: there is no moment of reset to be raced."""
    midnight = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp()) * SECOND
    who = caller(limits=["rows=10/day"])
    limiter = Limiter(workers=2)
    for worker in (0, 1):
        limiter.commit(who, "iris", Cost(rows=2), 0, midnight - SECOND, worker)
    limiter.commit(who, "iris", Cost(rows=9), 0, midnight, 0)
    limiter.commit(who, "iris", Cost(rows=1), 0, midnight, 1)
    for worker in (0, 1):
        with pytest.raises(ResourceExhausted):
            limiter.commit(who, "iris", Cost(rows=1), 0, midnight, worker)
    # A clock that is set back finds the day before as it was.
    limiter.commit(who, "iris", Cost(rows=6), SECOND, midnight - 1, 0)
    with pytest.raises(ResourceExhausted):
        limiter.commit(who, "iris", Cost(rows=1), SECOND, midnight - 1, 1)


def test_18730_calls_at_the_same_time_do_not_spend_more_than_the_limit():
    """What a call may use is held before it begins, so five at once cannot spend it five times."""
    limiter, who = Limiter(), caller(limits=["credits=100"])
    under_way = [limiter.commit(who, "iris", Cost(credits=40), 0, NOW) for _ in range(2)]
    for _ in range(3):
        with pytest.raises(ResourceExhausted):
            limiter.commit(who, "iris", Cost(credits=40), 0, NOW)
    for grant in under_way:
        grant.settle(0, NOW, credits=33)
    assert [one.left for one in limiter.left(who, "iris", 0, NOW)] == [34]


def test_24677_18953_two_counters_of_one_window_do_not_refuse_early():
    limiter, who = Limiter(), caller(limits=["requests=100/minute", "rows=1000/minute"])
    for _ in range(100):
        limiter.commit(who, "iris", Cost(rows=10), 0, NOW)
    with pytest.raises(ResourceExhausted):
        limiter.commit(who, "iris", Cost(rows=10), 0, NOW)
