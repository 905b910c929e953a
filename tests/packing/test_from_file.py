"""From a file to a package: the way it takes, what is noted of it, the cache of `serve FILE`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn import linear_model
from tests.packing import graphs, trained
from tests.packing.airlock import hostile

from fairlead.core.errors import (
    BadUsage,
    FileUnreadable,
    FormatUnknown,
    RowsInvalid,
    UnsafeFile,
    VersionExists,
)
from fairlead.packages.read import read_verified, verify
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.faithful import Wanted, silent
from fairlead.packing.formats import detect
from fairlead.packing.from_file import (
    facts_of,
    name_of,
    pack_file,
    pack_to_cache,
    requirements_text,
    size_of,
)
from fairlead.packing.rows import Table


def written(folder: Path, raw: bytes, name: str = "model") -> str:
    (folder / name).write_bytes(raw)
    return str(folder / name)


def wanted(folder: Path, **more: Any) -> Wanted:
    return Wanted("m", folder / "repository", **more)


def test_an_onnx_file_needs_no_airlock(tmp_path):
    told: list[tuple[str, str]] = []
    raw = graphs.added(graphs.weight()).SerializeToString()
    package = pack_file(
        written(tmp_path, raw),
        wanted(tmp_path),
        Airlock(python="/nowhere"),
        lambda step, text: told.append((step, text)),
    )
    assert told[0] == ("read", "ONNX (onnx)")
    assert told[-1] == ("write", f"m version 1 in {package.folder}")
    assert package.trained["format"] == "onnx"
    assert package.trained["file"] == "model"
    assert package.trained["size"] == len(raw)
    assert package.trained["sha256"] == hashlib.sha256(raw).hexdigest()


def test_a_pickle_goes_through_the_airlock_and_answers_as_it_did(tmp_path):
    rows = {f"f{n}": trained.X[:, n] for n in range(4)}
    model = linear_model.RidgeClassifier().fit(trained.X, trained.Y)
    joblib.dump(model, tmp_path / "model.joblib")
    table = Table({**rows, "species": trained.Y})
    package = pack_file(
        str(tmp_path / "model.joblib"),
        wanted(tmp_path, evaluation=table, target="species"),
        Airlock(),
        silent,
    )
    verify(package)
    assert (package.runtime, package.isolated) == ("onnx", False)
    assert package.trained["class"].endswith("RidgeClassifier")
    import json

    measured = json.loads(read_verified(package, "measured.json"))
    expected = float(np.mean(model.predict(trained.X) == trained.Y))
    assert measured["evaluation"]["accuracy"] == pytest.approx(expected)
    assert measured["comparison"]["labels"] == 1.0
    with np.load(package.folder / "evidence" / "evaluation.npz") as kept:
        assert list(kept) == ["f0", "f1", "f2", "f3", "species"]


def test_an_attack_leaves_no_package_and_no_canary(tmp_path):
    canary = tmp_path / "canary"
    raw, _ = hostile.corpus(str(canary))["os.system by REDUCE"]
    with pytest.raises(UnsafeFile, match=r"os\.system"):
        pack_file(written(tmp_path, raw), wanted(tmp_path), Airlock(), silent)
    assert not canary.exists()
    assert not (tmp_path / "repository").exists()


def test_what_would_be_refused_at_the_end_is_refused_at_once(tmp_path):
    """The interpreter does not exist, so anything later would say so."""
    never = Airlock(python="/nowhere")
    path = written(tmp_path, trained.contents()["pickle"])
    (tmp_path / "repository" / "m" / "3").mkdir(parents=True)
    with pytest.raises(VersionExists):
        pack_file(path, wanted(tmp_path, version=3), never, silent)
    table = Table({"a": np.ones(3)})
    with pytest.raises(RowsInvalid, match="no column 'b'"):
        pack_file(path, wanted(tmp_path, evaluation=table, target="b"), never, silent)
    with pytest.raises(BadUsage, match="cannot name a model"):
        pack_file(path, Wanted("../m", tmp_path), never, silent)


def test_torchscript_is_refused_unless_its_code_is_allowed(tmp_path):
    path = written(tmp_path, trained.contents()["torchscript"])
    with pytest.raises(BadUsage, match="code of its own") as refused:
        pack_file(path, wanted(tmp_path), Airlock(), silent)
    assert "--allow-code" in (refused.value.fix or "")


def test_an_onnx_graph_names_its_inputs_itself(tmp_path):
    path = written(tmp_path, graphs.added(graphs.weight()).SerializeToString())
    with pytest.raises(BadUsage, match="names its inputs itself"):
        pack_file(path, wanted(tmp_path, input_names=("a",)), Airlock(), silent)


def test_a_python_file_that_lacks_the_function_is_refused_before_it_runs(tmp_path):
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w')\ndef other(a): ...\n"
    path = written(tmp_path, source.encode(), "model.py")
    with pytest.raises(FormatUnknown, match="defines no 'predict'"):
        pack_file(f"{path}:predict", wanted(tmp_path), Airlock(), silent)
    assert not canary.exists()


def test_the_facts_of_a_folder_change_with_any_file_in_it(tmp_path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "variables" / "a").write_bytes(b"12345")
    file = detect(str(folder))
    before = facts_of(file)
    assert (before["format"], before["file"], before["size"]) == ("savedmodel", "saved", 7)
    assert size_of(folder) == 7
    (folder / "variables" / "a").rename(folder / "variables" / "b")
    renamed = facts_of(file)
    (folder / "variables" / "b").write_bytes(b"12346")
    assert len({before["sha256"], renamed["sha256"], facts_of(file)["sha256"]}) == 3


def test_the_cache_packs_a_file_once_and_a_changed_one_again(tmp_path):
    cache = tmp_path / "cache"
    path = written(tmp_path, graphs.added(graphs.weight()).SerializeToString(), "my model.onnx")
    first = pack_to_cache(path, cache, "", Airlock())
    assert first.name == "my-model"
    again = pack_to_cache(path, cache, "", Airlock())
    assert again.folder == first.folder
    assert pack_to_cache(path, cache, "other", Airlock()).folder != first.folder
    assert pack_to_cache(path, cache, "", Airlock(allow=("a.B",))).folder != first.folder
    written(
        tmp_path,
        graphs.added(graphs.weight(np.zeros(2, np.float32))).SerializeToString(),
        "my model.onnx",
    )
    changed = pack_to_cache(path, cache, "", Airlock())
    assert changed.folder != first.folder
    assert read_verified(changed, changed.graph) != read_verified(first, first.graph)


def test_the_cache_sees_that_data_beside_a_graph_has_changed(tmp_path):
    path = written(tmp_path, graphs.outside(location="w").SerializeToString())
    (tmp_path / "w").write_bytes(np.array([1, 2], np.float32).tobytes())
    first = pack_to_cache(path, tmp_path / "cache", "", Airlock())
    (tmp_path / "w").write_bytes(np.array([3, 4], np.float32).tobytes())
    second = pack_to_cache(path, tmp_path / "cache", "", Airlock())
    assert read_verified(first, first.graph) != read_verified(second, second.graph)
    (tmp_path / "w").unlink()
    (tmp_path / "w").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeFile):
        pack_to_cache(path, tmp_path / "cache", "", Airlock())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("model.onnx", "model"),
        ("my model.v2.joblib", "my-model"),
        ("größe.onnx", "gr-e"),
        (".hidden", "model"),
        ("---.onnx", "model"),
        ("模型.onnx", "model"),
        ("a" * 200 + ".onnx", "model"),
        ("a..b.onnx", "a"),
    ],
)
def test_a_models_name_is_made_of_its_files(file, name):
    assert name_of(Path("/folder") / file) == name


def test_requirements_are_read_as_text_or_said_to_be_unreadable(tmp_path):
    assert requirements_text("") == ""
    assert requirements_text(written(tmp_path, b"numpy==1\n")) == "numpy==1\n"
    with pytest.raises(FileUnreadable, match="cannot be read"):
        requirements_text(str(tmp_path / "absent"))
    with pytest.raises(FileUnreadable, match="not UTF-8"):
        requirements_text(written(tmp_path, b"\xff\xfe"))


def test_columns_may_be_called_as_numpy_calls_its_own_arguments(tmp_path):
    path = written(
        tmp_path, b"def predict(file, allow_pickle):\n    return file + allow_pickle\n", "f.py"
    )
    rows = Table({"file": np.arange(3.0), "allow_pickle": np.ones(3)})
    package = pack_file(f"{path}:predict", wanted(tmp_path, reference=rows), Airlock(), silent)
    assert [spec.name for spec in package.signature.inputs] == ["file", "allow_pickle"]
