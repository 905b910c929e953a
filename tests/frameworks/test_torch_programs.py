"""Exported programs of torch: converted, compared with the module, kept native where they must."""

from __future__ import annotations

import io
import os
import zipfile
from importlib.metadata import version

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.frameworks import torch_models as models  # noqa: E402
from tests.frameworks.parts import close, convert, rows_file  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
AUTO = torch.export.Dim.AUTO
ROWS = {0: AUTO}


def saved(program, path):
    torch.export.save(program, path)
    return path


def test_torch_a_dynamic_first_dimension_becomes_a_batched_graph_under_forwards_own_names(tmp_path):
    module = models.made(models.Perceptron)
    program = models.exported(module, models.rows(4, 8), free=(ROWS,))
    found = convert("torch", saved(program, tmp_path / "model.pt2"), tmp_path)
    assert found.shapes == {"features": [-1, 8], "output": [-1, 3]}
    assert found.signature.batched
    assert found.facts["sampled"]
    assert found.comparison().faithful
    for count in (1, 2, 33):
        held_out = models.rows(count, 8, seed=count)
        assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_the_same_program_makes_the_same_bytes_that_tell_nothing_of_the_machine(tmp_path):
    program = models.exported(models.made(models.Picture), models.rows(2, 3, 8, 8), free=(ROWS,))
    path = saved(program, tmp_path / "model.pt2")
    first, second = convert("torch", path, tmp_path), convert("torch", program, tmp_path)
    assert first.graph == second.graph
    for told in (b"site-packages", b"forward", str(tmp_path).encode(), b"convolution"):
        assert told not in first.graph


@pytest.mark.parametrize("size", [1, 4])
def test_torch_a_program_fixed_to_its_examples_rows_is_freed_when_that_is_exact(tmp_path, size):
    module = models.made(models.Perceptron)
    found = convert("torch", models.exported(module, models.rows(size, 8)), tmp_path)
    assert found.shapes == {"features": [-1, 8], "output": [-1, 3]}
    assert found.comparison().faithful
    for count in (1, 3, 50):
        held_out = models.rows(count, 8, seed=count)
        assert close(found.predict(held_out), models.answers(module, held_out))


@pytest.mark.parametrize("by_size", [False, True])
def test_torch_a_picture_network_is_freed_also_when_it_reshapes_by_the_number_of_rows(
    tmp_path, by_size
):
    module = models.made(models.Picture, by_size)
    found = convert("torch", models.exported(module, models.rows(1, 3, 8, 8)), tmp_path)
    assert found.shapes == {"image": [-1, 3, 8, 8], "output": [-1, 5]}
    held_out = models.rows(7, 3, 8, 8, seed=5)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_program_that_cannot_be_freed_exactly_keeps_its_fixed_shape(tmp_path):
    module = models.made(models.Centred)
    found = convert("torch", models.exported(module, models.rows(4, 3)), tmp_path)
    assert found.shapes == {"values": [4, 3], "output": [4, 3]}
    assert not found.signature.batched
    assert found.comparison().faithful
    held_out = models.rows(4, 3, seed=3)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_transformer_takes_ids_and_a_mask_of_any_length(tmp_path):
    module = models.made(models.Reader)
    free = {name: {0: AUTO, 1: AUTO} for name in ("ids", "mask")}
    mask = torch.zeros(2, 7, dtype=torch.bool)
    program = models.exported(module, models.ids(2, 7), mask=mask, free=free)
    found = convert("torch", saved(program, tmp_path / "model.pt2"), tmp_path)
    assert [s["datatype"] for s in found.facts["signature"]["inputs"]] == ["INT64", "BOOL"]
    assert found.shapes == {"ids": [-1, -1], "mask": [-1, -1], "logits": [-1, 2], "mean": [-1]}
    assert found.rows.columns["ids"].max() < models.WORDS
    assert found.comparison().faithful
    for count, length in ((1, 5), (9, 12)):
        ids, mask = models.ids(count, length), torch.zeros(count, length, dtype=torch.bool)
        mask[:, -2:] = True
        assert close(found.predict(ids, mask), models.answers(module, ids, mask))


