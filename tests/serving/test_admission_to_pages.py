"""Who has come to a page: by a session, as a guest, as anybody; never by another site's form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.access.issuing import NOW_S, RULES, claims, identities, signed
from tests.access.parts import DIGESTER, NOW, bearer, made
from tests.serving.test_admission import head, tell

from fairlead.access.sessions import COOKIE, LIFETIME_S, Sessions
from fairlead.core.call import Head, Peer
from fairlead.core.errors import (
    KeyRevoked,
    KeyUnknown,
    NetworkRefused,
    OriginRefused,
    PermissionDenied,
    Unauthenticated,
)
from fairlead.core.plans import parse_plan, plan_to_json
from fairlead.serving import admission as rooms
from fairlead.serving.admission import Admission, Policy
from fairlead.serving.book_messages import Book

CALLER = Peer("203.0.113.7")
SESSIONS = Sessions(lambda: b"p" * 32)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The wall in our hands: seconds after NOW."""
    moments = [0]
    monkeypatch.setattr(rooms, "wall_ns", lambda: NOW + moments[0] * 10**9)
    return moments


def admission(*minted, known=None, book: Book | None = None, **policy) -> Admission:
    found = Admission(
        Policy(**policy),
        lambda model, version: 3,
        lambda: DIGESTER,
        identities=known,
        sessions=SESSIONS,
    )
    tell(found, book or Book(1, True, [stored for _, stored in minted]))
    return found


def page(cookie: str = "", *, method: str = "GET", on_page: bool = True, **headers: str) -> Head:
    """A request for a page of a model, with a session."""
    asked = head("predict?", "iris", **headers)
    asked.method = method
    asked.route = replace(asked.route, page=on_page)
    if cookie:
        asked.headers["cookie"] = f"{COOKIE}={cookie}"
    return asked


def session_of(minted) -> str:
    return SESSIONS.of_key(minted[1].key.id, NOW)


def test_whoever_has_signed_in_is_the_caller_of_their_key():
    key = made()
    caller = admission(key).enter(page(session_of(key)), CALLER)
    assert caller.key == key[1].key.id


def test_a_session_counts_on_pages_alone():
    key = made()
    with pytest.raises(Unauthenticated):
        admission(key).enter(page(session_of(key), on_page=False), CALLER)


def test_a_key_that_is_shown_counts_before_a_session():
    shown, signed_in = made(), made()
    caller = admission(shown, signed_in).enter(
        page(session_of(signed_in), authorization=bearer(shown)), CALLER
    )
    assert caller.key == shown[1].key.id


def test_a_session_ends_with_its_key_and_with_its_time(clock):
    key = made()
    found = admission(key)
    cookie = session_of(key)
    assert found.enter(page(cookie), CALLER).key
    revoked = replace(key[1], key=replace(key[1].key, revoked_ns=NOW))
    tell(found, Book(2, True, [revoked]))
    with pytest.raises(KeyRevoked):
        found.enter(page(cookie), CALLER)
    tell(found, Book(3, True, [made()[1]]))
    with pytest.raises(KeyUnknown):
        found.enter(page(cookie), CALLER)
    clock[0] = LIFETIME_S
    with pytest.raises(Unauthenticated):
        admission(key).enter(page(cookie), CALLER)


def test_a_session_is_good_only_where_its_key_is():
    key = made(networks=("10.0.0.0/8",))
    with pytest.raises(NetworkRefused):
        admission(key).enter(page(session_of(key)), CALLER)
    assert admission(key).enter(page(session_of(key)), Peer("10.1.2.3")).key


def test_a_session_is_under_the_terms_of_its_tenant():
    key = made(tenant="acme")
    narrow = parse_plan('[plan]\nname = "narrow"\nrevision = 1\nscopes = ["predict:other"]')
    book = Book(
        1, True, [key[1]], {"acme": {"plan": "narrow@1", "zone": "UTC"}},
        {"narrow@1": plan_to_json(narrow)},
    )  # fmt: skip
    found = admission(book=book)
    caller = found.caller(page(session_of(key)), CALLER)
    assert ("predict", "iris") not in caller.open
    plan = found.plan_of(caller)
    assert plan is not None
    assert plan.name == "narrow"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_form_of_another_site_is_refused_whoever_has_signed_in(method):
    key = made()
    with pytest.raises(OriginRefused):
        admission(key).enter(
            page(session_of(key), method=method, sec_fetch_site="cross-site"), CALLER
        )
    sent = page(session_of(key), method=method, sec_fetch_site="same-origin")
    assert admission(key).enter(sent, CALLER).key


def test_a_token_in_a_session_is_verified_like_any_other():
    found = admission(made(), known=identities(RULES))
    token = signed(claims(exp=NOW_S + 60))
    assert found.enter(page(SESSIONS.of_token(token)), CALLER).key == "shop:alice"
    with pytest.raises(Unauthenticated):
        found.enter(page(SESSIONS.of_token(signed(claims(exp=NOW_S - 60)))), CALLER)
    with pytest.raises(Unauthenticated):
        found.enter(page(SESSIONS.of_token(signed(claims(aud="other")))), CALLER)


def test_guests_are_let_in_by_a_key_with_limits_and_by_no_other():
    capped = made(limits=["requests=5/minute"])
    endless = made()
    policy = {"guest": capped[1].key.id}
    assert admission(capped, **policy).enter(page(), CALLER).key == capped[1].key.id
    with pytest.raises(PermissionDenied):
        admission(endless, guest=endless[1].key.id).enter(page(), CALLER)
    with pytest.raises(KeyUnknown):
        admission(endless, guest=capped[1].key.id).enter(page(), CALLER)
    with pytest.raises(Unauthenticated):
        admission(capped, **policy).enter(page(on_page=False), CALLER)


def test_a_session_that_is_none_is_a_guest_at_most():
    capped = made(limits=["requests=5/minute"])
    found = admission(capped, guest=capped[1].key.id)
    assert found.enter(page("k.forged"), CALLER).key == capped[1].key.id


def test_without_any_key_whoever_is_at_this_machine_may_look():
    found = admission(open=True)
    assert found.enter(page(), Peer("127.0.0.1")).account == "127.0.0.1"
    with pytest.raises(Unauthenticated):
        found.enter(page(), CALLER)
