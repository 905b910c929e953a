"""Formats are told by content; whatever is given, the answer is a format or an error of ours."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.packing import trained

from fairlead.core.errors import FairleadError, FileUnreadable, FormatUnknown, UnsafeFile
from fairlead.packing import formats
from fairlead.packing.formats import detect

TITLES = list(trained.contents())


def written(folder: Path, raw: bytes, name: str = "model") -> str:
    path = folder / name
    path.write_bytes(raw)
    return str(path)


@pytest.mark.parametrize("name", ["model", "model.onnx", "model.joblib", "model.txt", "model.exe"])
@pytest.mark.parametrize("title", [t for t in TITLES if t != "python"])
def test_the_content_tells_the_format_and_the_name_does_not(tmp_path, title, name):
    found = detect(written(tmp_path, trained.contents()[title], name))
    assert found.format == title.split()[0]
    assert found.format in formats.FRAMEWORKS
    assert found.object == ""


def test_a_python_file_is_told_by_its_object(tmp_path):
    path = written(tmp_path, trained.contents()["python"], "model.py")
    found = detect(f"{path}:predict")
    assert (found.format, found.object, found.path) == ("python", "predict", Path(path))
    with pytest.raises(FormatUnknown, match="name of its function") as unknown:
        detect(path)
    assert unknown.value.fix == f"Say which: {path}:predict"
    with pytest.raises(FileUnreadable):
        detect(f"{path}:not-a-name")
    with pytest.raises(FileUnreadable):
        detect(f"{tmp_path}/absent.py:predict")


def saved_model(folder: Path) -> Path:
    path = folder / "saved"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"\x08\x01")
    (path / "variables" / "variables.index").write_bytes(b"x")
    return path


def test_a_folder_is_a_saved_model_if_it_holds_one(tmp_path):
    path = saved_model(tmp_path)
    assert detect(str(path)).format == "savedmodel"
    (tmp_path / "latest").symlink_to(path)
    assert detect(str(tmp_path / "latest")).format == "savedmodel"
    with pytest.raises(FormatUnknown, match=r"without a saved_model\.pb"):
        detect(str(tmp_path))


@pytest.mark.parametrize("kind", ["symlink", "fifo", "socket", "dangling"])
@pytest.mark.parametrize("where", ["variables/data", "extra"])
def test_a_saved_model_that_holds_a_link_or_a_special_file_is_refused(tmp_path, kind, where):
    path = saved_model(tmp_path)
    target = path / where
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(target))
    else:
        target.symlink_to("/etc/passwd" if kind == "symlink" else "/nowhere")
    with pytest.raises(UnsafeFile, match="plain files only"):
        detect(str(path))


STRANGERS = {
    "a 7z archive": b"7z\xbc\xaf\x27\x1c",
    "a RAR archive": b"Rar!\x1a\x07",
    "a tar archive": b"model".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 200,
    "Keras HDF5": b"\x89HDF\r\n\x1a\n",
    "torch.save": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "older than 2": b"csklearn.linear_model\nRidge\n)R.",
    "a safetensors file": (80).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}',
    "a GGUF file": b"GGUF\x03\0\0\0",
    "TensorFlow Lite": b"\x1c\0\0\0TFL3",
    "rows or weights": b"\x93NUMPY\x01\x00",
    "not known": b"just some text",
    "empty": b"",
}


@pytest.mark.parametrize("what", STRANGERS)
def test_a_file_that_is_not_served_is_told_what_it_is_and_what_to_do(tmp_path, what):
    with pytest.raises(FormatUnknown, match=what) as unknown:
        detect(written(tmp_path, STRANGERS[what]))
    assert unknown.value.fix or what == "empty"


def test_archives_of_weights_and_keras_are_told(tmp_path):
    for names, what in (
        (("m/data.pkl", "m/data/0"), "torch.save"),
        (("config.json", "model.weights.h5"), "keras"),
        (("readme.txt",), "no known format"),
    ):
        with pytest.raises(FormatUnknown, match=what):
            detect(written(tmp_path, trained._zip(*names)))


@pytest.mark.parametrize(
    "given_", ["", ".", "/nowhere/at/all", "a\0b", "x" * 5000, "/dev/null", "/dev/zero", "\udcff"]
)
def test_what_is_no_file_is_one_clear_error_and_is_not_waited_for(tmp_path, monkeypatch, given_):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FileUnreadable, FormatUnknown)) as error:
        detect(given_)
    assert len(error.value.line()) < 500


def test_a_queue_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "queue")
    with pytest.raises(FileUnreadable, match="not a plain file"):
        detect(str(tmp_path / "queue"))


def test_a_socket_and_a_circle_of_links_are_errors(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in ("socket", "circle"):
        with pytest.raises(FileUnreadable):
            detect(str(tmp_path / name))


def test_what_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    """Root may read everything, so the refusal is the system's only in name."""
    path = written(tmp_path, b"tree\nversion=v4\n")
    os.chmod(path, 0)
    folder = saved_model(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(formats.os, "open", refuse)
    monkeypatch.setattr(formats.os, "scandir", refuse)
    for given_ in (path, str(folder)):
        with pytest.raises(FileUnreadable, match="Permission denied"):
            detect(given_)


@pytest.mark.parametrize("title", TITLES)
def test_a_file_cut_short_is_still_a_format_or_an_error_of_ours(tmp_path, title):
    raw = trained.contents()[title]
    for size in {*range(0, min(len(raw), 40)), *range(40, len(raw), max(1, len(raw) // 40))}:
        try:
            detect(written(tmp_path, raw[:size]))
        except FairleadError as error:
            assert error.line().isprintable()  # noqa: PT017


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_a_format_or_an_error_of_ours(tmp_path, data):
    raw = bytearray(
        data.draw(st.sampled_from([*trained.contents().values(), b"PK\x03\x04", b"\x08"]))
    )
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, 3))]
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        raw[at : at + 1] = data.draw(st.binary(max_size=6))
    try:
        found = detect(written(tmp_path, bytes(raw)))
    except FairleadError:
        return
    assert found.format in formats.FRAMEWORKS
