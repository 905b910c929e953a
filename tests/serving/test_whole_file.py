"""A file is there whole, or as it was before."""

from __future__ import annotations

import os
import stat

import pytest

from fairlead.serving import whole_file
from fairlead.serving.whole_file import write_whole


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_takes_the_place_of_the_one_before_for_its_owner_alone(tmp_path, sync):
    file = tmp_path / "new folder" / "kept.json"
    write_whole(file, "before")
    write_whole(file, "after", sync=sync)
    assert file.read_text() == "after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == ["kept.json"]


def test_where_it_cannot_be_written_the_one_before_stays_and_nothing_beside_it(
    tmp_path, monkeypatch
):
    file = tmp_path / "kept.json"
    write_whole(file, "before")

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "after", sync=True)
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["kept.json"]


def test_it_is_written_through_no_link(tmp_path):
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / f"kept.json.{os.getpid()}.part").symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        write_whole(tmp_path / "kept.json", "mine")
    assert other.read_text() == "of somebody else"
