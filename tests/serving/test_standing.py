"""The guards' state over all workers: it adds up, outlives the server, and stays bounded."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import fairlead
from fairlead.guards.drift import Drift
from fairlead.guards.files import DRIFT
from fairlead.guards.misuse import Block
from fairlead.packages.manifest import NAME
from fairlead.packages.read import open_package, read_verified
from fairlead.serving import standing
from fairlead.serving.guard_state import FILE
from fairlead.serving.standing import Standing


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A package, and rows like those it was learnt from."""
    repository = tmp_path_factory.mktemp("models")
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    x = x.iloc[:, :4]
    model = LogisticRegression(max_iter=5000).fit(x[::2], y[::2])
    package = fairlead.pack(model, name="m", repository=repository, reference=x[::2])
    return package.folder, x[1::2]


def seen(folder, rows, p_values=()):
    """What a worker sends of these rows."""
    package = open_package(folder)
    drift = Drift.from_bytes(read_verified(package, DRIFT))
    table = {name: rows[name].to_numpy() for name in rows}
    chunks = []
    for start in range(0, len(rows), 256):
        part = {name: values[start : start + 256] for name, values in table.items()}
        counts = [c.tolist() for c in drift.count(part)]
        chunks.append({"rows": len(rows[start : start + 256]), "counts": counts})
    return {
        "kind": "seen", "model": "m", "version": 1, "folder": str(folder), "calibrated": 100,
        "chunks": chunks, "p_values": list(p_values),
    }  # fmt: skip


def looked(caller="thief", count=60, p=0.001, places=()):
    block = Block(seen=count, novel=count)
    powers = np.linspace(0.1, 0.9, 9)
    block.logs["novel"] = (count * np.log(powers) + (powers - 1) * count * np.log(p)).tolist()
    told = block.to_json() | {"places": [list(place) for place in places]}
    return {"kind": "looked", "model": "m", "version": 1, "caller": caller, "block": told}


@pytest.fixture
def opened(tmp_path):
    """Opens the state again and again, as servers that follow one another do."""
    made = []

    def again() -> Standing:
        for one in made:
            one.close()
        made[:] = [Standing(tmp_path / FILE)]
        return made[0]

    yield again
    for one in made:
        one.close()


def told(state) -> dict:
    return state.told()["m/1"]


def test_rows_of_all_workers_fill_one_window(world, opened, capsys):
    folder, rows = world
    state = opened()
    moved = rows.sample(400, replace=True, random_state=0) * 1.5
    for start in range(0, 400, 100):
        state.seen(seen(folder, moved[start : start + 100]))
    assert told(state)["drift"]["rows"] == 400
    assert told(state)["drift"]["raised"] == len(told(state)["drift"]["alarms"]) > 0
    assert "drift_found" in capsys.readouterr().err


def test_the_log_says_nothing_of_a_private_columns_values(world, opened, tmp_path, capsys):
    from fairlead.packing.amend import amend

    folder, rows = world
    contract = tmp_path / "contract.toml"
    text = (folder / "contract.toml").read_text()
    contract.write_text(re.sub(r"(?m)^kind = ", "private = true\\nkind = ", text))
    secret = amend(folder.parent.parent, "m@1", None, contract).folder
    state = opened()
    state.seen(seen(secret, rows.sample(300, replace=True, random_state=0) * 1.5))
    said = capsys.readouterr().err
    assert "has moved" in said
    assert "% of the last" not in said


def test_usual_rows_raise_no_alarm(world, opened):
    folder, rows = world
    state = opened()
    state.seen(seen(folder, rows, p_values=np.random.default_rng(0).random(284)))
    assert told(state)["drift"]["alarms"] == []
    assert told(state)["strangeness"] == {"rows": 284, "alarm": False}


def test_strange_rows_lose_the_bet(world, opened, capsys):
    folder, rows = world
    state = opened()
    state.seen(seen(folder, rows[:0], p_values=[0.005] * 60))
    assert told(state)["strangeness"]["alarm"]
    state.seen(seen(folder, rows[:0], p_values=[0.005] * 60))
    assert capsys.readouterr().err.count("drift_found") == 1


