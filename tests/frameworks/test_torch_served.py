"""torch models from their file to an answer over a socket, and from a notebook."""

from __future__ import annotations

import zipfile

import pytest

torch = pytest.importorskip("torch")

from tests.frameworks import torch_models as models  # noqa: E402
from tests.frameworks.parts import close, rows_file, unwired, wire  # noqa: E402

import fairlead  # noqa: E402
from fairlead.cli.main import main  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
ROWS = {0: torch.export.Dim.AUTO}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A converted program, a transformer, a native program, native TorchScript, a module."""
    folder = tmp_path_factory.mktemp("torch")
    packed = folder / "models"
    both = {name: {0: ROWS[0], 1: ROWS[0]} for name in ("ids", "mask")}
    mask = torch.zeros(2, 7, dtype=torch.bool)
    programs = {
        "picture": models.exported(models.made(models.Picture), models.rows(1, 3, 8, 8)),
        "reader": models.exported(
            models.made(models.Reader), models.ids(2, 7), mask=mask, free=both
        ),
        "airy": models.exported(models.made(models.Unconvertible), models.rows(4, 3), free=(ROWS,)),
    }
    for name, program in programs.items():
        path = folder / f"{name}.pt2"
        torch.export.save(program, path)
        assert main(["pack", str(path), "--name", name, "--repository", str(packed)]) == 0
    script = folder / "script.pt"
    torch.jit.script(models.made(models.Unconvertible)).save(str(script))
    rows = rows_file(folder / "rows.npz", {"values": models.rows(20, 3).numpy()})["rows"]
    more = ["--reference", rows, "--allow-code", "--input-names", "numbers"]
    assert main(["pack", str(script), "--name", "script", "--repository", str(packed), *more]) == 0
    reference = models.rows(50, 8, seed=3).numpy()
    module = models.made(models.Perceptron)
    fairlead.pack(module, name="perceptron", repository=packed, reference=reference)
    return packed


def asked(client, model, **tensors):
    types = {"torch.float32": "FP32", "torch.int64": "INT64", "torch.bool": "BOOL"}
    kinds = {name: types[str(t.dtype)] for name, t in tensors.items()}
    body = wire({name: t.numpy() for name, t in tensors.items()}, kinds)
    answer = client.post(f"/v2/models/{model}/infer", json=body)
    assert answer.status_code == 200, answer.text
    return list(unwired(answer.json()).values())


@pytest.mark.parametrize("count", [1, 6])
def test_torch_what_is_served_answers_as_the_modules_do(serving, repository, count):
    client = serving(repository)
    image = models.rows(count, 3, 8, 8, seed=4)
    theirs = models.answers(models.made(models.Picture), image)
    assert close(asked(client, "picture", image=image), theirs)
    ids, mask = models.ids(count, 9), torch.zeros(count, 9, dtype=torch.bool)
    mask[:, -1] = True
    theirs = models.answers(models.made(models.Reader), ids, mask)
    assert close(asked(client, "reader", ids=ids, mask=mask), theirs)
    features = models.rows(count, 8, seed=5)
    theirs = models.answers(models.made(models.Perceptron), features)
    assert close(asked(client, "perceptron", features=features), theirs)


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize(("model", "name"), [("airy", "values"), ("script", "numbers")])
def test_torch_what_is_kept_native_is_served_by_a_runner(serving, repository, model, name, count):
    values = models.rows(count, 3, seed=6)
    theirs = models.answers(models.made(models.Unconvertible), values)
    assert close(asked(serving(repository), model, **{name: values}), theirs)
    shown = serving(repository).get(f"/models/{model}")
    assert "airy" in shown.text


def test_torch_rows_of_a_notebook_module_are_predicted_by_column(serving, repository):
    features = models.rows(2, 8, seed=7)
    rows = [{f"features[{i}]": v for i, v in enumerate(row)} for row in features.tolist()]
    answer = serving(repository).post("/predict/perceptron", json=rows)
    assert answer.status_code == 200, answer.text
    theirs = models.answers(models.made(models.Perceptron), features)[0]
    for number, found in enumerate(answer.json()["predictions"]):
        assert found["output"] == pytest.approx(theirs[number].tolist(), abs=1e-4)


def test_torch_script_is_not_packed_without_leave(tmp_path, capsys):
    path = tmp_path / "script.pt"
    torch.jit.script(models.made(models.Choosing)).save(str(path))
    repository = str(tmp_path / "models")
    assert main(["pack", str(path), "--name", "script", "--repository", repository]) != 0
    assert "--allow-code" in capsys.readouterr().err


def test_torch_an_archive_that_would_run_code_is_refused(tmp_path, capsys):
    """A program that calls the shell, where an operator of torch should stand."""
    path, evil = tmp_path / "model.pt2", tmp_path / "evil.pt2"
    torch.export.save(models.exported(models.made(models.Scaled), models.rows(4, 3)), path)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(evil, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            bad.writestr(name, content.replace(b"torch.ops.aten.mul.Tensor", b"torch.os.system"))
    repository = str(tmp_path / "models")
    assert main(["pack", str(evil), "--name", "evil", "--repository", repository]) != 0
    assert "torch.os.system" in capsys.readouterr().err
