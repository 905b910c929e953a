"""Making keys: a new one, and the one that follows another."""

from dataclasses import replace

import pytest
from tests.access.parts import DIGESTER, NOW, bearer, book, made

from fairlead.access.minting import DAY_NS, successor_of
from fairlead.core.errors import KeyFieldInvalid


def test_a_new_key_works_for_ninety_days_and_for_ever_only_when_that_is_said():
    assert made()[1].key.expires_ns == NOW + 90 * DAY_NS
    assert made(lifetime_ns=None)[1].key.expires_ns is None


def test_what_is_kept_of_a_key_tells_its_secret_to_nobody():
    secret, stored = made()
    assert stored.key.ending == secret.reveal()[-4:]
    assert secret.reveal() not in repr(stored.key)
    assert secret.reveal().encode() not in stored.digest
    assert stored.digest == DIGESTER.digest(secret.reveal())


def test_a_key_with_an_impossible_field_is_not_made():
    with pytest.raises(KeyFieldInvalid):
        made(name="")
    with pytest.raises(KeyFieldInvalid):
        made(lifetime_ns=0)


def test_a_successor_may_the_same_under_another_secret_in_the_same_lineage():
    first = made("predict:iris", "usage:read", kind="test", limits=["requests=5/second"], plan="p")
    old = replace(first[1].key, retires_ns=NOW, successor="key_x")
    second = successor_of(old, NOW + DAY_NS, DIGESTER)
    third = successor_of(second[1].key, NOW + 2 * DAY_NS, DIGESTER)
    for secret, stored in (second, third):
        key = stored.key
        assert key.lineage == old.id != key.id
        assert (key.scopes, key.limits, key.plan) == (old.scopes, old.limits, old.plan)
        assert (key.successor, key.retires_ns, key.revoked_ns) == ("", None, None)
        assert key.expires_ns == key.created_ns + 90 * DAY_NS
        assert secret.reveal().startswith("frl_test_")
    assert book(third).authenticate(bearer(third), "", NOW).account == old.id


def test_the_successor_of_a_key_that_never_expires_never_expires():
    assert successor_of(made(lifetime_ns=None)[1].key, NOW, DIGESTER)[1].key.expires_ns is None
