"""`fairlead state`: a backup is taken beside a running server, and brings its state back."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from threading import Event, Thread

import pytest
from tests import models
from tests.cli.test_keys import Commands
from tests.processes import server, until

ROWS = {"rows": [{"a": 1, "b": 2, "c": 3}] * 2}


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Commands(tmp_path / "state", capsys)


def test_a_backup_is_made_and_restored_and_both_are_on_record(run, tmp_path):
    key = run.json("keys", "create", "--name", "a", "--scope", "predict:*")
    run("tenants", "create", "acme")
    file = tmp_path / "b.tar"
    told = run.json("state", "backup", str(file))
    assert (told["files"], told["file"]) == (3, str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    acts = [r["act"] for r in run.json("audit")["records"]]
    assert acts[-1] == "state.backup"
    run("keys", "revoke", key["id"])
    assert "not empty" in run("state", "restore", str(file), status=2)[1]
    back = run.json("state", "restore", str(file), "--force")
    assert back["files"] == 3
    assert run.json("keys", "show", key["id"])["standing"] == "works"
    acts = [r["act"] for r in run.json("audit")["records"]]
    assert acts[-1] == "state.restore"
    assert run("audit", "verify")[0]
    names = [row["name"] for row in run.json("state", "show")["parts"]]
    assert names == ["audit.head", "keys.sqlite", "pepper"]


def test_what_is_no_backup_is_said_in_one_line(run, tmp_path):
    (tmp_path / "b.tar").write_bytes(b"no backup")
    for words in (
        ["backup"], ["restore"], ["show", "b.tar"], ["backup", "b.tar", "--force"],
        ["restore", "b.tar"], ["restore", "none.tar"], ["backup", "c.tar"], ["show"],
    ):  # fmt: skip
        said = run("state", *words, status=2)[1]
        assert said.startswith("fairlead: FRL-")
        assert len(said.splitlines()) == 1
    assert not run.state.exists()


def test_a_folder_that_a_server_holds_is_not_restored_into(run, tmp_path):
    models.total(tmp_path / "models")
    with server(tmp_path / "models", state=run.state) as running:
        run("state", "backup", str(tmp_path / "b.tar"))
        assert "another server" in run("state", "restore", str(tmp_path / "b.tar"), status=2)[1]
        assert running.works()


def test_a_backup_says_that_a_database_elsewhere_is_not_in_it(run, tmp_path, postgres, monkeypatch):
    monkeypatch.setenv("PLACE", postgres.fresh())
    monkeypatch.setenv("FAIRLEAD_STATE__DATABASE", "env:PLACE")
    run("keys", "create", "--name", "a", "--scope", "predict:*")
    said = run("state", "backup", "b.tar")[1]
    assert "pg_dump" in said
    assert "tests-only" not in said
    run.state = tmp_path / "again"
    assert "PostgreSQL" in run("state", "restore", "b.tar")[1]
    assert run.json("state", "show")["database"] == "elsewhere"
    acts = [r["act"] for r in run.json("audit")["records"]]
    assert acts[-2:] == ["state.backup", "state.restore"]


class Load:
    """Callers that never pause; what each was answered."""

    def __init__(self, running, keys: list[str]) -> None:
        self.answered = Counter[int]()
        self._over = Event()
        self._threads = [Thread(target=self._ask, args=(running, key)) for key in keys]
        for thread in self._threads:
            thread.start()

    def _ask(self, running, key: str) -> None:
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        with closing(running.connect()) as connection:
            while not self._over.is_set():
                connection.request("POST", "/predict/total", json.dumps(ROWS), headers)
                answer = connection.getresponse()
                answer.read()
                self.answered[answer.status] += 1

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_a_backup_under_load_holds_all_that_was_answered_before_it(run, tmp_path):
    """And the server notices nothing; what it answered later is in a later backup."""
    models.total(tmp_path / "models")
    good = [run.json("keys", "create", "--name", f"n{n}", "--scope", "predict:*") for n in range(3)]
    bad = run.json("keys", "create", "--name", "leaked", "--scope", "predict:*")
    with server(tmp_path / "models", state=run.state, workers=2) as running:
        load = Load(running, [key["key"] for key in good])
        until(lambda: load.answered[200] > 300, 60)
        run("keys", "revoke", bad["id"])
        before = []
        for number in range(3):
            so_far = load.answered[200]
            before.append(so_far)
            run("state", "backup", str(tmp_path / f"{number}.tar"))
            until(lambda so_far=so_far: load.answered[200] > so_far + 100, 60)
        load.end()
        assert set(load.answered) == {200}
        assert running.stop() == 0
        assert not running.events("bookkeeping_failed")
    first = run.state
    for number in range(3):
        run.state = tmp_path / f"again{number}"
        run("state", "restore", str(tmp_path / f"{number}.tar"))
        assert run("usage", "verify")[0]
        counted = run.json("usage")["usage"][0]["requests"]
        assert before[number] <= counted <= load.answered[200]
        assert run("audit", "verify")[0]
    with server(tmp_path / "models", state=run.state) as running:
        assert [running.asked("/predict/total", key["key"], ROWS)[0] for key in good] == [200] * 3
        assert running.asked("/predict/total", bad["key"], ROWS)[0] == 401
        assert running.stop() == 0
    assert run.json("usage")["usage"][0]["requests"] == counted + 3
    run.state = first
    assert run.json("usage")["usage"][0]["requests"] == load.answered[200]
