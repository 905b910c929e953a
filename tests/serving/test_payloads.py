"""The sample of what was sent: only what its owner named, and no prediction fails for it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import Model, call, serve

from fairlead.core.errors import Internal
from fairlead.core.package import Payloads as Choice
from fairlead.core.signature import Signature
from fairlead.serving import payloads as module
from fairlead.serving.answered import Answered
from fairlead.serving.payloads import payloads_of
from fairlead.usage.payloads import PAYLOADS, read

TABLE = Signature(
    (spec("x", "FP32", (-1, 2), columns=("age", "income")), spec("name", "BYTES", (-1, 1))),
    (spec("y", "FP32", (-1, 2)),),
)


def keeping(state, fields, sample=1.0, private=()):
    """A served version that keeps these fields."""
    served = serve(Model(), TABLE)
    choice = Choice(sample=sample, fields=fields)
    served.package = replace(served.package, payloads=choice)
    served.payloads = payloads_of(served.package, private, state, "1-0-aa")
    return served


def answer(served, ages, names, counts=None, usage=0):
    """One execution: calls with so many rows each."""
    calls = []
    for rows in counts or [len(ages)]:
        one = call(served)
        one.rows, one.usage = rows, usage + len(calls)
        calls.append(one)
    x = np.array([[age, 10 * age] for age in ages], np.float32)
    return Answered(calls, [x, np.array(names, object).reshape(-1, 1)], [], None)


def kept(state):
    return list(read(state, "m"))


def test_only_the_fields_that_were_named_are_kept(tmp_path):
    served = keeping(tmp_path, {"age": "plain"})
    served.payloads.note([answer(served, [1.5, 2.0, 3.0], ["secret"] * 3, [1, 2], usage=16)])
    one, two = kept(tmp_path)
    assert (one.rows, two.rows) == ([{"age": 1.5}], [{"age": 2.0}, {"age": 3.0}])
    assert (one.usage, two.usage) == ("1-0-aa-10", "1-0-aa-11")
    assert (two.model, two.version, two.of, two.decision) == ("m", 1, 2, "serve")
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*.segment"))
    assert b"secret" not in raw
    assert b"15.0" not in raw
    served.payloads.close()


def test_a_hashed_field_tells_equal_values_and_nothing_else(tmp_path):
    served = keeping(tmp_path, {"name": "hash", "age": "hash"})
    served.payloads.note([answer(served, [1.0, 1.0, 2.0], ["ann", "bob", "ann"])])
    rows = kept(tmp_path)[0].rows
    assert rows[0]["name"] == rows[2]["name"] != rows[1]["name"]
    assert rows[0]["age"] == rows[1]["age"] != rows[2]["age"]
    assert all(len(value) == 32 for row in rows for value in row.values())
    other = keeping(tmp_path / "other", {"name": "hash"})
    other.payloads.note([answer(other, [1.0], ["ann"])])
    assert kept(tmp_path / "other")[0].rows[0]["name"] != rows[0]["name"], "another key"
    again = keeping(tmp_path, {"name": "hash"})
    again.payloads.note([answer(again, [1.0], ["ann"])])
    assert kept(tmp_path)[-1].rows[0]["name"] == rows[0]["name"], "the same key after a restart"
    assert (tmp_path / PAYLOADS / "key").stat().st_mode & 0o077 == 0
    for one in (served, other, again):
        one.payloads.close()


def test_a_private_column_is_never_kept_also_not_hashed(tmp_path, capsys):
    served = keeping(tmp_path, {"age": "plain", "name": "hash"}, private={"name"})
    assert "payloads_private" in capsys.readouterr().err
    served.payloads.note([answer(served, [1.0], ["ann"])])
    assert kept(tmp_path)[0].rows == [{"age": 1.0}]
    assert keeping(tmp_path, {"name": "plain"}, private={"name"}).payloads is None
    served.payloads.close()


@pytest.mark.parametrize(("sample", "least", "most"), [(1.0, 2000, 2000), (0.1, 100, 320)])
def test_the_share_of_calls_that_is_kept_is_the_owners(tmp_path, sample, least, most):
    served = keeping(tmp_path, {"age": "plain"}, sample)
    for _ in range(20):
        served.payloads.note([answer(served, [1.0] * 100, ["a"] * 100, [1] * 100)])
    assert least <= len(kept(tmp_path)) <= most
    served.payloads.close()


@pytest.mark.parametrize(("sample", "fields"), [(0.0, {"age": "plain"}), (0.5, {})])
def test_nothing_is_kept_and_no_folder_made_unless_the_owner_wants_it(tmp_path, sample, fields):
    assert keeping(tmp_path, fields, sample).payloads is None
    assert list(tmp_path.iterdir()) == []


def test_what_failed_or_is_not_recorded_is_not_kept(tmp_path):
    served = keeping(tmp_path, {"age": "plain"})
    answered = answer(served, [1.0, 2.0, 3.0], ["a"] * 3, [1, 1, 1])
    answered.calls[0].error = Internal("it failed")
    answered.calls[1].usage = -1
    served.payloads.note([answered])
    assert [one.rows for one in kept(tmp_path)] == [[{"age": 3.0}]]
    served.payloads.close()


def test_a_missing_number_is_null(tmp_path):
    served = keeping(tmp_path, {"age": "plain", "income": "hash"})
    served.payloads.note([answer(served, [math.nan, math.inf], ["a", "b"])])
    assert kept(tmp_path)[0].rows == [{"age": None, "income": None}] * 2
    served.payloads.close()


def test_of_a_call_with_very_many_rows_the_first_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    served = keeping(tmp_path, {"age": "plain"})
    served.payloads.note([answer(served, [1.0] * 5 + [2.0], ["a"] * 6, [5, 1])])
    one, two = kept(tmp_path)
    assert (one.of, len(one.rows)) == (5, 3)
    assert two.rows == [{"age": 2.0}]
    served.payloads.close()


def test_a_log_that_cannot_be_written_is_said_once_without_a_value(tmp_path, capsys):
    served = keeping(tmp_path, {"name": "plain"})
    (tmp_path / PAYLOADS).write_text("in the way")
    for _ in range(3):
        served.payloads.note([answer(served, [1.0], ["secret"])])
    said = capsys.readouterr().err
    assert said.count("payloads_lost") == 1
    assert "secret" not in said