def test_everything_outlives_the_server(world, opened):
    folder, rows = world
    state = opened()
    state.seen(seen(folder, rows[:200], p_values=[0.005] * 30))
    state.looked(looked(places=[(1, 2, 3, 4)]))
    state.live({("m", 1): {"accuracy": 0.9}})
    before = told(state)
    assert before["suspects"]["thief"]["kind"] == "novel"
    again = opened()
    assert again.suspects()[0]["caller"] == "thief"
    again.seen(seen(folder, rows[:100], p_values=[0.005]))
    after = told(again)
    assert after["drift"]["rows"] == 300
    assert after["strangeness"]["rows"] == 31
    assert after["since"] == before["since"]
    assert after["suspects"] == before["suspects"]
    assert again.looked(looked()).tolist() == [[1, 2, 3, 4]]


def test_a_package_that_was_made_anew_begins_anew(world, opened, tmp_path, capsys):
    folder, rows = world
    state = opened()
    state.seen(seen(folder, rows[:100]))
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    other = fairlead.pack(
        LogisticRegression(max_iter=5000).fit(x.iloc[:, :4], y),
        name="m", repository=tmp_path / "other", reference=x.iloc[:, :4] + 1,
    )  # fmt: skip
    again = opened()
    again.seen(seen(other.folder, rows[:50]))
    assert told(again)["drift"]["rows"] == 50
    assert "guard_state_dropped" in capsys.readouterr().err


def test_counting_begins_anew_when_somebody_has_looked(world, opened):
    folder, rows = world
    state = opened()
    assert state.restart("m", None) == 0
    state.seen(seen(folder, rows[:200], p_values=[0.005] * 60))
    state.save()
    assert told(state)["strangeness"]["alarm"]
    assert state.restart("m", 2) == state.restart("other", None) == 0
    assert state.restart("m", 1) == 1
    assert state.told() == {}
    state.seen(seen(folder, rows[:10], p_values=[0.5]))
    assert told(state)["drift"]["rows"] == 10
    assert not told(state)["strangeness"]["alarm"]
    again = opened()
    assert again.answer({"kind": "restart", "model": "m", "version": None})["restarted"] == 1
    with pytest.raises(ValueError, match="not known"):
        again.answer({"kind": "other"})


def test_a_suspicion_is_raised_once_and_ends_when_it_is_forgiven(opened, capsys):
    state = opened()
    for _ in range(3):
        state.looked(looked())
    assert capsys.readouterr().err.count("misuse_suspected") == 1
    assert state.suspects()[0]["words"] == "180 of 180 rows are stranger than 95 % of good rows"
    assert state.forgive("nobody") == 0
    assert state.forgive("thief", "other") == 0
    revision = state.revision
    assert state.forgive("thief", "m") == 1
    assert state.revision > revision
    assert state.suspects() == opened().suspects() == []


def test_evidence_of_two_workers_adds_up(opened):
    state = opened()
    for _ in range(2):
        state.looked(looked(count=4, p=0.05))
    one = state.suspects()
    for _ in range(6):
        state.looked(looked(count=4, p=0.05))
    assert one == []
    assert state.suspects()[0]["words"].startswith("32 of 32 rows")


def test_callers_are_bounded_and_suspects_are_kept_longest(opened, monkeypatch):
    monkeypatch.setattr(standing, "MOST_ACCOUNTS", 10)
    state = opened()
    state.looked(looked("thief"))
    for number in range(40):
        state.looked(looked(f"client {number}", count=1, p=0.9))
    while state.save():
        pass
    assert [s["caller"] for s in state.suspects()] == ["thief"]
    assert len(state._callers) == 10
    assert [s["caller"] for s in opened().suspects()] == ["thief"]
    assert len(state._callers) == 10


