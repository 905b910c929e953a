"""A version is measured as it is served: its example, its guards, its time, its memory."""

from __future__ import annotations

import numpy as np
import pytest
from tests import models
from tests.functions import packed

from fairlead.assembly.runtimes import runtimes
from fairlead.core.errors import LoadFailed
from fairlead.packages.read import open_package
from fairlead.profiling import measuring
from fairlead.profiling.asking import strange_rows
from fairlead.profiling.measuring import measure
from fairlead.serving.memory import resident


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Rates are not compared with anything here, so few runs do."""
    monkeypatch.setattr(measuring, "_MOST_RUNS", 20)


def measured(package, tmp_path):
    return measure(package, runtimes(tmp_path / "runners"))


def test_what_is_sent_and_answered_is_counted_as_json(tmp_path):
    found = measured(models.total(tmp_path), tmp_path)
    assert found.request_bytes == len('{"a":1.0,"b":2.0,"c":3.5}')
    assert found.answer_bytes == len('{"value":[[0.0]]}')
    assert 0 < found.median_s <= found.slow_s
    assert found.rows_per_s > 0
    assert found.batch > 1
    assert found.load_s > 0
    assert (found.inline, found.slots, found.locks) == (True, 1, {})


def test_a_package_without_an_example_is_asked_with_zeros_which_is_said(tmp_path):
    found = measured(models.total(tmp_path, example=None), tmp_path)
    assert (found.real, found.answered, found.finite) == (False, True, True)
    assert not measured(models.logs(tmp_path), tmp_path).finite


def test_without_guards_nothing_strange_is_held_back(tmp_path):
    found = measured(models.classifier(tmp_path), tmp_path)
    assert (found.strange, found.passes, found.guards) == ((0, 0, 4), "serve", {})


def test_a_model_that_takes_no_rows_is_asked_once_at_a_time(tmp_path):
    found = measured(models.fixed(tmp_path), tmp_path)
    assert (found.batch, found.strange) == (1, (0, 0, 0))


def test_a_model_that_cannot_be_loaded_is_no_measure(tmp_path):
    with pytest.raises(LoadFailed):
        measured(models.broken(tmp_path), tmp_path)


def test_guards_are_tried_with_rows_that_make_no_sense(tmp_path):
    """A function with reference rows: its own example passes, and values far away do not."""
    rows = "a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(400))
    source = "def add(a, b):\n    return {'sum': a + b}\n"
    folder = packed(tmp_path, source, "add", rows=rows)
    found = measured(open_package(folder / "add" / "1"), tmp_path)
    assert found.passes == "serve"
    held, marked, tried = found.strange
    assert (held, marked, tried) == (2, 0, 2)
    assert found.guards["contract"]["rows"] == 400
    assert found.real
    assert set(found.locks) == {"files", "network", "processes"}
    if resident():
        assert found.model > 5 << 20
    assert found.cpu_s > 0


def test_strange_rows_have_one_value_far_away_each():
    row = [np.ones((1, 2), np.float32), np.array([["red"]], object), np.ones((1, 1), np.int8)]
    made = strange_rows(row)
    assert [len(array) for array in made] == [4, 4, 4]
    assert made[0].tolist() == [[1001000.0, 1], [1, 1001000.0], [1, 1], [1, 1]]
    assert made[1].ravel().tolist() == ["red", "red", "never seen before", "red"]
    assert made[2].ravel().tolist() == [1, 1, 1, 63]
    assert made[2].dtype == np.int8


def test_an_input_that_is_no_table_is_far_away_as_a_whole():
    (made,) = strange_rows([np.zeros((1, 3, 4, 4), np.float16)])
    assert made.shape == (1, 3, 4, 4)
    assert np.isfinite(made).all()
    assert (made >= 1e4).all()
    assert strange_rows([np.array([[True]])]) == []
