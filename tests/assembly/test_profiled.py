"""A profile that was stopped is gone on with, and what was measured of another is not used."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from tests import models
from tests.functions import packed
from tests.processes import alive

from fairlead.assembly.config import read
from fairlead.assembly.profile_process import Executing, Version
from fairlead.assembly.profiled import Wish, profile
from fairlead.core.errors import FileUnreadable, LoadFailed, NotProfiled
from fairlead.costs.profiles import partial_of

QUICK = Wish("", seconds=1.0)


class Stopped(BaseException):
    """As Ctrl-C comes: no Exception."""


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def taken(folder, state, say=lambda done, words: None, **more):
    told = []
    found = profile(
        replace(QUICK, model=str(folder), **more),
        read({"server.state": str(state)}, None),
        say,
        told.append,
    )
    return found, told


def stopped(folder, state, at, **more):
    """The parts that a run leaves that is stopped when that much is done, and what it told."""
    told = []

    def say(done, words):
        if done >= at:
            raise Stopped

    wish = replace(QUICK, model=str(folder), **more)
    with pytest.raises(Stopped):
        profile(wish, read({"server.state": str(state)}, None), say, told.append)
    return json.loads(partial_of(state, "total", 1).read_text())["parts"], told


def test_a_run_that_was_stopped_is_gone_on_with(tmp_path, state):
    folder = models.total(tmp_path / "models").folder
    parts, _ = stopped(folder, state, 0.5)
    assert {"loaded", "service 1 1"} < set(parts)
    assert any(name.startswith("trial ") for name in parts)
    found, told = taken(folder, state)
    assert f"going on with {len(parts)} measurements" in told[0]
    first = found.taken.profile.services[0]
    assert first.quantiles[50] == float(f"{parts['service 1 1']['quantiles'][50]:.6g}")
    assert found.taken.profile.load_s == parts["loaded"]["load_s"]
    assert not partial_of(state, "total", 1).exists()


def test_nothing_is_gone_on_with_where_it_is_not_wanted_or_not_of_the_same(tmp_path, state):
    folder = models.total(tmp_path / "models").folder
    stopped(folder, state, 0.1)
    parts, told = stopped(folder, state, 0.1)
    assert told == [
        f"going on with {len(parts)} measurements of an earlier run; --fresh begins anew"
    ]
    assert stopped(folder, state, 0.1, fresh=True)[1] == []
    other = models.total(tmp_path / "others", example={"a": 2.0, "b": 2.0, "c": 2.0}).folder
    assert stopped(other, state, 0.1)[1] == []
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c\n1,2,3\n")
    assert stopped(other, state, 0.1, rows=rows)[1] == []
    assert stopped(other, state, 0.1, rows=rows, seconds=2.0)[1] == []


def test_a_model_that_is_code_is_measured_with_its_runner(tmp_path, state):
    source = "def twice(count):\n    return {'twice': 2 * count}\n"
    folder = packed(tmp_path, source, "twice") / "twice" / "1"
    found = taken(folder, state)[0].taken.profile
    assert (found.inline, found.slots, found.runtime) == (False, 1, "python")
    assert {one.threads for one in found.services} == {1}
    assert found.steady_bytes > found.base_bytes + (5 << 20), "the runner is counted"


def test_a_model_without_rows_is_measured_whole(tmp_path, state):
    found, _ = taken(models.fixed(tmp_path / "models").folder, state)
    own = found.taken.profile
    assert [one.rows for one in own.services if one.threads == 1] == [1]
    assert own.payloads[0].wire == "oip"
    assert found.of == "rows of zeros"


def test_a_model_that_does_not_load_is_no_profile(tmp_path, state):
    with pytest.raises(LoadFailed):
        taken(models.broken(tmp_path / "models").folder, state)


def test_where_nothing_can_be_kept_it_is_said(tmp_path):
    folder = models.total(tmp_path / "models").folder
    (tmp_path / "state").write_text("a file")
    with pytest.raises(FileUnreadable, match="cannot be kept"):
        taken(folder, tmp_path / "state")


def test_a_server_that_refuses_what_it_is_asked_is_no_profile(tmp_path, state):
    folder = models.logs(tmp_path / "models").folder
    rows = tmp_path / "rows.csv"
    rows.write_text("x\n-1.0\n")
    with pytest.raises(NotProfiled, match=r"does not answer what was sent.*NaN or infinity"):
        taken(folder, state, rows=rows)


def test_the_process_that_executes_ends_with_whoever_asked_it(tmp_path):
    folder = models.total(tmp_path / "models").folder
    with Executing(Version("total", 1, str(folder))) as tries:
        assert tries.loaded()["answered"]
        assert tries.execute((4, 1, 4), 0.01, 0.0)["rows"] == 4
        assert tries._process is not None
        number = tries._process.pid
        os.kill(number, 9)
        with pytest.raises(LoadFailed, match="the process that measured it died"):
            tries.execute((4, 1, 4), 0.01, 0.0)
    assert not alive(number)