def test_even_suspects_are_bounded(opened, monkeypatch):
    monkeypatch.setattr(standing, "MOST_ACCOUNTS", 10)
    monkeypatch.setattr(standing, "_MOST_SUSPECTS", 5)
    state = opened()
    for number in range(30):
        state.looked(looked(f"thief {number}"))
    assert len(state._callers) == 10
    assert state.suspects()[0]["caller"].startswith("thief")


@pytest.mark.parametrize(
    "message",
    [
        {}, {"model": "m"}, {"model": "m", "version": "x", "folder": "f"},
        {"model": "m", "version": 1, "folder": "f", "caller": "c", "block": {}},
        {"model": "m", "version": 1, "folder": "f", "caller": "c", "block": 7},
    ],
)  # fmt: skip
def test_what_is_no_message_changes_nothing(opened, message):
    state = opened()
    for take in (state.seen, state.looked):
        try:
            take(message)
        except (KeyError, TypeError, ValueError):
            continue
    assert state.told() == {}


def test_a_package_that_is_gone_is_said_and_nothing_else_happens(opened, tmp_path, world, capsys):
    state = opened()
    message = seen(world[0], world[1][:1]) | {"folder": str(tmp_path / "nowhere")}
    state.seen(message)
    assert "bookkeeping_failed" in capsys.readouterr().err
    assert state.told() == {}


def test_the_state_can_be_read_beside_the_server(world, opened, tmp_path):
    state = opened()
    state.seen(seen(world[0], world[1], p_values=[0.5]))
    state.save()
    with closing(sqlite3.connect(f"file:{tmp_path / FILE}?mode=ro", uri=True)) as database:
        kinds = database.execute("SELECT kind FROM guard_state ORDER BY kind").fetchall()
    assert kinds == [("about",), ("bet",), ("drift",)]


@pytest.mark.parametrize("damage", [b"no database at all" * 500, None])
def test_a_damaged_database_is_set_aside_and_what_follows_is_kept(tmp_path, capsys, damage):
    file = tmp_path / FILE
    whole = Standing(file)
    whole.looked(looked())
    whole.close()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = file.read_bytes()
    for part in ("-wal", "-shm"):
        file.with_name(FILE + part).unlink(missing_ok=True)
    file.write_bytes(damage or raw[:4096] + b"x" * (len(raw) - 4096))
    broken = Standing(file)
    assert broken.suspects() == []
    broken.looked(looked("another"))
    broken.close()
    assert "guard_state_dropped" in capsys.readouterr().err
    assert file.with_name(f"{FILE}.damaged").exists()
    again = Standing(file)
    assert [s["caller"] for s in again.suspects()] == ["another"]
    again.close()


def test_of_many_callers_the_one_that_waits_longest_is_written_first(tmp_path, opened):
    state = opened()
    state.looked(looked("z"))
    for _ in range(3):
        for number in range(standing._SAVED_AT_ONCE):
            state.looked(looked(f"a{number}"))
        state.save()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("SELECT 1 FROM account WHERE caller = 'z'").fetchone()


def test_a_bet_outlives_the_server_also_where_no_column_is_watched(world, opened, tmp_path):
    folder, rows = world
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    told_of = json.loads((bare / NAME).read_text())
    del told_of["files"][DRIFT]
    (bare / DRIFT).unlink()
    (bare / NAME).write_text(json.dumps(told_of))
    opened().seen(seen(folder, rows[:0], p_values=[0.2] * 3) | {"folder": str(bare)})
    again = opened()
    again.seen(seen(folder, rows[:0], p_values=[0.2] * 4) | {"folder": str(bare)})
    assert told(again)["strangeness"]["rows"] == 7


def test_a_package_that_cannot_be_read_is_said_once(world, opened, tmp_path, capsys):
    folder, rows = world
    state = opened()
    for _ in range(3):
        state.seen(seen(folder, rows[:10]) | {"folder": str(tmp_path / "gone")})
    assert capsys.readouterr().err.count("bookkeeping_failed") == 1
