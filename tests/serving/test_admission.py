"""Who calls, and whether they may: one decision for every route, closed until the book is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.access.parts import DIGESTER, NOW, bearer, made

from fairlead.core.access import NOBODY, OPERATIONS
from fairlead.core.call import PUBLIC, Head, Peer, Reply, Route
from fairlead.core.errors import (
    CardIncomplete,
    KeyMalformed,
    KeyRevoked,
    KeyUnknown,
    ModelNotFound,
    PermissionDenied,
    StateUnavailable,
    Unauthenticated,
)
from fairlead.core.plans import parse_plan, plan_to_json
from fairlead.serving import admission as rooms
from fairlead.serving import book_messages
from fairlead.serving.admission import Admission, Policy
from fairlead.serving.book_messages import Book, pieces

HERE = Peer("127.0.0.1")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Both clocks in our hands: seconds since the worker began."""
    moments = [0.0]
    monkeypatch.setattr(book_messages, "now", lambda: moments[0])
    monkeypatch.setattr(rooms, "wall_ns", lambda: NOW + int(moments[0] * 1e9))
    return moments


def head(operation: str = "predict", model: str = "iris", *, version: int = -1, **headers: str):
    """A request for a route that predicts, or for one that tells, where `operation` ends in ?."""
    tells = operation.endswith("?")
    route = Route(
        operation.rstrip("?"),
        lambda error: Reply(500, b""),
        answer=(lambda h, b, c: Reply(200, b"")) if tells else None,
        decode=None if tells else (lambda c, h, b: None),
        model=model,
        version=version,
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head("POST", "/", "", named, 0, True, route, 30.0)


def admission(*minted, newest=lambda model, version: 3, **policy) -> Admission:
    """Admission that has heard of these keys."""
    found = Admission(Policy(**policy), newest, lambda: DIGESTER)
    tell(found, Book(1, True, [stored for _, stored in minted]))
    return found


def tell(found: Admission, book: Book) -> None:
    for piece in pieces(book):
        found.hear(piece)


def test_before_the_book_has_come_nobody_is_let_in_on_any_terms():
    for policy in (Policy(), Policy(open=True), Policy(platform=True)):
        found = Admission(policy, lambda m, v: 1, lambda: DIGESTER)
        with pytest.raises(StateUnavailable):
            found.enter(head(authorization=bearer(made())), HERE)


def test_health_is_told_to_anybody_at_any_time():
    found = Admission(Policy(), lambda m, v: 1, lambda: DIGESTER)
    assert found.enter(head(PUBLIC + "?", ""), HERE) is NOBODY


def test_without_any_key_loopback_is_open_and_other_addresses_are_not():
    assert admission(open=True).enter(head("metrics:read?", ""), HERE).account == "127.0.0.1"
    with pytest.raises(Unauthenticated):
        admission().enter(head(), HERE)


@pytest.mark.parametrize("ended", [False, True])
def test_the_first_key_closes_what_was_open_for_good(ended):
    found = admission(open=True)
    key = made()
    tell(found, Book(2, False, [key[1]], revoked={key[1].key.id: NOW} if ended else {}))
    with pytest.raises(Unauthenticated):
        found.enter(head(), HERE)
    if ended:
        with pytest.raises(KeyRevoked):
            found.enter(head(authorization=bearer(key)), HERE)
    else:
        assert found.enter(head(authorization=bearer(key)), HERE).key == key[1].key.id


def test_a_book_that_has_lost_its_keys_opens_nothing():
    found = admission(made(), open=True)
    tell(found, Book(0, True))
    with pytest.raises(Unauthenticated):
        found.enter(head(), HERE)


def test_a_key_comes_in_either_header_and_never_in_both():
    key = made()
    found = admission(key)
    assert found.enter(head(x_api_key=key[0].reveal()), HERE).tenant == "acme"
    assert found.enter(head(authorization=bearer(key)), HERE).tenant == "acme"
    with pytest.raises(KeyMalformed):
        found.enter(head(x_api_key=key[0].reveal(), authorization=bearer(key)), HERE)
    with pytest.raises(KeyUnknown):
        found.enter(head(authorization=bearer(made())), HERE)


def test_a_revocation_counts_from_the_next_request_on_however_busy_the_key_is():
    key = made()
    found = admission(key)
    for _ in range(100):
        found.enter(head(authorization=bearer(key)), HERE)
    tell(found, Book(2, False, revoked={key[1].key.id: NOW}))
    with pytest.raises(KeyRevoked):
        found.enter(head(authorization=bearer(key)), HERE)


@pytest.mark.parametrize(
    ("scope", "operation", "model", "version", "allowed"),
    [
        ("predict:iris", "predict", "iris", -1, True),
        ("predict:iris@3", "predict", "iris", -1, True),
        ("predict:iris@2", "predict", "iris", -1, False),
        ("predict:iris@2", "predict", "iris", 2, True),
        ("predict:iris@2", "predict?", "iris", -1, True),
        ("predict:iris", "feedback", "iris", -1, False),
        ("predict:*", "predict", "iris", -1, True),
        ("feedback:iris", "predict?", "iris", -1, False),
        ("predict:iris", "predict?", "", -1, True),
        ("usage:read", "predict?", "", -1, True),
        ("predict:iris", "metrics:read?", "", -1, False),
        ("metrics:read", "metrics:read?", "", -1, True),
        ("predict:*", "admin:models", "iris", -1, False),
        ("admin:models", "admin:models", "iris", -1, True),
    ],
)
def test_the_route_says_what_is_done_and_the_scopes_say_whether_it_may(
    scope, operation, model, version, allowed
):
    key = made(scope)
    found = admission(key, newest=lambda name, number: 3 if number == -1 else number)
    asked = head(operation, model, version=version, authorization=bearer(key))
    if allowed:
        assert found.enter(asked, HERE).key == key[1].key.id
    else:
        with pytest.raises((PermissionDenied, ModelNotFound)):
            found.enter(asked, HERE)


def test_a_model_that_the_caller_may_not_know_of_is_answered_as_one_that_does_not_exist():
    key = made("predict:iris")
    found = admission(key)
    with pytest.raises(ModelNotFound) as error:
        found.enter(head(model="secret", authorization=bearer(key)), HERE)
    assert error.value.what == "no model 'secret' is served here"


def test_an_operation_of_no_scope_is_nobodys():
    key = made(*[o if ":" in o and not o.startswith("predict") else f"{o}:*" for o in OPERATIONS])
    with pytest.raises(PermissionDenied):
        admission(key).enter(head("delete?", "", authorization=bearer(key)), HERE)
    with pytest.raises(PermissionDenied):
        admission(open=True).enter(head("delete?", ""), HERE)


def test_whom_the_platform_lets_in_may_predict_and_see_no_figures():
    found = admission(platform=True)
    assert found.enter(head(), HERE).key == ""
    for operation in ("metrics:read?", "usage:read?", "admin:models"):
        with pytest.raises(PermissionDenied):
            found.enter(head(operation, ""), HERE)


def test_a_book_is_believed_for_as_long_as_the_owner_says(clock):
    key = made()
    found = admission(key, stale_max_s=60.0)
    asked = head(authorization=bearer(key))
    clock[0] = 59.0
    found.enter(asked, HERE)
    clock[0] = 61.0
    with pytest.raises(StateUnavailable):
        found.enter(asked, HERE)
    tell(found, Book(1, False, age_s=10.0))  # the bookkeeper is back: nothing has changed
    found.enter(asked, HERE)
    clock[0] = 112.0
    with pytest.raises(StateUnavailable):
        found.enter(asked, HERE)


def test_half_a_book_is_no_book_and_a_broken_one_changes_nothing(capsys):
    first, second = made(), made()
    found = admission(first)
    (piece,) = pieces(Book(2, True, [second[1]]))
    found.hear(piece | {"more": True})
    found.broke()
    found.hear(piece | {"keys": [{"id": "key_1"}]})
    assert found.enter(head(authorization=bearer(first)), HERE)
    assert "book_refused" in capsys.readouterr().err
    with pytest.raises(KeyUnknown):
        found.enter(head(authorization=bearer(second)), HERE)


def test_a_revocation_that_could_not_be_taken_over_is_tried_with_every_message(clock, capsys):
    """Nobody says it twice, so a worker without a free file would serve the key for ever."""
    secret, stored = made("predict:iris")
    short: list[OSError] = []

    def digester():
        if short:
            raise short[0]
        return DIGESTER

    found = Admission(Policy(stale_max_s=60.0), lambda model, version: 3, digester)
    tell(found, Book(1, True, [stored]))
    short.append(OSError(24, "too many open files"))
    asked = head(authorization=f"Bearer {secret.reveal()}")
    tell(found, Book(2, False, [replace(stored, key=replace(stored.key, revoked_ns=NOW))]))
    for clock[0] in (1.0, 30.0, 59.0):
        tell(found, Book(2, False))
        found.enter(asked, HERE)
    # What is used was read a minute ago, however often it was said since that nothing changed.
    clock[0] = 61.0
    tell(found, Book(2, False))
    with pytest.raises(StateUnavailable):
        found.enter(asked, HERE)
    short.clear()
    tell(found, Book(2, False))
    with pytest.raises(KeyRevoked):
        found.enter(asked, HERE)
    assert "book_refused" in capsys.readouterr().err


def test_the_plan_of_a_tenant_bounds_its_keys_and_gives_the_price():
    key = made("predict:*", tenant="acme")
    found = admission(key)
    plan = parse_plan('[plan]\nname = "gold"\nrevision = 3\nscopes = ["predict:iris"]\n')
    terms = {"acme": {"plan": "gold@3", "zone": "UTC"}}
    tell(found, Book(2, False, [], terms, {plan.title: plan_to_json(plan)}))
    caller = found.enter(head(authorization=bearer(key)), HERE)
    assert caller.who.decode() == f'["{key[1].key.id}","acme","gold","gold@3"]'
    with pytest.raises(ModelNotFound):
        found.enter(head(model="other", authorization=bearer(key)), HERE)


def test_keys_of_a_tenant_whose_plan_is_not_there_may_do_nothing_and_others_go_on():
    lost, other = made(tenant="acme"), made(tenant="b")
    found = admission(other)
    tell(found, Book(2, False, [lost[1]], {"acme": {"plan": "gold@3", "zone": "UTC"}}))
    with pytest.raises(PermissionDenied):
        found.enter(head(authorization=bearer(lost)), HERE)
    assert found.enter(head(authorization=bearer(other)), HERE).tenant == "b"


@pytest.mark.parametrize("scopes", [("predict:iris",), ("predict:*",)])
def test_a_version_whose_card_lacks_words_serves_only_who_administers_models(scopes):
    caller, owner = made(*scopes), made(*scopes, "admin:models")
    gated = {("iris", -1): ("purpose", "owners")}
    found = Admission(Policy(), lambda m, v: 3, lambda: DIGESTER, gated=gated)
    tell(found, Book(1, True, [caller[1], owner[1]]))
    with pytest.raises(CardIncomplete) as refused:
        found.enter(head(authorization=bearer(caller)), HERE)
    assert refused.value.fix == "Its owner must say: purpose, owners"
    found.enter(head(authorization=bearer(owner)), HERE)
    # What is told of it, and other models and versions, are as before.
    found.enter(head("predict?", authorization=bearer(caller)), HERE)
    found.enter(head(version=2, authorization=bearer(caller)), HERE)
    gated.clear()
    found.enter(head(authorization=bearer(caller)), HERE)


def test_who_may_not_know_of_a_model_is_not_told_what_its_card_lacks():
    other = made("predict:other")
    gated = {("iris", -1): ("purpose",)}
    found = Admission(Policy(), lambda m, v: 3, lambda: DIGESTER, gated=gated)
    tell(found, Book(1, True, [other[1]]))
    with pytest.raises(ModelNotFound):
        found.enter(head(authorization=bearer(other)), HERE)