def test_torch_two_inputs_and_two_outputs_one_of_which_is_an_input(tmp_path):
    module = models.made(models.Two)
    program = models.exported(module, models.rows(3, 4), models.rows(3, 2, 5), free=(ROWS, ROWS))
    found = convert("torch", program, tmp_path)
    assert found.shapes == {
        "a": [-1, 4],
        "b": [-1, 2, 5],
        "output_0": [-1, 3],
        "output_1": [-1, 2, 5],
    }
    given = models.rows(6, 4, seed=8), models.rows(6, 2, 5, seed=9)
    assert close(found.predict(*given), models.answers(module, *given))


def test_torch_the_owners_input_names_win_and_must_be_as_many(tmp_path):
    module = models.made(models.Two)
    program = models.exported(module, models.rows(3, 4), models.rows(3, 2, 5), free=(ROWS, ROWS))
    found = convert("torch", program, tmp_path, input_names=["left", "right"])
    assert list(found.shapes)[:2] == ["left", "right"]
    given = models.rows(6, 4, seed=8), models.rows(6, 2, 5, seed=9)
    assert close(found.predict(*given), models.answers(module, *given))
    with pytest.raises(ValueError, match="1 input names are given, the model has 2: a, b"):
        convert("torch", program, tmp_path, input_names=["left"])


def test_torch_an_argument_that_is_no_tensor_keeps_its_exported_value(tmp_path):
    module = models.made(models.Scaled)
    program = models.exported(module, models.rows(4, 3), 5.0, free=(ROWS, None))
    for job in ({}, {"native": "to see"}):
        found = convert("torch", program, tmp_path, **job)
        assert found.shapes == {"values": [-1, 3], "output": [-1, 3]}
        held_out = models.rows(2, 3, seed=4)
        assert close(found.predict(held_out), [held_out.numpy() * 5.0])


def test_torch_reference_rows_are_answered_by_the_module_and_name_the_columns(tmp_path):
    module = models.made(models.Perceptron)
    program = models.exported(module, models.rows(4, 8), free=(ROWS,))
    table = models.rows(20, 8, seed=2).numpy().astype(np.float64)
    job = rows_file(tmp_path / "rows.npz", {f"c{i}": table[:, i] for i in range(8)})
    found = convert("torch", program, tmp_path, **job)
    assert not found.facts["sampled"]
    assert [c.name for c in found.signature.columns] == [f"c{i}" for i in range(8)]
    with np.load(found.out / "original.npz") as original:
        theirs = models.answers(module, torch.from_numpy(table.astype(np.float32)))
        assert close([original["output"]], theirs)
    assert found.comparison().faithful


def test_torch_reference_rows_that_do_not_fit_are_refused_with_what_the_model_takes(tmp_path):
    program = models.exported(models.made(models.Perceptron), models.rows(4, 8), free=(ROWS,))
    job = rows_file(tmp_path / "rows.npz", {"a": np.ones(3), "b": np.ones(3)})
    with pytest.raises(ValueError, match=r"2 columns, the model takes features \[-1, 8\]"):
        convert("torch", program, tmp_path, **job)


def test_torch_what_onnx_cannot_say_is_kept_as_the_file_that_was_given(tmp_path):
    module = models.made(models.Unconvertible)
    program = models.exported(module, models.rows(4, 3), free=(ROWS,))
    path = saved(program, tmp_path / "model.pt2")
    found = convert("torch", path, tmp_path)
    assert found.facts["runtime"] == "torch"
    assert "airy" in found.facts["reason"]
    assert (found.out / "model.pt2").read_bytes() == path.read_bytes()
    # The distribution's version: torch itself may add the platform that it was built for.
    assert found.facts["versions"]["torch"] == version("torch")
    for count in (1, 5):
        held_out = models.rows(count, 3, seed=count)
        assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_graph_that_was_not_faithful_is_kept_native_and_not_tried_as_float64(tmp_path):
    program = models.exported(models.made(models.Perceptron), models.rows(4, 8), free=(ROWS,))
    found = convert("torch", program, tmp_path, double=True)
    assert found.facts["runtime"] == "torch"
    assert "does not answer as the module does" in found.facts["reason"]


