"""Guards over all workers of a real server: a thief, a shifted month, and what survives."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from tests.processes import Running, until

import fairlead
from fairlead.cli.main import main
from fairlead.packing.amend import amend


@pytest.fixture(scope="module")
def table():
    x, _ = load_breast_cancer(return_X_y=True, as_frame=True)
    return x.iloc[:, :5]


@pytest.fixture(scope="module")
def packed(tmp_path_factory, table):
    """A guarded model that suspends whom it suspects; its first version only writes it down."""
    repository = tmp_path_factory.mktemp("watched")
    _, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(max_iter=10_000).fit(table[::2], y[::2])
    fairlead.pack(
        model, name="tumour", repository=repository, reference=table[::2],
        evaluation=(table[1::2], y[1::2]),
    )  # fmt: skip
    words = (repository / "tumour" / "1" / "model.toml").read_text()
    file = tmp_path_factory.mktemp("words") / "model.toml"
    file.write_text(words.replace('# misuse = "log"', 'misuse = "suspend"'))
    amend(repository, "tumour", file, None)
    return repository


@pytest.fixture
def server(packed, tmp_path):
    """Starts servers of one version on one state folder, one after another."""
    running: list[Running] = []

    def start(version: int = 2) -> Running:
        end()
        running[:] = [
            Running(packed / "tumour" / str(version), "--port", "0", "--workers", "2",
                    "--state", tmp_path / "state").greeted()
        ]  # fmt: skip
        return running[0]

    def end() -> None:
        for one in running:
            one.end()

    yield start
    end()


@pytest.fixture
def lines():
    """Opens connections that are closed with the test."""
    opened = []

    def start(running):
        opened.append(running.connect())
        return opened[-1]

    yield start
    for line in opened:
        line.close()


def ask(connection, rows) -> tuple[int, dict]:
    connection.request("POST", "/predict/tumour", json.dumps(rows))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def made_up(table, count):
    low, high = table.min().to_numpy(), table.max().to_numpy()
    drawn = np.random.default_rng(0).uniform(low, high, (count, table.shape[1]))
    return [dict(zip(table.columns, row, strict=True)) for row in drawn.tolist()]


def standing(running) -> dict:
    return json.loads(running.get("/models/tumour")[1])["standing"]


def steal(running, table, queries=100) -> None:
    """Asks one row at a time, in turn over connections of both workers."""
    lines = [running.connect() for _ in range(4)]
    for number, row in enumerate(made_up(table, queries)):
        ask(lines[number % len(lines)], [row])
    for line in lines:
        line.close()


def refused(running, table) -> bool:
    line = running.connect()
    status, answer = ask(line, [table.iloc[0].to_dict()])
    line.close()
    assert status in (200, 403), answer
    return status == 403


def test_a_thief_is_suspended_by_all_workers_until_forgiven(server, table, tmp_path, capsys):
    running = server()
    steal(running, table)
    until(lambda: all(refused(running, table) for _ in range(20)), 10)
    (event,) = running.events("misuse_suspected")
    assert (event["caller"], event["kind"]) == ("127.0.0.1", "novel")
    assert standing(running)["suspects"] == 1
    assert "127.0.0.1" not in running.get("/models/tumour")[1].decode()
    assert b'fairlead_suspects{model="tumour",version="2"} 1' in running.get("/metrics")[1]

    # It survives the death of the whole server, and can be looked at without one.
    until(lambda: main(["misuse", "list", "--state", str(tmp_path / "state")]) == 0)
    assert "rows are stranger than 95 % of good rows" in capsys.readouterr().out
    running = server()
    until(lambda: refused(running, table), 10)

    state = ["--state", str(tmp_path / "state")]
    assert main(["misuse", "forgive", "127.0.0.1", *state]) == 0
    assert capsys.readouterr().out == "1 suspicion of 127.0.0.1 ended\n"
    until(lambda: not any(refused(running, table) for _ in range(20)), 10)
    assert main(["misuse", "forgive", "127.0.0.1", *state]) == 1
    assert main(["misuse", "list", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2]) == {"suspects": []}


def test_without_a_server_a_suspicion_can_be_ended_too(server, table, tmp_path, capsys):
    running = server()
    steal(running, table)
    until(lambda: refused(running, table), 10)
    state = ["--state", str(tmp_path / "state")]
    running.stop()
    assert main(["misuse", "forgive", "127.0.0.1", "--model", "tumour", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out) == {"forgiven": 1}
    assert main(["misuse", "list", *state]) == 0
    assert capsys.readouterr().out == "nobody is suspected\n"


def test_a_good_client_is_not_suspected(server, lines, table):
    running = server()
    line = lines(running)
    for row in table.sample(300, random_state=1).to_dict("records"):
        assert ask(line, [row])[0] == 200
    until(lambda: standing(running).get("drift", {}).get("rows") == 300, 10)
    assert standing(running)["suspects"] == 0
    assert running.events("misuse_suspected") == running.events("drift_found") == []


def test_a_shifted_month_raises_an_alarm_wherever_it_is_asked(server, lines, table, tmp_path):
    running = server(1)
    month = table.sample(600, replace=True, random_state=2)
    month["mean texture"] += month["mean texture"].std()
    line = lines(running)
    for start in range(0, 600, 50):
        ask(line, month[start : start + 50].to_dict("records"))
    told = until(lambda: standing(running).get("drift", {}).get("alarms"), 10)
    assert any(words.startswith("mean texture: ") for words in told)
    events = [event["words"] for event in running.events("drift_found")]
    assert any(words.startswith("mean texture: ") for words in events)
    metrics = running.get("/metrics")[1].decode()
    count = re.search(r'fairlead_drift_columns\{model="tumour",version="1"\} (\d+)', metrics)
    assert count is not None
    assert int(count[1]) >= 1
    until(lambda: standing(running)["drift"]["rows"] == 600, 10)

    # A bookkeeper that dies is replaced, and goes on where the last one was.
    (bookkeeper,) = running.bookkeepers
    until(lambda: "drift" in _saved(tmp_path / "state"), 10)
    os.kill(bookkeeper, signal.SIGKILL)
    until(lambda: running.bookkeepers not in ([], [bookkeeper]), 10)
    ask(line, table[:50].to_dict("records"))
    until(lambda: standing(running).get("drift", {}).get("rows") == 650, 10)

    # Somebody has looked: the owner lets the count begin anew.
    state = ["--state", str(tmp_path / "state")]
    assert main(["drift", "restart", "tumour@1", *state]) == 0
    assert main(["drift", "restart", "tumour@7", *state]) == 2
    ask(line, table[:50].to_dict("records"))
    until(lambda: standing(running).get("drift", {}).get("rows") == 50, 10)
    assert standing(running)["drift"]["alarms"] == []


def _saved(state) -> str:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{state / 'guards.sqlite'}?mode=ro", uri=True)) as database:
        return str(
            database.execute("SELECT kind FROM guard_state WHERE state LIKE '%600%'").fetchall()
        )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["forgive"], "nobody is named"),
        (["list", "somebody"], "list takes no caller"),
        (["list"], "no server has watched anything here yet"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments, says, tmp_path, capsys):
    assert main(["misuse", *arguments, "--state", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


def test_a_damaged_database_of_the_guards_ends_no_bookkeeper(server, table, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "guards.sqlite").write_bytes(b"no database at all" * 500)
    running = server()
    steal(running, table)
    until(lambda: running.events("misuse_suspected"), 10)
    assert running.events("guard_state_dropped")
    assert not running.events("process_died")


def test_a_thief_is_refused_at_every_version_of_the_model(packed, table, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(packed, models)
    file = tmp_path / "model.toml"
    words = (models / "tumour" / "2" / "model.toml").read_text()
    file.write_text(words.replace("# days = 30", "days = 31"))
    amend(models, "tumour", file, None)
    arguments = (models, "--port", "0", "--state", tmp_path / "state")
    running = Running(*arguments, environ={"FAIRLEAD_MODELS__VERSIONS": "all"}).greeted()
    line = running.connect()
    try:
        steal(running, table)
        until(lambda: refused(running, table), 10)
        line.request("POST", "/predict/tumour/versions/2", json.dumps([table.iloc[0].to_dict()]))
        assert line.getresponse().status == 403
    finally:
        line.close()
        running.end()
