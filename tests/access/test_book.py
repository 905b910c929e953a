"""The book: who presents what, and what that caller may do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import NOW, SECOND, bearer, book, caller, made

from fairlead.access import book as module
from fairlead.access.book import allows, denied, describes
from fairlead.access.secrets import Digester, new_secret
from fairlead.core.access import HELD_BACK, OPERATIONS, Caller, Scope, StoredKey
from fairlead.core.errors import (
    KeyExpired,
    KeyMalformed,
    KeyReplaced,
    KeyRevoked,
    KeyUnknown,
    ModelNotFound,
    NetworkRefused,
    PermissionDenied,
    Unauthenticated,
)
from fairlead.serving.registry import LATEST, Registry


def ended(minted, **ends):
    """The same key with other ends."""
    return minted[0], replace(minted[1], key=replace(minted[1].key, **ends))


def test_who_presents_a_key_is_known_by_it():
    first, second = made(name="first", tenant="a", plan="gold"), made(name="second", tenant="b")
    known = book(first, second)
    found = known.authenticate(bearer(first), "", NOW)
    assert (found.name, found.tenant, found.plan) == ("first", "a", "gold")
    assert found.account == found.key == first[1].key.id
    assert known.authenticate(second[0].reveal(), "", NOW).name == "second"
    assert len(known) == 2


@pytest.mark.parametrize("header", ["", " ", "\t"])
def test_without_a_key_nobody_is_known(header):
    with pytest.raises(Unauthenticated) as refused:
        book().authenticate(header, "", NOW)
    assert refused.value.id == "FRL-1201"


def test_a_key_of_nobody_and_a_text_that_is_no_key_are_told_apart():
    with pytest.raises(KeyUnknown):
        book(made()).authenticate(new_secret().reveal(), "", NOW)
    with pytest.raises(KeyMalformed):
        book(made()).authenticate("Bearer hello", "", NOW)


def test_what_is_no_key_is_never_hashed():
    class Sore(Digester):
        def digest(self, text):
            raise AssertionError("it is hashed")

    known = module.KeyBook([made()[1]], 1, Sore(b"p" * 32))
    with pytest.raises(KeyMalformed):
        known.authenticate("Bearer ' OR 1=1 --", "", NOW)


def test_a_key_under_another_pepper_is_unknown():
    minted = made()
    stolen = module.KeyBook([minted[1]], 1, Digester(b"q" * 32))
    with pytest.raises(KeyUnknown):
        stolen.authenticate(bearer(minted), "", NOW)


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        ({"revoked_ns": NOW + 99 * SECOND}, KeyRevoked),  # by a clock that runs ahead
        ({"revoked_ns": NOW}, KeyRevoked),
        ({"expires_ns": NOW}, KeyExpired),
        ({"retires_ns": NOW, "successor": "key_x"}, KeyReplaced),
    ],
)
def test_a_key_that_has_ended_is_refused_however_often_it_is_sent(ends, error):
    minted = ended(made(), **ends)
    known = book(minted)
    for _ in range(3):
        with pytest.raises(error):
            known.authenticate(bearer(minted), "", NOW)


def test_a_remembered_key_ends_at_its_time():
    minted = ended(made(), expires_ns=NOW + SECOND)
    known = book(minted)
    assert known.authenticate(bearer(minted), "", NOW + SECOND - 1)
    with pytest.raises(KeyExpired):
        known.authenticate(bearer(minted), "", NOW + SECOND)


NETWORKS = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.7", "2001:db8::1%eth0"]
)
def test_a_key_works_from_its_networks(address):
    minted = made(networks=NETWORKS)
    assert book(minted).authenticate(bearer(minted), address, NOW)


@pytest.mark.parametrize("address", ["11.0.0.1", "192.0.2.8", "::1", "", "somewhere", "10.1.2"])
def test_a_key_does_not_work_from_elsewhere_even_when_remembered(address):
    minted = made(networks=NETWORKS)
    known = book(minted)
    known.authenticate(bearer(minted), "10.0.0.1", NOW)
    with pytest.raises(NetworkRefused):
        known.authenticate(bearer(minted), address, NOW)


def test_wrong_keys_leave_nothing_behind_and_good_ones_a_bounded_memory(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 8)
    minted = [made(name=f"k{n}") for n in range(40)]
    known = book(*minted)
    for _ in range(50):
        with pytest.raises(KeyUnknown):
            known.authenticate(new_secret().reveal(), "", NOW)
    assert not known._seen
    for _ in range(2):
        for n, one in enumerate(minted):
            assert known.authenticate(bearer(one), "", NOW).name == f"k{n}"
            assert len(known._seen) <= 8
            assert len(known._before) <= 8


def test_a_key_in_use_stays_remembered(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 4)
    busy, others = made(), [made() for _ in range(20)]
    known = book(busy, *others)
    first = known.authenticate(bearer(busy), "", NOW)
    for one in others:
        known.authenticate(bearer(one), "", NOW)
        assert known.authenticate(bearer(busy), "", NOW) is first


def test_a_book_shows_neither_keys_nor_digests():
    minted = made()
    known = book(minted)
    known.authenticate(bearer(minted), "", NOW)
    assert repr(known) == "KeyBook(1 keys, revision 1)"


def test_an_origin_is_listed_while_a_key_that_lists_it_works():
    one, other = "https://a.org", "https://b.org"
    known = book(
        made(origins=(one,)),
        ended(made(origins=(other,)), expires_ns=NOW + SECOND),
        ended(made(origins=("https://c.org",)), revoked_ns=NOW),
    )
    assert known.lists_origin(one, NOW)
    assert known.lists_origin(other, NOW)
    assert not known.lists_origin(other, NOW + SECOND)
    assert not known.lists_origin("https://c.org", NOW)
    assert not known.lists_origin("https://d.org", NOW)


# --- what a caller may ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "asked", "allowed"),
    [
        ("predict:iris", ("predict", "iris", 3, "stable"), True),
        ("predict:iris", ("predict", "iris", 3, ""), True),
        ("predict:iris", ("predict", "iris", 4, "candidate"), False),
        ("predict:iris", ("predict", "iris", 4, "shadow"), False),
        ("predict:iris", ("predict", "rose", 1, ""), False),
        ("predict:iris", ("explain", "iris", 1, ""), False),
        ("predict:iris@3", ("predict", "iris", 3, "stable"), True),
        ("predict:iris@3", ("predict", "iris", 3, "candidate"), True),
        ("predict:iris@3", ("predict", "iris", 30, ""), False),
        ("predict:iris@3", ("predict", "iris", 0, ""), False),
        ("predict:iris@candidate", ("predict", "iris", 4, "candidate"), True),
        ("predict:iris@candidate", ("predict", "iris", 4, "stable"), False),
        ("predict:*", ("predict", "rose", 1, ""), True),
        ("predict:*", ("predict", "rose", 1, "shadow"), False),
        ("predict:*", ("predict", "", 0, ""), False),
        ("predict:*@shadow", ("predict", "rose", 1, "shadow"), True),
        ("predict:*", ("admin:keys", "", 0, ""), False),
        ("admin:models", ("admin:models", "", 0, ""), True),
        ("admin:models", ("predict", "iris", 1, ""), False),
        ("usage:read", ("usage:read", "", 0, ""), True),
    ],
)
def test_a_scope_allows_what_it_says(scope, asked, allowed):
    assert allows(caller(scope), *asked) is allowed


SCOPES = st.builds(
    Scope,
    st.sampled_from(["predict", "explain", "feedback"]),
    st.sampled_from(["a", "b", "*"]),
    st.sampled_from(["", "1", "2", "candidate", "stable"]),
)


@given(
    scopes=st.lists(SCOPES, min_size=1, max_size=4),
    operation=st.sampled_from(OPERATIONS),
    model=st.sampled_from(["a", "b", "c"]),
    version=st.integers(1, 3),
    label=st.sampled_from(["", "stable", "candidate", "shadow"]),
)
def test_what_no_scope_allows_is_forbidden(scopes, operation, model, version, label):
    found = Caller.of(replace(made()[1].key, scopes=tuple(scopes)))

    def says(scope: Scope) -> bool:
        if scope.operation != operation or scope.model not in (model, "*"):
            return False
        if not scope.selector:
            return label not in HELD_BACK
        return scope.selector in (str(version), label)

    assert allows(found, operation, model, version, label) is any(map(says, scopes))


def test_who_may_predict_with_a_version_may_know_the_model():
    assert describes(caller("predict:iris@3"), "iris")
    assert describes(caller("predict:*"), "rose")
    assert describes(caller("predict:*@2"), "rose")
    assert not describes(caller("predict:iris"), "rose")
    assert not describes(caller("explain:iris", "admin:models"), "iris")


def test_a_model_of_others_is_answered_as_one_that_does_not_exist():
    told = denied(caller("predict:iris"), "predict", "rose")
    unknown = Registry().absence("rose", LATEST)
    assert isinstance(told, ModelNotFound)
    assert told.line() == unknown.line()


@pytest.mark.parametrize("model", ["iris", "nowhere"])
def test_an_operation_without_a_scope_is_refused_whether_or_not_the_model_exists(model):
    told = denied(caller("predict:iris"), "admin:models", model)
    assert isinstance(told, PermissionDenied)
    assert told.what == f"this key does not allow admin:models:{model}"


def test_a_model_that_the_caller_knows_is_refused_openly():
    assert isinstance(denied(caller("explain:iris"), "predict", "iris"), PermissionDenied)


def test_a_stored_key_is_found_by_its_digest_alone():
    one, other = made(), made()
    swapped = StoredKey(one[1].key, other[1].digest)
    assert book(swapped).authenticate(bearer(other), "", NOW).key == one[1].key.id
    with pytest.raises(KeyUnknown):
        book(swapped).authenticate(bearer(one), "", NOW)
