"""torch modules of a notebook, and TorchScript."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.frameworks import torch_models as models  # noqa: E402
from tests.frameworks.parts import close, convert, rows_file  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def table(path, count=30, width=8, names=str):
    values = models.rows(count, width, seed=2).numpy().astype(np.float64)
    return rows_file(path, {names(i): values[:, i] for i in range(width)})


def test_torch_a_module_is_exported_by_its_reference_rows_and_left_as_it_was(tmp_path):
    module = models.made(models.Perceptron).train()
    found = convert("torch", module, tmp_path, **table(tmp_path / "rows.npz"))
    assert module.training
    assert found.shapes == {"features": [-1, 8], "output": [-1, 3]}
    assert found.facts["class"].endswith("Perceptron")
    assert found.comparison().faithful
    held_out = models.rows(11, 8, seed=6)
    assert close(found.predict(held_out), models.answers(module.eval(), held_out))


def test_torch_a_module_of_several_inputs_takes_whole_arrays_of_their_own_types(tmp_path):
    module = models.made(models.Reader)
    given = {"ids": models.ids(20, 6).numpy(), "mask": np.zeros((20, 6), dtype=bool)}
    found = convert("torch", module, tmp_path, **rows_file(tmp_path / "rows.npz", given))
    assert [s["datatype"] for s in found.facts["signature"]["inputs"]] == ["INT64", "BOOL"]
    ids, mask = models.ids(3, 6, seed=9), torch.zeros(3, 6, dtype=torch.bool)
    assert close(found.predict(ids, mask), models.answers(module, ids, mask))


def test_torch_whole_numbers_in_the_rows_are_numbers_where_the_module_wants_numbers(tmp_path):
    module = models.made(models.Perceptron)
    whole = {f"c{i}": np.arange(20) + i for i in range(8)}
    found = convert("torch", module, tmp_path, **rows_file(tmp_path / "rows.npz", whole))
    assert found.facts["signature"]["inputs"][0]["datatype"] == "FP32"


def test_torch_a_module_with_double_weights_takes_doubles(tmp_path):
    module = models.made(models.Perceptron).double()
    found = convert("torch", module, tmp_path, **table(tmp_path / "rows.npz"))
    assert found.facts["signature"]["inputs"][0]["datatype"] == "FP64"
    held_out = models.rows(4, 8, seed=6).double()
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_module_kept_native_is_stored_as_the_program_it_was_exported_to(tmp_path):
    module = models.made(models.Perceptron)
    found = convert("torch", module, tmp_path, native="to see", **table(tmp_path / "rows.npz"))
    assert found.facts["runtime"] == "torch"
    held_out = models.rows(4, 8, seed=6)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_module_without_rows_is_refused_with_both_ways_out(tmp_path):
    with pytest.raises(ValueError, match=r"give reference rows, or save it with torch\.export"):
        convert("torch", models.made(models.Perceptron), tmp_path)


def test_torch_rows_that_a_module_does_not_take_are_refused_with_its_own_words(tmp_path):
    job = table(tmp_path / "rows.npz", width=5)
    with pytest.raises(ValueError, match=r"does not take the reference rows: .*5"):
        convert("torch", models.made(models.Perceptron), tmp_path, **job)


def scripted(path, module=None):
    torch.jit.script(module or models.made(models.Choosing)).save(str(path))
    return path


def test_torch_script_is_code_and_is_read_only_where_the_owner_allows_it(tmp_path):
    path = scripted(tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"TorchScript, which is code.*--allow-code"):
        convert("torch", path, tmp_path, **table(tmp_path / "rows.npz", width=4))


def test_torch_script_with_rows_is_converted(tmp_path):
    path, module = scripted(tmp_path / "model.pt"), models.made(models.Choosing)
    job = table(tmp_path / "rows.npz", width=4, names="c{}".format)
    found = convert("torch", path, tmp_path, allow_code=True, **job)
    assert found.shapes == {"values": [-1, 4], "output_0": [-1, 2], "output_1": [-1]}
    assert [c.name for c in found.signature.columns] == ["c0", "c1", "c2", "c3"]
    assert found.comparison().faithful
    for count in (1, 9):
        held_out = models.rows(count, 4, seed=count)
        assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_a_trace_fixed_to_one_row_keeps_its_shape(tmp_path):
    module = models.made(models.Picture, True)

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, image):
            return self.inner(image.view(1, 3, 8, 8))

    path = tmp_path / "model.pt"
    torch.jit.trace(Fixed().eval(), models.rows(1, 3, 8, 8)).save(str(path))
    given = {"image": models.rows(5, 3, 8, 8).numpy()}
    job = rows_file(tmp_path / "rows.npz", given)
    found = convert("torch", path, tmp_path, allow_code=True, **job)
    assert found.shapes == {"image": [1, 3, 8, 8], "output": [1, 5]}
    assert found.comparison().rows == 5
    assert found.comparison().faithful
    held_out = models.rows(1, 3, 8, 8, seed=4)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_script_that_onnx_cannot_say_is_kept_as_the_file_that_was_given(tmp_path):
    module = models.made(models.Unconvertible)
    path = scripted(tmp_path / "model.pt", module)
    job = table(tmp_path / "rows.npz", width=3)
    found = convert("torch", path, tmp_path, allow_code=True, **job)
    assert found.facts["runtime"] == "torch"
    assert found.facts["about"] == {"kind": "script"}
    assert (found.out / "model.pt").read_bytes() == path.read_bytes()
    held_out = models.rows(4, 3, seed=6)
    assert close(found.predict(held_out), models.answers(module, held_out))


def test_torch_script_without_rows_is_refused_since_it_names_no_shapes(tmp_path):
    path = scripted(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="give reference rows"):
        convert("torch", path, tmp_path, allow_code=True)
