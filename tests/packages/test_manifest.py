"""The manifest: equal input gives equal bytes, and nothing unexpected is taken for one."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.packages import manifest
from fairlead.packages.read import open_package

_FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.bin", fullmatch=True), st.binary(max_size=64)
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_equal_input_gives_a_byte_identical_manifest(tmp_path):
    """Whatever the order in which the files were made, and whenever."""
    for name, order in (("one", (0, 1, 2)), ("two", (2, 0, 1))):
        folder = tmp_path / name
        (folder / "graph").mkdir(parents=True)
        for number in order:
            file = folder / ("graph/model.onnx", "model.toml", "signature.json")[number]
            file.write_bytes(bytes([number]) * 100)
            os.utime(file, (number, number))
        manifest.write(folder, {"name": "m", "version": 1})
    one, two = (tmp_path / n / manifest.NAME for n in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_whole_of_a_packed_version_is_the_same_when_packed_again(tmp_path):
    first, again = models.classifier(tmp_path / "a"), models.classifier(tmp_path / "b")
    assert first.files == again.files
    assert (first.folder / manifest.NAME).read_bytes() == (
        again.folder / manifest.NAME
    ).read_bytes()


@given(files=_FILES)
def test_what_is_written_is_what_is_read(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("package")
    for relative, content in files.items():
        (folder / relative).parent.mkdir(exist_ok=True)
        (folder / relative).write_bytes(content)
    manifest.write(folder, {"name": "m"})
    data = manifest.parse((folder / manifest.NAME).read_bytes(), "here")
    assert set(data["files"]) == set(files)
    assert all(data["files"][name].size == len(content) for name, content in files.items())
    assert data["name"] == "m"
    shutil.rmtree(folder)


def test_what_an_earlier_attempt_left_behind_is_not_listed(tmp_path):
    (tmp_path / "manifest.json.part").write_text("half")
    (tmp_path / "a").write_text("a")
    manifest.write(tmp_path, {})
    data = manifest.parse((tmp_path / manifest.NAME).read_bytes(), "here")
    assert set(data["files"]) == {"a"}


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "fifo"])
def test_a_link_or_a_special_file_is_refused_when_writing(tmp_path, kind):
    folder = tmp_path / "package"
    folder.mkdir()
    target = tmp_path / "target"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("secret")
    if kind == "fifo":
        os.mkfifo(folder / "odd")
    else:
        (folder / "odd").symlink_to(target)
    with pytest.raises(PackageInvalid, match="odd is a link or not a plain file"):
        manifest.write(folder, {})
    assert not (folder / manifest.NAME).exists()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_one_clear_error(raw):
    with pytest.raises(PackageInvalid):
        manifest.parse(raw, "here")


@given(_JSON, _JSON)
def test_any_json_is_a_manifest_or_one_clear_error(content, files):
    """Also where only a part of it is odd: infinite sizes, lists for objects, and so on."""
    for data in (content, {"format": 1, "files": files}, {"format": 1, "files": {"a": files}}):
        try:
            parsed = manifest.parse(json.dumps(data).encode(), "here")
        except PackageInvalid:
            continue
        assert parsed["files"].__class__ is dict


@pytest.mark.parametrize(
    "entry",
    [
        {"size": 1},
        {"size": -1, "sha256": "0" * 64},
        {"size": True, "sha256": "0" * 64},
        {"size": 1.0, "sha256": "0" * 64},
        {"size": "1", "sha256": "0" * 64},
        {"size": float("inf"), "sha256": "0" * 64},
        {"size": 1, "sha256": "0" * 63},
        {"size": 1, "sha256": "G" * 64},
        {"size": 1, "sha256": None},
    ],
)
def test_a_file_entry_is_a_size_and_a_sha256_and_nothing_else(entry):
    raw = json.dumps({"format": 1, "files": {"a": entry}}).encode()
    with pytest.raises(PackageInvalid, match="cannot be read"):
        manifest.parse(raw, "here")


def test_a_format_of_a_later_fairlead_is_named_with_what_to_do(tmp_path):
    package = models.total(tmp_path)
    file = package.folder / manifest.NAME
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(PackageInvalid, match="package format 2 is not known") as caught:
        open_package(package.folder)
    assert "Serve it with the Fairlead that packed it" in caught.value.line()


def test_a_manifest_larger_than_its_bound_is_refused_unread(tmp_path):
    package = models.total(tmp_path)
    with (package.folder / manifest.NAME).open("ab") as file:
        file.truncate(manifest.MOST_BYTES + 1)
    with pytest.raises(PackageInvalid, match="larger than 4 MiB"):
        open_package(package.folder)
