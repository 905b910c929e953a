"""A change and its record are one; the note of the newest record is never moved over a wound."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from tests.serving.parts_keys import KEY, SOMEBODY, act, made, room

from fairlead.access.audit import check_trail
from fairlead.serving.acting import acting
from fairlead.serving.acts import ACTS, READING, do
from fairlead.usage.stores.audit import NOTED


@pytest.fixture
def keys(place, tmp_path):
    opened = room(place, tmp_path)
    yield opened
    opened.close()


def test_a_change_that_fails_leaves_neither_itself_nor_a_record(keys):
    doing = acting(keys, SOMEBODY)
    with suppress(ZeroDivisionError), doing.changing() as acts:
        keys.plans.ensure("acme", 1)
        acts.append(doing.act("tenants.create", "acme"))
        1 / 0  # noqa: B018
    assert keys.plans.tenants() == []
    assert list(keys.audit.every()) == []


def test_a_trail_that_was_cut_off_stays_found_out_whatever_comes_after(keys, capsys):
    for name in ("a", "b", "c"):
        made(keys, name=name)
    noted = keys.noted.read()
    with keys.database.writing():
        keys.database.rows("DELETE FROM audit WHERE number > 2")
        head = keys.audit.at(2)
        keys.database.rows("UPDATE audit_head SET number = 2, hash = ?", (head.hash,))
    for name in ("d", "e", "f"):
        made(keys, name=name)
    assert keys.noted.read() == noted
    checked = check_trail(keys.audit.every(), [keys.noted.read()])
    assert (checked.number, "another" in checked.fault) == (noted.number, True)
    assert '"event": "audit_broken"' in capsys.readouterr().err


def test_a_note_that_cannot_be_read_is_told_and_hinders_nobody(keys, tmp_path, capsys):
    made(keys)
    (tmp_path / NOTED).write_text("nonsense")
    assert made(keys, name="other")["standing"] == "works"
    assert (tmp_path / NOTED).read_text() == "nonsense"
    assert '"event": "audit_broken"' in capsys.readouterr().err


def test_every_act_that_only_reads_leaves_no_trace(keys):
    told = made(keys)
    act(keys, "tenants.create", name="acme")
    act(keys, "plans.put", tables={"plan": {"name": "gold"}})
    before = list(keys.audit.every()), keys.keys.revision()
    given = {"keys.show": {"of": told["id"]}, "tenants.show": {"name": "acme"},
             "plans.show": {"plan": "gold"}}  # fmt: skip
    for kind in READING:
        do(keys, kind, given.get(kind, {}), SOMEBODY)
    assert (list(keys.audit.every()), keys.keys.revision()) == before


def test_every_answer_can_be_sent(keys):
    told = made(keys)
    answers = [told, act(keys, "keys.list"), act(keys, "audit.list"), act(keys, "tenants.list")]
    assert json.loads(json.dumps(answers)) == answers
    rooms = {kind.partition(".")[0] for kind in ACTS}
    assert rooms == {"keys", "tenants", "plans", "models", "audit", "state"}
    assert KEY["name"] in json.dumps(answers)
