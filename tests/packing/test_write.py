"""A package is there whole or not at all: killed anywhere, written by many, or on a full disk."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.errors import FileUnreadable, PackageInvalid, VersionExists
from fairlead.packages.read import open_package, verify
from fairlead.packages.repository import committed
from fairlead.packing import write

FACTS = {
    "runtime": "onnx", "isolated": False, "graph": "graph/model.onnx", "reason": "",
    "trained": {}, "environment": {},
}  # fmt: skip


SIGNATURE = write.json_bytes(
    {
        "format": 1,
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
    }
)


def files(size: int = 100) -> dict[str, bytes | Path]:
    return {
        "graph/model.onnx": os.urandom(size),
        "signature.json": SIGNATURE,
        "model.toml": b"",
        "measured.json": b"{}",
    }


def commit(repository: Path, version: int | None = None, **more: Any) -> Any:
    return write.commit(repository, "m", version, FACTS, {**files(), **more})


def visible(repository: Path) -> list[str]:
    """What is in the model's folder, hidden or not."""
    return sorted(p.name for p in (repository / "m").iterdir())


def test_versions_count_up_and_are_read_back_whole(tmp_path):
    for number in (1, 2, 3):
        package = commit(tmp_path)
        assert package.version == number
        assert package.folder == tmp_path / "m" / str(number)
        verify(open_package(package.folder))
    assert commit(tmp_path, 7).version == 7
    assert commit(tmp_path).version == 8
    assert visible(tmp_path) == ["1", "2", "3", "7", "8"]
    assert (tmp_path / "m" / "1").stat().st_mode & 0o777 == 0o755


def test_a_version_that_is_there_is_refused_and_stays_as_it_was(tmp_path):
    first = commit(tmp_path, 1)
    before = (first.folder / "manifest.json").read_bytes()
    for do in (lambda: commit(tmp_path, 1), lambda: write.check_free(tmp_path, "m", 1)):
        with pytest.raises(VersionExists, match="version 1 is in the repository already"):
            do()
    assert (first.folder / "manifest.json").read_bytes() == before
    assert visible(tmp_path) == ["1"]
    write.check_free(tmp_path, "m", None)
    write.check_free(tmp_path, "m", 2)


@pytest.mark.parametrize("kind", ["file", "dangling", "folder"])
def test_anything_in_the_place_of_a_version_is_left_there(tmp_path, kind):
    (tmp_path / "m").mkdir()
    place = tmp_path / "m" / "1"
    if kind == "file":
        place.write_text("mine")
    elif kind == "dangling":
        place.symlink_to("nowhere")
    else:
        (place / "mine").mkdir(parents=True)
    with pytest.raises(VersionExists):
        commit(tmp_path, 1)
    assert commit(tmp_path).version == 2
    assert visible(tmp_path) == ["1", "2"]


def test_a_file_and_a_folder_are_copied(tmp_path):
    (tmp_path / "given" / "inner").mkdir(parents=True)
    (tmp_path / "given" / "inner" / "a").write_bytes(b"a")
    (tmp_path / "one").write_bytes(b"one")
    package = commit(
        tmp_path / "r", **{"native": tmp_path / "given", "native2/one": tmp_path / "one"}
    )
    assert {"native/inner/a", "native2/one"} <= set(package.files)


def test_words_that_cannot_be_served_leave_nothing(tmp_path):
    with pytest.raises(PackageInvalid):
        commit(tmp_path, **{"model.toml": b"[limits]\nmax_rows = 'many'\n"})
    with pytest.raises(PackageInvalid):
        commit(tmp_path, **{"signature.json": b"{}"})
    assert visible(tmp_path) == []
    assert committed(tmp_path) == []


def test_a_repository_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileUnreadable, match="cannot be written"):
        commit(tmp_path / "file")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "m").write_text("")
    with pytest.raises(FileUnreadable, match="cannot be written"):
        commit(tmp_path / "r")


@pytest.mark.parametrize("call", ["write_bytes", "fsync", "rename"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch, call):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(FileUnreadable, match="No space left"):
        commit(tmp_path)
    monkeypatch.undo()
    assert visible(tmp_path) == []


def test_everything_is_durable_before_the_manifest_is_there(tmp_path, monkeypatch):
    synced: set[int] = set()
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    package = commit(tmp_path, **{"native/a": b"1"})
    everything = [package.folder, *package.folder.rglob("*"), package.folder.parent]
    assert {p.stat().st_ino for p in everything} <= synced


def test_many_packers_at_once_get_a_version_each(tmp_path):
    got: list[int] = []
    start = threading.Barrier(8)

    def pack() -> None:
        start.wait()
        for _ in range(4):
            got.append(commit(tmp_path).version)

    threads = [threading.Thread(target=pack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 33))
    for found in committed(tmp_path):
        assert open_package(found.folder).version == found.version
        verify(open_package(found.folder))


def test_of_many_packers_of_one_version_one_wins(tmp_path):
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def pack() -> None:
        start.wait()
        try:
            outcomes.append(str(commit(tmp_path, 5).version))
        except VersionExists:
            outcomes.append("exists")

    threads = [threading.Thread(target=pack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["5", *["exists"] * 7]
    assert visible(tmp_path) == ["5"]


WRITER = """
import os, signal, sys
from pathlib import Path
from fairlead.packing import write
from tests.packing.test_write import FACTS, files

def count(event, _):
    global left
    if event.startswith(("open", "os.", "shutil.")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

for step in range(1, 1000):
    child = os.fork()
    if child == 0:
        left = step
        made = files(1 << 16)
        sys.addaudithook(count)
        write.commit(Path(sys.argv[1], str(step)), "m", None, FACTS, made)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(step)
"""
"""Writes a version again and again, killed at one act on the file system after the other."""


def test_a_writer_killed_at_any_step_leaves_no_half_of_a_version(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        timeout=100,
    )
    last = int(done.stdout)
    assert last > 20
    whole = 0
    for step in range(1, last + 1):
        repository = tmp_path / str(step)
        found = committed(repository) if repository.exists() else []
        for version in found:
            verify(open_package(version.folder))
        whole += len(found)
        # What a killed one left is hidden, and no hindrance to the next.
        assert commit(repository).version == len(found) + 1
    assert 1 <= whole < last


def test_a_table_is_written_the_same_every_time_whatever_its_columns_are_called():
    table = {name: np.arange(3) for name in ("file", "allow_pickle", "a/b", "ä b", "x.npy", "")}
    raw = write.arrays_bytes(table)
    assert raw == write.arrays_bytes(table)
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        assert sorted(arrays.files) == sorted(table)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=50)
@given(JSON)
def test_a_document_of_json_comes_back(value):
    raw = write.json_bytes(value)
    assert json.loads(raw) == value
    assert raw.endswith(b"\n")
