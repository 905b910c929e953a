"""`fairlead keys`, `tenants`, `plans`, `audit`: the same with a server and without."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.processes import server, until

from fairlead.access.secrets import PATTERN
from fairlead.cli.main import main
from fairlead.core.errors import CATALOGUE

PLAN = """
[plan]
name = "gold"
currency = "EUR"
[price]
request = "0.0001"
"""


class Commands:
    """A shell with a state folder."""

    def __init__(self, state: Path, capsys) -> None:
        self.state, self._capsys = state, capsys

    def __call__(self, *words: str, status: int = 0) -> tuple[str, str]:
        """What a command prints on standard output and on standard error."""
        self._capsys.readouterr()
        found = main([words[0], *words[1:], "--state", str(self.state)])
        said = self._capsys.readouterr()
        assert found == status, said.err
        return said.out, said.err

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self(*words, "--json", status=status)[0])


@pytest.fixture
def run(tmp_path, capsys):
    return Commands(tmp_path / "state", capsys)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """The state folder of a server that runs."""
    repository = tmp_path_factory.mktemp("models")
    models.total(repository)
    state = tmp_path_factory.mktemp("state")
    with server(repository, state=state) as running:
        yield state, running


@pytest.fixture(params=["without a server", "with a server"])
def either(request, tmp_path, capsys):
    if request.param == "without a server":
        return Commands(tmp_path / "state", capsys)
    return Commands(request.getfixturevalue("served")[0], capsys)


def test_a_key_is_printed_alone_and_what_is_said_about_it_goes_elsewhere(either):
    out, err = either("keys", "create", "--name", "web", "--scope", "predict:total")
    assert re.fullmatch(PATTERN + "\n", out)
    assert "the key is shown only now" in err
    assert out.strip() not in err


def test_a_key_lives_from_its_making_to_its_end(either):
    made = either.json(
        "keys", "create", "--name", "shop", "--scope", "predict:total", "--scope", "usage:read",
        "--tenant", "acme", "--expires", "30d", "--limit", "requests=5/second",
        "--network", "10.0.0.0/8", "--origin", "https://a.example", "--disclosure", "label",
        "--novelty", "reject", "--kind", "test", "--priority", "batch",
    )  # fmt: skip
    assert made["key"].startswith("frl_test_")
    assert (made["tenant"], made["scopes"]) == ("acme", ["predict:total", "usage:read"])
    assert (made["limits"], made["novelty"]) == (["requests=5/second"], "reject")
    assert made["priority"] == "batch"
    shown = either.json("keys", "show", made["id"])
    assert shown["networks"] == ["10.0.0.0/8"]
    assert "key" not in shown
    new = either.json("keys", "rotate", made["id"], "--grace", "2h")
    assert new["replaces"] == made["id"]
    told = either.json("keys", "revoke", new["id"])
    assert (told["count"], told["keys"][0]["id"]) == (1, new["id"])
    listed = {key["id"]: key["standing"] for key in either.json("keys", "list")["keys"]}
    assert (listed[made["id"]], listed[new["id"]]) == ("works", "revoked")
    mine = either.json("keys", "list", "--tenant", "acme")["keys"]
    assert {key["tenant"] for key in mine} == {"acme"}


def test_a_look_before_many_keys_end(either):
    for name in ("temp-1", "temp-2"):
        either("keys", "create", "--name", name, "--scope", "predict:*")
    out, _ = either("keys", "revoke", "temp-*", "--dry-run")
    assert out.splitlines()[-1] == "2 keys would be revoked"
    out, _ = either("keys", "revoke", "temp-*")
    assert out.splitlines()[-1] == "2 keys revoked"
    assert either("keys", "revoke", "temp-*")[0] == "nothing that works fits\n"


def test_tenants_and_plans_are_kept(either, tmp_path):
    file = tmp_path / "gold.toml"
    file.write_text(PLAN)
    either("plans", "put", str(file))
    assert either.json("plans", "put", str(file))["new"] is False
    assert either.json("tenants", "create", "beta", "--plan", "gold")["plan"] == "gold@1"
    assert either.json("tenants", "plan", "beta", "none")["plan"] is None
    assert either.json("tenants", "zone", "beta", "Europe/Berlin")["zone"] == "Europe/Berlin"
    assert either.json("tenants", "show", "beta")["zone"] == "Europe/Berlin"
    assert "beta" in [tenant["name"] for tenant in either.json("tenants", "list")["tenants"]]
    assert either.json("plans", "show", "gold@1")["price"] == {"request": "0.0001"}
    assert "gold@1  EUR" in either("plans", "list")[0]


def test_what_was_done_is_on_record_with_who_did_it(either):
    made = either.json("keys", "create", "--name", "noted", "--scope", "predict:*")
    records = either.json("audit", "--object", made["id"], "--since", "1h")["records"]
    assert [record["act"] for record in records] == ["keys.create"]
    assert (records[0]["who"], records[0]["from"]) == (f"uid {os.getuid()}", "command line")
    assert made["key"] not in json.dumps(records)
    assert made["id"] in either("audit")[0]
    assert either.json("audit", "verify")["whole"] is True


def test_a_running_server_takes_a_new_key_and_refuses_a_revoked_one(served, capsys):
    state, running = served
    run = Commands(state, capsys)
    made = run.json("keys", "create", "--name", "live", "--scope", "predict:total")
    until(lambda: running.asked("/models", made["key"])[0] == 200, 10)
    run("keys", "revoke", made["id"])
    until(lambda: running.asked("/models", made["key"])[0] == 401, 10)


ALTERED = [
    ("UPDATE audit SET about = 'x' WHERE number = 2", 2),
    ("DELETE FROM audit WHERE number = 1", 1),
    ("DELETE FROM audit WHERE number = 3", 3),
]


@pytest.mark.parametrize(("statement", "number"), ALTERED)
def test_a_trail_that_was_altered_names_the_first_record_that_does_not_fit(run, statement, number):
    for name in ("a", "b"):
        run("keys", "create", "--name", name, "--scope", "predict:*")
    assert run("audit", "verify")[0] == "all 3 records fit\n"
    with closing(sqlite3.connect(run.state / "keys.sqlite", isolation_level=None)) as database:
        database.execute(statement)
    out, _ = run("audit", "verify", status=1)
    assert f"record {number} is" in out
    told = run.json("audit", "verify", status=1)
    assert (told["whole"], told["number"]) == (False, number)


WRONG = [
    (["keys", "create", "--name", "a"], "FRL-2004"),
    (["keys", "create", "--scope", "predict:a"], "FRL-2004"),
    (["keys", "create", "--name", "a", "--scope", "predict"], "FRL-1017"),
    (["keys", "create", "--name", "a", "--scope", "fly:a"], "FRL-1017"),
    (["keys", "create", "--name", "a\nb", "--scope", "predict:a"], "FRL-1017"),
    (["keys", "create", "--name", "a", "--scope", "predict:a", "--expires", "soon"], "FRL-1017"),
    (["keys", "create", "--name", "a", "--scope", "predict:a", "--kind", "root"], "FRL-1017"),
    (["keys", "create", "--name", "a", "--scope", "predict:a", "--grace", "1h"], "FRL-2004"),
    (["keys", "create", "extra", "--name", "a", "--scope", "predict:a"], "FRL-2004"),
    (["keys", "list", "--dry-run"], "FRL-2004"),
    (["keys", "show"], "FRL-2004"),
    (["keys", "show", "key_0123456789abcdef"], "FRL-1305"),
    (["keys", "rotate", "web", "--grace", "2"], "FRL-1017"),
    (["keys", "revoke", "nobody-*"], "FRL-1305"),
    (["keys", "fly"], "FRL-2004"),
    (["tenants", "create"], "FRL-2004"),
    (["tenants", "create", "a b"], "FRL-1022"),
    (["tenants", "create", "a", "--zone", "Mars/Base"], "FRL-1022"),
    (["tenants", "create", "a", "--plan", "none"], "FRL-1023"),
    (["tenants", "list", "a"], "FRL-2004"),
    (["tenants", "show", "nobody"], "FRL-1024"),
    (["tenants", "plan", "a"], "FRL-2004"),
    (["tenants", "plan", "nobody", "gold"], "FRL-1024"),
    (["plans", "put"], "FRL-2004"),
    (["plans", "put", "/nothing.toml"], "FRL-2001"),
    (["plans", "put", "/dev/zero"], "FRL-2001"),
    (["plans", "list", "x"], "FRL-2004"),
    (["plans", "show", "none"], "FRL-1023"),
    (["audit", "--since", "soon"], "FRL-1017"),
    (["audit", "verify", "--since", "7d"], "FRL-2004"),
]


@pytest.mark.parametrize(("words", "error"), WRONG, ids=lambda value: " ".join(value)[:50] if
                         isinstance(value, list) else value)  # fmt: skip
def test_what_is_wrong_is_said_in_one_clear_line(run, words, error):
    run.state.mkdir()
    out, err = run(*words, status=2)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"fairlead: {error} ")
    assert ". " in err  # what to do about it
    assert error in CATALOGUE


@pytest.mark.parametrize("words", [["keys", "list"], ["keys", "revoke", "a"], ["tenants", "list"],
                                   ["plans", "list"], ["audit"]], ids=" ".join)  # fmt: skip
def test_a_folder_that_is_not_there_is_said_and_not_made(run, words):
    _, err = run(*words, status=2)
    assert "there is no such state folder" in err
    assert not run.state.exists()


def test_an_empty_folder_has_nothing(run):
    run.state.mkdir()
    assert run("keys", "list")[0] == "no keys\n"
    assert run("tenants", "list")[0] == "no tenants\n"
    assert run("plans", "list")[0] == "no plans\n"
    assert run("audit")[0] == "no records\n"
    assert run("audit", "verify")[0] == "all 0 records fit\n"


def test_what_others_may_write_is_refused(run):
    run("keys", "create", "--name", "a", "--scope", "predict:*")
    for file in ("keys.sqlite", "pepper"):
        (run.state / file).chmod(0o666)
        _, err = run("keys", "create", "--name", "b", "--scope", "predict:*", status=2)
        assert "others" in err
        (run.state / file).chmod(0o600)
    run("keys", "list")


def test_the_pattern_finds_every_kind_of_key(run):
    pattern = run("keys", "pattern")[0].strip()
    for kind in ("live", "test", "admin"):
        out, _ = run("keys", "create", "--name", kind, "--scope", "predict:*", "--kind", kind)
        assert re.search(pattern, f"KEY={out}")
