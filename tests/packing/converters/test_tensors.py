"""Rows and answers of models that take whole tensors."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.core.signature import Signature
from fairlead.packing.converters import tensors
from fairlead.packing.rows import Table, inputs_of


def spec(name, shape, datatype="FP32"):
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def subject(inputs, outputs, call, **more):
    return tensors.Subject(inputs, outputs, call, **more)


def doubled(width=3, first=-1, **more):
    shape = (first, width)
    return subject([spec("x", shape)], [spec("y", shape)], lambda a: [2 * a[0]], **more)


def given(path, **columns):
    np.savez(path, **columns)
    return {"rows": str(path), "columns": list(columns)}


def test_a_model_is_batched_when_every_first_dimension_is_free():
    assert doubled().batched
    assert not doubled(first=2).batched
    assert not subject([spec("x", [-1, 3])], [spec("y", [3])], None).batched
    assert not subject([spec("x", [])], [spec("y", [-1])], None).batched


def test_made_up_rows_are_the_same_every_time_and_fit_the_signature():
    (first,), answers = tensors.asked(doubled(), {})
    (second,), _ = tensors.asked(doubled(), {})
    assert first.shape == (256, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert np.array_equal(answers[0], 2 * first)


def test_made_up_numbers_of_a_known_table_stay_inside_it():
    inputs = [spec("ids", [-1, 40], "INT64")]
    one = subject(inputs, [spec("y", [-1, 40], "INT64")], lambda a: [a[0]], bounds=[7])
    (rows,), _ = tensors.asked(one, {})
    assert set(rows.ravel().tolist()) == set(range(7))


def test_made_up_rows_shrink_until_the_model_takes_them():
    def call(arrays):
        if arrays[0].max() >= 5 or arrays[0].shape[1] < 20:
            raise IndexError("out of range")
        return [arrays[0]]

    inputs, outputs = [spec("ids", [-1, -1], "INT64")], [spec("y", [-1, -1], "INT64")]
    (rows,), _ = tensors.asked(subject(inputs, outputs, call), {})
    assert rows.max() < 5
    assert rows.shape[1] >= 20


def test_when_no_row_can_be_made_up_the_owner_is_asked_for_rows():
    def call(arrays):
        raise RuntimeError("seven only")

    inputs, outputs = [spec("x", [-1, 3])], [spec("y", [-1, 3])]
    with pytest.raises(ValueError, match=r"give reference rows \(seven only\)"):
        tensors.asked(subject(inputs, outputs, call), {})


def test_made_up_rows_without_an_answer_of_the_models_own_are_left_out():
    def call(arrays):
        with np.errstate(invalid="ignore"):
            return [np.sqrt(arrays[0])]

    inputs, outputs = [spec("x", [-1, 1])], [spec("y", [-1, 1])]
    (rows,), (answers,) = tensors.asked(subject(inputs, outputs, call), {})
    assert 50 < len(rows) < 200
    assert np.isfinite(answers).all()


def test_a_made_up_mask_never_hides_everything_nor_nothing():
    inputs, outputs = [spec("mask", [-1, 4], "BOOL")], [spec("y", [-1, 4], "BOOL")]
    (rows,), _ = tensors.asked(subject(inputs, outputs, lambda a: [a[0]]), {})
    assert set(rows.sum(axis=1).tolist()) == {1, 2, 3}


def test_large_inputs_are_made_up_in_small_numbers():
    shape = [-1, 3, 300, 300]
    one = subject([spec("x", shape)], [spec("y", [-1])], lambda a: [a[0].mean(axis=(1, 2, 3))])
    (rows,), _ = tensors.asked(one, {})
    assert 8 <= len(rows) <= 16


def test_columns_are_spread_over_the_inputs_and_name_them(tmp_path):
    inputs = [spec("left", [-1, 2]), spec("right", [-1, 1]), spec("third", [-1])]
    one = subject(inputs, [spec("y", [-1])], lambda a: [a[0].sum(1) + a[1][:, 0] + a[2]])
    job = given(tmp_path / "r.npz", a=[1.0, 2], b=[3.0, 4], c=[5.0, 6], d=[7.0, 8])
    rows, (answers,) = tensors.asked(one, job)
    assert [r.shape for r in rows] == [(2, 2), (2, 1), (2,)]
    assert answers.tolist() == [16, 20]
    assert [s["columns"] for s in inputs] == [["a", "b"], ["c"], ["d"]]


def test_columns_that_only_have_numbers_for_names_name_nothing(tmp_path):
    one = doubled()
    tensors.asked(one, given(tmp_path / "r.npz", **{str(i): np.ones(4) for i in range(3)}))
    assert "columns" not in one.inputs[0]


def test_whole_inputs_are_taken_by_name_before_order(tmp_path):
    inputs = [spec("a", [-1, 2]), spec("b", [-1, 2])]
    one = subject(inputs, [spec("y", [-1, 2])], lambda a: [a[0] - a[1]])
    named = given(tmp_path / "n.npz", b=np.zeros((3, 2)), a=np.ones((3, 2)))
    assert tensors.asked(one, named)[1][0].tolist() == [[1, 1]] * 3
    ordered = given(tmp_path / "o.npz", p=np.zeros((3, 2)), q=np.ones((3, 2)))
    assert tensors.asked(one, ordered)[1][0].tolist() == [[-1, -1]] * 3


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": np.ones(3), "b": np.ones(3)}, r"2 columns, the model takes x \[-1, 3\]"),
        ({"x": np.ones((3, 4))}, r"'x' have shape \[3, 4\], the model takes \[-1, 3\]"),
        ({"x": np.array([["a", "b", "c"]])}, "takes FP32, not object"),
        ({"x": np.ones((0, 3))}, r"have shape \[0, 3\]"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_what_the_model_takes(tmp_path, columns, said):
    with pytest.raises(ValueError, match=said):
        tensors.asked(doubled(), given(tmp_path / "r.npz", **columns))


def test_numbers_that_are_not_whole_are_refused_where_whole_ones_are_taken(tmp_path):
    inputs, outputs = [spec("x", [-1, 1], "INT64")], [spec("y", [-1, 1], "INT64")]
    one = subject(inputs, outputs, lambda a: [a[0]])
    assert tensors.asked(one, given(tmp_path / "a.npz", x=[1.0, 2.0]))[0][0].dtype == np.int64
    with pytest.raises(ValueError, match="'x' takes whole numbers"):
        tensors.asked(one, given(tmp_path / "b.npz", x=[1.5, 2.0]))


def test_rows_that_the_model_itself_refuses_are_refused_in_its_words(tmp_path):
    def call(arrays):
        raise RuntimeError("index 9 is out of range")

    one = subject([spec("x", [-1, 3])], [spec("y", [-1, 3])], call)
    with pytest.raises(ValueError, match="reference rows: index 9 is out of range"):
        tensors.asked(one, given(tmp_path / "r.npz", x=np.ones((2, 3))))


def test_rows_of_a_fixed_number_become_whole_calls_and_the_rest_is_left(tmp_path):
    one = doubled(first=2)
    (rows,), (answers,) = tensors.asked(one, given(tmp_path / "r.npz", x=np.ones((7, 3))))
    assert rows.shape == answers.shape == (3, 2, 3)
    with pytest.raises(ValueError, match=r"the model takes \[2, 3\]"):
        tensors.asked(one, given(tmp_path / "s.npz", x=np.ones((1, 3))))


def test_a_model_that_answers_at_random_is_refused():
    random = np.random.default_rng(0)
    one = doubled()
    one.call = lambda arrays: [random.normal(size=arrays[0].shape)]
    with pytest.raises(ValueError, match="differently each time"):
        tensors.asked(one, {})


@pytest.mark.parametrize(
    "call",
    [
        lambda arrays: [arrays[0] - arrays[0].mean(axis=0)],
        lambda arrays: [arrays[0] * len(arrays[0])],
        lambda arrays: [np.repeat(arrays[0], len(arrays[0]), axis=0)],
    ],
)
def test_a_model_whose_rows_change_each_others_answers_is_refused(call):
    one = doubled()
    one.call = call
    with pytest.raises(ValueError, match="depends on the rows beside it"):
        tensors.asked(one, {})


def test_a_model_that_takes_no_single_row_is_refused():
    def call(arrays):
        if len(arrays[0]) < 2:
            raise RuntimeError("two at least")
        return [arrays[0]]

    one = doubled()
    one.call = call
    with pytest.raises(ValueError, match="does not take a single row: RuntimeError: two at least"):
        tensors.asked(one, {})


@pytest.mark.parametrize(
    "inputs",
    [
        [spec("x", [-1, 3])],
        [spec("x", [-1, 1]), spec("n", [-1], "INT64")],
        [spec("x", [-1, 2, 2]), spec("n", [-1], "INT64")],
        [spec("x", [2, 3])],
        [spec("t", [-1], "BYTES"), spec("x", [-1, 2])],
    ],
)
def test_saved_rows_are_read_again_as_the_very_same_inputs(tmp_path, inputs):
    shape = [2, 3] if inputs[0]["shape"][0] == 2 else [-1]
    one = subject(inputs, [spec("y", shape)], lambda a: [np.zeros(a[0].shape[: len(shape)], "f4")])
    rows, answers = tensors.asked(one, {})
    tensors.save(one, rows, answers, tmp_path)
    with np.load(tmp_path / "rows.npz", allow_pickle=False) as arrays:
        read = {n: arrays[n] for n in arrays.files}
    table = Table({n: a.astype(object) if a.dtype.kind == "U" else a for n, a in read.items()})
    found = inputs_of(table, Signature.from_json(one.signature))
    for mine, theirs in zip(found, rows, strict=True):
        assert mine.shape == theirs.shape
        assert (mine == theirs).all()
