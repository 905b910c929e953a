"""ONNX graphs in the worker: right answers, clear errors, and nothing read but verified bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests import models

from fairlead.core.clock import now
from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import LoadFailed, MissingExtra, ModelError, ModelHung, PackageInvalid
from fairlead.core.signature import Signature
from fairlead.packages.read import read_verified
from fairlead.runtimes import onnx
from fairlead.runtimes.onnx import OnnxRuntime


def load(package, graph: bytes | None = None):
    """The loaded package, with other bytes for its graph when they are given."""
    given = (lambda _: graph) if graph is not None else lambda name: read_verified(package, name)
    return OnnxRuntime().load(package, given)


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype_goes_in_and_comes_out_unchanged(tmp_path, datatype):
    package = models.identity(tmp_path, datatype)
    dtype = package.signature.inputs[0].dtype
    rows = [["a", "", "né 😀", "x" * 300]] * 2 if dtype.is_text else [[0, 1, 1, 0], [1, 0, 1, 1]]
    x = np.array(rows, dtype=dtype.numpy)
    (y,) = load(package).predict([x], (0,))
    assert y.tolist() == x.tolist()
    assert y.dtype == x.dtype


def test_the_wanted_outputs_come_in_the_order_that_is_asked_for(tmp_path):
    model = load(models.classifier(tmp_path))
    x = np.array([[9, 1, 2, 0]], dtype=np.float32)
    label, scores = model.predict([x], (0, 1))
    assert (label.tolist(), scores.shape) == (["red"], (1, 3))
    scores, label = model.predict([x], (1, 0))
    assert (label.tolist(), scores.shape) == (["red"], (1, 3))
    assert [answer.shape for answer in model.predict([x], (1,))] == [(1, 3)]


def test_a_graph_that_fails_says_so_and_predicts_again(tmp_path):
    model = load(models.picky(tmp_path))
    with pytest.raises(ModelError, match="out of data bounds") as caught:
        model.predict([np.array([[7]])], (0,))
    for word in ("ONNXRuntimeError", "/onnxruntime", ".cc:", str(tmp_path)):
        assert word not in caught.value.what
    assert model.predict([np.array([[2]])], (0,))[0].tolist() == [[20]]


def test_after_closing_it_predicts_no_more(tmp_path):
    model = load(models.total(tmp_path))
    model.close()
    with pytest.raises(ModelError):
        model.predict([np.zeros((1, 3), np.float32)], (0,))


@pytest.mark.parametrize("graph", [b"", b"x", b"\x08\x09" * 50, b"\xff" * 1000])
def test_bytes_that_are_no_graph_are_refused_with_model_and_version(tmp_path, graph):
    with pytest.raises(LoadFailed, match="cannot load the graph") as caught:
        load(models.total(tmp_path), graph)
    assert caught.value.where == "total version 1"
    assert str(tmp_path) not in caught.value.line()


def test_a_damaged_graph_is_refused_before_it_is_parsed(tmp_path):
    package = models.total(tmp_path)
    (package.folder / package.graph).write_bytes(b"x")
    with pytest.raises(PackageInvalid):
        load(package)


def test_a_graph_of_other_inputs_or_outputs_than_the_signature_is_refused(tmp_path):
    package = models.total(tmp_path)
    for signature in (
        Signature((replace(package.signature.inputs[0], name="z"),), package.signature.outputs),
        Signature(package.signature.inputs, (replace(package.signature.outputs[0], name="z"),)),
        Signature((*package.signature.inputs, models.spec("w", "FP32", (-1,))),
                  package.signature.outputs),
    ):  # fmt: skip
        with pytest.raises(LoadFailed, match="not those of the signature"):
            load(replace(package, signature=signature))


def test_without_its_library_the_extra_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(onnx, "import_module", absent)
    with pytest.raises(MissingExtra) as caught:
        load(models.total(tmp_path))
    assert "pip install onnxruntime" in caught.value.line()


# --- weights outside the graph -------------------------------------------------------------


def _outside(location: str) -> bytes:
    """total's graph, with its weights in a file beside it."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 1])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "12")):
        weights.external_data.add(key=key, value=value)
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 3), ("value", 1))
    )
    node = helper.make_node("MatMul", ["x", "w"], ["value"])
    graph = helper.make_graph([node], "g", [x], [y], [weights])
    domain = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[domain], ir_version=9).SerializeToString()


@pytest.mark.parametrize("where", ["secret", "./secret", "../{here}/secret", "{folder}/secret"])
def test_a_graph_cannot_make_the_server_read_any_file(tmp_path, monkeypatch, where):
    """Not below the working directory either, from which onnxruntime would take it."""
    package = models.total(tmp_path / "repository")
    (tmp_path / "secret").write_bytes(np.ones(3, np.float32).tobytes())
    (package.folder / "graph" / "secret").write_bytes(np.ones(3, np.float32).tobytes())
    location = where.format(here=tmp_path.name, folder=tmp_path)
    for folder in (tmp_path, package.folder, package.folder / "graph"):
        monkeypatch.chdir(folder)
        with pytest.raises(LoadFailed):
            load(package, _outside(location))


# --- time ----------------------------------------------------------------------------------


def test_a_graph_with_a_loop_is_known_to_have_no_bound(tmp_path):
    assert load(models.steps(tmp_path)).endless
    assert not load(models.classifier(tmp_path)).endless
    assert not load(models.mixed(tmp_path)).endless


def test_a_run_is_stopped_when_it_is_interrupted_and_the_next_one_runs(tmp_path):
    model = load(models.steps(tmp_path))
    result: list[object] = []
    again = threading.Event()

    def predict() -> None:
        model.guard()
        try:
            result.append(model.predict([np.array([[10**9]])], (0,)))
        except ModelHung as error:
            result.append(error)
        again.wait(60)
        result.append(model.predict([np.array([[5]])], (0,))[0].tolist())

    thread = threading.Thread(target=predict)
    thread.start()
    end = now() + 60
    while not result:
        # Also before the run has begun, when there is nothing to stop.
        model.interrupt(thread.ident or 0)
        assert now() < end
    again.set()
    thread.join(60)
    assert isinstance(result[0], ModelHung)
    assert result[1] == [[5]]


def test_interrupting_a_thread_that_runs_nothing_does_nothing(tmp_path):
    model = load(models.total(tmp_path))
    model.interrupt(threading.get_ident())
    assert model.predict([np.ones((1, 3), np.float32)], (0,))[0].tolist() == [[3.0]]


TELEMETRY = """
import os, sys
from pathlib import Path
from fairlead.packages.read import open_package, read_verified
from fairlead.runtimes.onnx import OnnxRuntime
import numpy
before = len(os.listdir("/proc/self/task"))
package = open_package(Path(sys.argv[1]))
model = OnnxRuntime().load(package, lambda name: read_verified(package, name))
model.predict([numpy.zeros((1, 3), "f4")], (0,))
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_library_keeps_no_database_and_no_thread_that_reports_its_use(tmp_path):
    package = models.total(tmp_path / "models")
    home = tmp_path / "home"
    home.mkdir()
    known = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
    done = subprocess.run(
        [sys.executable, "-c", TELEMETRY, package.folder],
        env=known | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"
    assert list(home.rglob("*")) == []
