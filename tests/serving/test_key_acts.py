"""Keys are made, shown, rotated and revoked as asked, in both databases, each act on record."""

from __future__ import annotations

import json
import re

import pytest
from tests.access.parts import DIGESTER
from tests.serving.parts_keys import INJECTIONS, KEY, act, made, room, trail

from fairlead.access.secrets import PATTERN, is_key
from fairlead.core.errors import FairleadError, KeyFieldInvalid, KeyNotFound, KeyRetired


@pytest.fixture
def keys(place, tmp_path):
    opened = room(place, tmp_path)
    yield opened
    opened.close()


def everything(keys) -> str:
    """All that the database holds, as text."""
    rows = [*keys.database.rows("SELECT * FROM key"), *keys.database.rows("SELECT * FROM audit")]
    return repr(rows)


def test_a_new_key_is_shown_once_and_kept_as_a_digest(keys, tmp_path):
    told = made(keys, tenant="acme", limits=["requests=5/second"], networks=["10.0.0.0/8"])
    assert re.fullmatch(PATTERN, told["key"])
    assert is_key(told["key"])
    assert (told["name"], told["tenant"], told["standing"]) == ("web", "acme", "works")
    assert told["scopes"] == ["predict:iris"]
    assert keys.keys.snapshot()[1][0].digest == DIGESTER.digest(told["key"])
    shown = act(keys, "keys.show", of=told["id"])
    assert shown == {k: v for k, v in told.items() if k not in ("key", "new_tenant")}
    secret = told["key"].removeprefix("frl_live_")
    kept = everything(keys) + "".join(
        file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()
    )
    assert secret[:20] not in kept


def test_a_tenant_that_was_not_known_is_made_and_said(keys):
    assert made(keys, tenant="acme")["new_tenant"]
    assert not made(keys, tenant="acme")["new_tenant"]
    assert act(keys, "tenants.show", name="acme")["plan"] is None
    assert [kind for kind, _ in trail(keys)] == ["tenants.create", "keys.create", "keys.create"]


def test_a_key_expires_after_ninety_days_unless_never_is_typed(keys):
    days = [made(keys, **more)["expires"] for more in ({}, {"expires": "never"})]
    assert days[0] is not None
    assert days[1] is None


WRONG = [
    {"name": ""}, {"name": "a\nb"}, {"name": " a"}, {"name": "x" * 101}, {"name": None},
    {"name": 5}, {"name": "\ud800"}, {"name": "key_0123456789abcdef"}, {"scopes": []},
    {"scopes": "predict:iris"}, {"scopes": ["predict"]}, {"scopes": ["root"]},
    {"scopes": ["predict:*"] * 101}, {"expires": "soon"}, {"expires": "2001-01-01"},
    {"networks": ["everywhere"]}, {"networks": ["10.0.0.1/8"]}, {"origins": ["example.org"]},
    {"limits": ["a lot"]}, {"limits": ["requests=1/day", "requests=2/day"]},
    {"disclosure": "all"}, {"novelty": "x"}, {"kind": "root"}, {"priority": "high"},
    {"priority": ""}, {"kind": "liv\u00e9"},
    {"tenant": "a b"}, {"tenant": "../x"},
    {"tenant": "x" * 65}, {"scope": ["predict:iris"]}, {"plan": "free"}, {"digest": "x"},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:40])
def test_what_cannot_be_a_key_is_refused_in_one_line_and_changes_nothing(keys, wrong):
    with pytest.raises(FairleadError) as caught:
        made(keys, **wrong)
    assert caught.value.code.value == "invalid_argument"
    assert len(caught.value.line()) < 300
    assert caught.value.line().isprintable()
    assert (keys.keys.revision(), trail(keys)) == (0, [])


def test_a_rotated_key_goes_on_for_the_grace_and_the_new_one_may_the_same(keys):
    old = made(keys, limits=["rows=9/day"])
    new = act(keys, "keys.rotate", of=old["id"], grace="2h")
    assert new["key"] != old["key"]
    assert (new["scopes"], new["limits"]) == (old["scopes"], old["limits"])
    assert (new["replaces"], new["lineage"]) == (old["id"], old["id"])
    shown = act(keys, "keys.show", of=old["id"])
    assert (shown["successor"], shown["standing"]) == (new["id"], "works")
    assert shown["retires"] == new["old_works_until"]
    assert trail(keys)[-2:] == [("keys.rotate", old["id"]), ("keys.create", new["id"])]


def test_a_leaked_key_is_replaced_without_grace(keys):
    old = made(keys)
    act(keys, "keys.rotate", of=old["id"], grace="0s")
    assert act(keys, "keys.show", of=old["id"])["standing"] == "replaced"
    with pytest.raises(KeyRetired):
        act(keys, "keys.rotate", of=old["id"])


