"""A setting says where the address of the database is read; the address itself is shown nowhere."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from tests import models
from tests.processes import server, until

from fairlead.assembly.config import load
from fairlead.assembly.places import check_database, database_here, database_of
from fairlead.assembly.rooms import open_room
from fairlead.cli.main import main
from fairlead.core.errors import DatabaseAddressInvalid

ADDRESS = "postgresql://fairlead:hunter2@127.0.0.1:1/none"


def settings(reference: str):
    return load({"state.database": reference}, {}, None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "address"
    path.write_text(ADDRESS + "\n")
    path.chmod(0o600)
    return path


def test_an_address_is_read_where_the_setting_says(file, monkeypatch):
    assert database_of(settings("")) is None
    assert database_of(settings(f"file:{file}")) == ADDRESS
    monkeypatch.setenv("WHERE_KEYS_ARE", ADDRESS)
    assert database_of(settings("env:WHERE_KEYS_ARE")) == ADDRESS
    check_database(settings(f"file:{file}"))


def test_a_changed_password_is_read_anew(file):
    own = settings(f"file:{file}")
    assert database_of(own) == ADDRESS
    file.write_text(ADDRESS.replace("hunter2", "other"))
    assert "other" in str(database_of(own))


@pytest.mark.parametrize(
    "reference", [ADDRESS, "file:relative", "env:", "env:A B", "env:NOT_SET_ANYWHERE", "x",
                  "file:/nothing/here", "file:/dev/null"],
)  # fmt: skip
def test_what_is_no_reference_or_leads_nowhere_is_refused_and_not_repeated(reference):
    with pytest.raises(DatabaseAddressInvalid) as caught:
        database_of(settings(reference))
    assert "hunter2" not in caught.value.line()


def test_an_address_that_others_can_read_is_refused(file):
    file.chmod(0o640)
    with pytest.raises(DatabaseAddressInvalid, match="others can read"):
        database_of(settings(f"file:{file}"))


def test_what_is_read_must_be_an_address(file):
    file.write_text("mysql://fairlead:hunter2@localhost/x")
    with pytest.raises(DatabaseAddressInvalid) as caught:
        database_of(settings(f"file:{file}"))
    assert "hunter2" not in caught.value.line()


def test_a_command_reads_the_settings_of_its_folder(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert database_here() is None
    (tmp_path / "fairlead.toml").write_text(f'[state]\ndatabase = "file:{file}"\n')
    assert database_here() == ADDRESS
    assert main(["config", "show"]) == 0
    assert "hunter2" not in capsys.readouterr().out


def test_a_server_and_its_commands_share_a_database_elsewhere(
    postgres, tmp_path, monkeypatch, capsys
):
    address = postgres.fresh()
    monkeypatch.setenv("WHERE_KEYS_ARE", address)
    monkeypatch.setenv("FAIRLEAD_STATE__DATABASE", "env:WHERE_KEYS_ARE")
    state = tmp_path / "state"
    new = ["keys", "create", "--name", "a", "--scope", "predict:*", "--state", str(state), "--json"]
    assert main(new) == 0
    first = json.loads(capsys.readouterr().out)
    models.total(tmp_path / "models")
    with server(tmp_path / "models", state=state) as running:
        until(lambda: running.asked("/models", first["key"])[0] == 200, 20)
        assert running.asked("/models")[0] == 401
        body = running.asked("/models/total", first["key"])[1]["example"]
        assert running.asked("/predict/total", first["key"], body)[0] == 200
        assert main(new) == 0
        second = json.loads(capsys.readouterr().out)
        until(lambda: running.asked("/models", second["key"])[0] == 200, 10)
        assert running.stop() == 0
    assert not (state / "keys.sqlite").exists()
    assert not (state / "ledger.sqlite").exists()
    assert main(["usage", "--by", "key", "--json", "--state", str(state)]) == 0
    usage = json.loads(capsys.readouterr().out)["usage"]
    assert [(row["key"], row["requests"]) for row in usage] == [(first["id"], 1)]
    assert main(["audit", "verify", "--state", str(state)]) == 0
    with closing(open_room(state, address)) as room:
        assert len(room.keys.every()) == 2
    assert "tests-only" not in "\n".join(running.lines)