def test_torch_a_freed_program_that_is_kept_native_is_the_freed_one(tmp_path):
    module = models.made(models.Unconvertible)
    path = saved(models.exported(module, models.rows(1, 3)), tmp_path / "model.pt2")
    found = convert("torch", path, tmp_path)
    assert found.facts["runtime"] == "torch"
    assert found.shapes == {"values": [-1, 3], "output": [-1, 3]}
    held_out = models.rows(6, 3, seed=7)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_program_in_training_mode_is_refused_and_told_of_eval(tmp_path):
    picture = models.made(models.Picture).train()
    program = models.exported(picture, models.rows(2, 3, 8, 8), free=(ROWS,))
    with pytest.raises(ValueError, match=r"rows beside it.*model\.eval\(\)"):
        convert("torch", program, tmp_path)
    perceptron = models.made(models.Perceptron).train()
    program = models.exported(perceptron, models.rows(4, 8), free=(ROWS,))
    with pytest.raises(ValueError, match=r"differently each time.*model\.eval\(\)"):
        convert("torch", program, tmp_path)


def test_torch_a_program_whose_rows_need_each_other_is_no_batch(tmp_path):
    program = models.exported(models.made(models.Centred), models.rows(4, 3), free=(ROWS,))
    with pytest.raises(ValueError, match="a row's answer depends on the rows beside it"):
        convert("torch", program, tmp_path)


def test_torch_a_bound_on_the_batch_that_the_program_does_not_need_binds_nobody(tmp_path):
    module = models.made(models.Unconvertible)
    bounded = {0: torch.export.Dim("rows", min=2, max=8)}
    program = models.exported(module, models.rows(4, 3), free=(bounded,))
    found = convert("torch", program, tmp_path)
    for count in (1, 30):
        held_out = models.rows(count, 3, seed=count)
        assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_datatype_that_does_not_travel_is_named(tmp_path):
    module = models.made(models.Scaled)
    program = models.exported(module, models.rows(4, 3).bfloat16(), free=(ROWS,))
    with pytest.raises(ValueError, match=r"'values' is torch.bfloat16.*cast it"):
        convert("torch", program, tmp_path)


def test_torch_files_that_hold_no_program_are_refused_with_how_to_save_one(tmp_path):
    module = models.made(models.Perceptron)
    path = tmp_path / "model.pt"
    for thing in (module, module.state_dict()):
        torch.save(thing, path)
        with pytest.raises(
            ValueError, match=r"pickled module or a state_dict.*torch\.export\.save"
        ):
            convert("torch", path, tmp_path)
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match=r"no torch archive.*torch\.export\.save"):
        convert("torch", path, tmp_path)


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("entry", ["sample_inputs/model.pt", "weights/weight_0"])
def test_torch_pickles_inside_an_archive_are_read_as_tensors_or_not_at_all(tmp_path, entry):
    path, evil, mark = tmp_path / "model.pt2", tmp_path / "evil.pt2", tmp_path / "ran"
    program = models.exported(models.made(models.Perceptron), models.rows(4, 8))
    saved(program, path)
    poison = io.BytesIO()
    torch.save((Evil(mark),), poison)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(evil, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name.endswith("_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true')
            bad.writestr(name, poison.getvalue() if name.endswith(entry) else content)
    torch.load(io.BytesIO(poison.getvalue()), weights_only=False)
    assert mark.exists()
    mark.rmdir()
    with pytest.raises(Exception, match=r"(?i)weights.only|unpickl"):
        convert("torch", evil, tmp_path)
    assert not mark.exists()
