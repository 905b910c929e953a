"""Attacks on keys: odd ones, secrets in whatever is said or kept, use that is not counted."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.hostile.parts import Target, check_error
from tests.processes import server, until
from tests.raw import Raw, get

from fairlead.access.secrets import checksum
from fairlead.serving.exchange import ask

GOOD = json.dumps([1, 2, 3]).encode()


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A server with two workers and one good key."""
    repository = tmp_path_factory.mktemp("models")
    models.total(repository)
    state = tmp_path_factory.mktemp("state")
    with server(repository, state=state, workers=2) as running:
        found = Target(running, state)
        found.key = make(state, "good", "predict:total", "usage:read")["key"]
        until(lambda: all(running.asked("/models")[0] == 401 for _ in range(16)), 5)
        yield found


def make(state: Path, name: str, *scopes: str, **more: Any) -> dict[str, Any]:
    told = {"kind": "keys.create", "given": {"name": name, "scopes": list(scopes), **more}}
    return ask(state, told)["done"]


def predict(*headers: str, body: bytes = GOOD) -> bytes:
    """A prediction with these header lines."""
    lines = ["POST /predict/total HTTP/1.1", "host: here", "content-type: application/json"]
    lines += [*headers, f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def shown(key: str) -> str:
    return f"authorization: Bearer {key}"


def well_formed(body: str) -> str:
    """A key that nobody has, with the right form and checksum."""
    text = f"frl_live_{body:0<30}"
    return text + checksum(text)


ODD = {
    "none": [],
    "empty": ["authorization: "],
    "scheme alone": ["authorization: Bearer"],
    "basic": ["authorization: Basic dXNlcjpwYXNz"],
    "another scheme": ["authorization: Digest x"],
    "not ascii": ["authorization: Bearer \xe9\xe8\xff" + "x" * 36],
    "bearer twice": ["authorization: Bearer Bearer " + well_formed("a")],
    "two in one": ["authorization: Bearer " + well_formed("a") + ", Bearer " + well_formed("b")],
    "a quoted key": ['authorization: Bearer "' + well_formed("a") + '"'],
    "a wrong checksum": ["authorization: Bearer " + well_formed("a")[:-1] + "_"],
    "nobody's": [shown(well_formed("a"))],
    "nobody's, the other header": ["x-api-key: " + well_formed("a")],
    "both headers": [shown(well_formed("a")), "x-api-key: " + well_formed("a")],
    "the other header twice": ["x-api-key: " + well_formed("a"), "x-api-key: " + well_formed("b")],
    "sql": ["authorization: Bearer ' OR 1=1 --"],
    "sql in a key": ["authorization: Bearer frl_live_' OR '1'='1' UNION SELECT key"],
    "a long one": ["authorization: Bearer " + "x" * 20_000],
    "a token that nobody issued": ["authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."],
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_key_is_a_401_with_words_that_say_nothing_of_it(target, name):
    with Raw(target.port) as raw:
        raw.send(predict(*ODD[name]))
        answer = raw.read()
        assert answer is not None
        assert answer.status == 401, answer
        check_error(answer, answer.json()["code"])
        assert answer.header("www-authenticate") == 'Bearer realm="fairlead"'
        said = answer.body.decode()
        for line in ODD[name]:
            secret = line.partition(":")[2].removeprefix(" Bearer").strip()
            assert len(secret) < 8 or secret[:40] not in said
    with Raw(target.port) as raw:
        raw.send(predict(shown(target.key)))
        assert raw.read().status == 200


@pytest.mark.parametrize("header", ["authorization: Bearer x", "x-api-key: x"])
def test_two_authorization_headers_are_not_believed(target, header):
    with Raw(target.port) as raw:
        raw.send(predict(shown(target.key), header))
        answer = raw.read()
    assert answer.status in (400, 401)


def test_a_megabyte_of_key_is_too_large_a_head(target):
    with Raw(target.port) as raw:
        raw.send(predict("authorization: Bearer " + "k" * (1 << 20)))
        assert raw.read().status == 431


def test_a_right_key_in_a_remembered_head_does_not_let_the_next_caller_in(target):
    with Raw(target.port) as raw:
        for _ in range(3):
            raw.send(predict(shown(target.key)))
            assert raw.read().status == 200
        raw.send(predict())
        assert raw.read().status == 401
        raw.send(predict(shown(well_formed("a"))))
        assert raw.read().status in (401, 429)


def test_whoever_leaves_before_the_answer_is_counted_like_everybody(target):
    def used() -> int:
        (row,) = target.running.asked("/usage", target.key)[1]["usage"]
        return row["requests"]

    before = until(lambda: _steady(used), 20)
    count = 40
    for _ in range(count):
        with Raw(target.port) as raw:
            raw.send(predict(shown(target.key)))
    until(lambda: used() >= before + count, 20, "some were used without being counted")
    assert used() == before + count


def _steady(figure: Any) -> int:
    """A figure once it does not change for a second, which is twice what the ledger needs."""
    first = figure()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        if figure() != first:
            return 0
    return first


def test_a_key_is_in_no_answer_no_log_no_metric_no_command_line_and_no_file(target):
    running = target.running
    leaked = make(target.state, "leaked", "predict:total", "metrics:read")
    key = leaked["key"]
    until(lambda: running.asked("/models", key)[0] == 200, 5)
    for path in ("/models", "/models/total", "/models/x", "/metrics", "/usage", "/limits", "/x",
                 f"/{key}", f"/models/{key}", f"/predict/{key}", f"/models?key={key}"):  # fmt: skip
        _, body, headers = running.asked(path, key)
        told = json.dumps(body) if isinstance(body, dict | list) else body.decode()
        if key not in path:
            assert key not in told + str(headers)
    for body in ({"rows": key}, {"rows": [{key: 1}]}, key):
        assert running.asked("/predict/total", key, body)[0] == 400
    ask(target.state, {"kind": "keys.revoke", "given": {"pattern": leaked["id"]}})
    until(lambda: running.asked("/models", key)[0] == 401, 5)
    secret = key[9:39]
    assert not [line for line in running.lines if secret in line]
    for process in [running.process.pid, *running.workers, *running.bookkeepers]:
        for place in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{process}/{place}").read_bytes()
    for file in target.state.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file.name


def test_what_lies_in_the_state_folder_is_its_owners_alone(target):
    open_to_others = [
        f"{file.name} {file.stat().st_mode:o}"
        for file in target.state.rglob("*")
        if file.is_file() and file.stat().st_mode & 0o077
    ]
    assert open_to_others == []
    assert (target.state / "bookkeeper.sock").stat().st_mode & 0o077 == 0


def test_nothing_listens_but_what_was_asked_for(target):
    """Three ports, all on loopback, and one socket that only its owner may use."""
    inodes: set[str] = set()
    running = target.running
    for process in [running.process.pid, *running.workers, *running.bookkeepers]:
        for handle in Path(f"/proc/{process}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(handle))
            except FileNotFoundError:
                continue  # closed meanwhile
            if found:
                inodes.add(found[1])
    listening: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            place, state, inode = (line.split()[n] for n in (1, 3, 9))
            if inode in inodes and (state == "0A" or table.startswith("udp")):
                address, port = place.split(":")
                listening.add((address, int(port, 16)))
    ports = (running.port, running.grpc_port, running.admin_port)
    assert listening == {("0100007F", port) for port in ports}
    unix = [
        line.split()[7]
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if line.split()[6] in inodes and line.split()[3] == "00010000"
    ]
    assert unix == [str(target.state / "bookkeeper.sock")]


def test_digests_are_keyed_so_that_the_database_alone_recognises_nobody(target):
    from hashlib import sha256

    with sqlite3.connect(f"file:{target.state / 'keys.sqlite'}?mode=ro", uri=True) as database:
        digests = {bytes(digest) for (digest,) in database.execute("SELECT digest FROM key")}
    database.close()
    assert sha256(target.key.encode()).digest() not in digests
    assert all(len(digest) == 32 for digest in digests)


def test_the_log_tells_nothing_of_the_machine(target):
    target.log_is_clean()
    assert target._processes() == target.processes
    with Raw(target.port) as raw:
        assert raw.ask(get("/livez")).status == 200