@pytest.mark.parametrize("grace", ["", "tomorrow", "-1h", "1", "200000d", "2027-01-01"])
def test_a_grace_is_a_length_of_time(keys, grace):
    old = made(keys)
    with pytest.raises(KeyFieldInvalid):
        act(keys, "keys.rotate", of=old["id"], grace=grace)
    assert act(keys, "keys.show", of=old["id"])["successor"] is None


def test_a_pattern_ends_all_that_fit_and_each_is_on_record(keys):
    ids = [made(keys, name=name)["id"] for name in ("web-1", "web-2", "batch")]
    would = act(keys, "keys.revoke", pattern="web-*", dry_run=True)
    assert ([k["id"] for k in would["keys"]], would["dry_run"]) == (ids[:2], True)
    assert act(keys, "keys.show", of=ids[0])["standing"] == "works"
    done = act(keys, "keys.revoke", pattern="web-*")
    assert (done["count"], [k["name"] for k in done["keys"]]) == (2, ["web-1", "web-2"])
    standing = [act(keys, "keys.show", of=key)["standing"] for key in ids]
    assert standing == ["revoked", "revoked", "works"]
    assert trail(keys)[-2:] == [("keys.revoke", ids[0]), ("keys.revoke", ids[1])]


def test_what_was_revoked_before_is_no_act(keys):
    told = made(keys)
    act(keys, "keys.revoke", pattern=told["id"])
    before = trail(keys)
    assert act(keys, "keys.revoke", pattern=told["id"])["count"] == 0
    assert trail(keys) == before


def test_an_exact_id_is_no_pattern(keys):
    made(keys)
    for pattern in ("*", "key_*", "web", "key_" + "?" * 16):
        with pytest.raises(KeyNotFound):
            act(keys, "keys.revoke", pattern=pattern, exact=True)
    assert len(trail(keys)) == 2


def test_keys_are_listed_in_pages_without_a_gap(keys):
    ids = [made(keys, tenant=("a", "b")[n % 2])["id"] for n in range(7)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = act(keys, "keys.list", after=after, most=3)
        seen += [key["id"] for key in page["keys"]]
        after = page["next"]
    assert seen == ids
    mine = act(keys, "keys.list", tenant="a")
    assert ([k["id"] for k in mine["keys"]], mine["next"]) == (ids[::2], None)
    assert act(keys, "keys.list", tenant="nobody")["keys"] == []
    with pytest.raises(KeyNotFound):
        act(keys, "keys.list", tenant="b", after=ids[0])


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_is_taken_for_a_statement(keys, text):
    kept = made(keys, name=text)
    other = made(keys, name="other")
    assert act(keys, "keys.show", of=kept["id"])["name"] == text
    for kind, given in (
        ("keys.show", {"of": text}),
        ("keys.rotate", {"of": text}),
        ("keys.revoke", {"pattern": text + "-no"}),
        ("keys.list", {"after": text}),
    ):
        with pytest.raises(KeyNotFound):
            act(keys, kind, **given)
    assert act(keys, "keys.list", tenant=text)["keys"] == []
    assert act(keys, "audit.list", object=text)["records"] == []
    for field in ("tenant", "disclosure", "kind", "expires"):
        with pytest.raises(FairleadError):
            made(keys, **{field: text})
    assert act(keys, "keys.show", of=other["id"])["standing"] == "works"
    assert len(trail(keys)) == 3


def test_a_page_of_the_trail_can_be_checked_and_shown(keys):
    made(keys)
    page = act(keys, "audit.list", most=1)
    assert (len(page["records"]), page["next"]) == (1, 1)
    rest = act(keys, "audit.list", after=1)
    assert (len(rest["records"]), rest["next"]) == (1, None)
    assert json.loads(rest["records"][0][7])["name"] == KEY["name"]
    assert act(keys, "audit.noted")["number"] == 2


def test_a_pattern_longer_than_any_name_fits_nothing_and_is_not_read(keys):
    """To read one of some ten thousand characters takes minutes, in which no key is revoked."""
    made(keys)
    with pytest.raises(KeyNotFound):
        act(keys, "keys.revoke", pattern="[" * 60_000)
    with pytest.raises(KeyNotFound):
        act(keys, "keys.revoke", pattern="*" * 201)
    assert act(keys, "keys.revoke", pattern="*" * 200)["count"] == 1


def test_a_key_has_a_class_of_priority_that_its_successor_has_too(keys):
    plain, low = made(keys), made(keys, priority="batch")
    assert (plain["priority"], low["priority"]) == ("interactive", "batch")
    new = act(keys, "keys.rotate", of=low["id"])
    assert act(keys, "keys.show", of=new["id"])["priority"] == "batch"
    assert '"priority":"batch"' in everything(keys).replace(": ", ":"), "the audit trail has it"
