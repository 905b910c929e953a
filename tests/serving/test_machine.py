"""What operating systems give in different ways, with and without each of them."""

from __future__ import annotations

import os
import select

import pytest

from fairlead.serving import machine
from fairlead.serving.status import StatusPages, create


@pytest.fixture(params=["as it is", "without memfd"])
def system(request, monkeypatch):
    if request.param == "without memfd":
        monkeypatch.delattr(os, "memfd_create", raising=False)


@pytest.mark.usefixtures("system")
def test_an_anonymous_file_holds_its_content_and_is_inherited():
    content = os.urandom(300_000)
    handle = machine.anonymous_file(content)
    assert os.pread(handle, 400_000, 0) == content
    assert os.get_inheritable(handle)
    assert os.fstat(handle).st_nlink in (0, 1)
    os.close(handle)


@pytest.mark.usefixtures("system")
def test_status_pages_work_on_either_kind_of_file():
    handle = create(2)
    ours, theirs = StatusPages(handle), StatusPages(os.dup(handle))
    ours.publish(1, {"a": 1})
    assert theirs.read(1) == {"a": 1}
    assert ours.count == 2
    os.close(handle)


def test_without_memfd_the_file_has_no_name(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    handle = machine.anonymous_file(b"x")
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(handle).st_nlink == 0
    os.close(handle)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 4),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("1 100000", 1),
        ("800000 100000", 4),
        ("0 0", 4),
        ("", 4),
        ("nonsense", 4),
    ],
)
def test_usable_cores_are_those_within_the_containers_quota(monkeypatch, tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    assert machine.usable_cores() == cores


def test_without_affinity_every_core_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "absent")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert machine.usable_cores() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.usable_cores() == 1


def fill(pipe: int) -> None:
    while True:
        os.write(pipe, b"!" * 65536)


def test_a_waking_pipe_wakes_a_select_and_never_waits():
    read, write = machine.waking_pipe()
    assert select.select([read], [], [], 0) == ([], [], [])
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    os.write(write, b"!")
    assert select.select([read], [], [], 60) == ([read], [], [])
    with pytest.raises(BlockingIOError):
        fill(write)
    assert not os.get_inheritable(read)
    assert not os.get_inheritable(write)
    os.close(read)
    os.close(write)


def test_a_lock_is_anothers_until_its_last_descriptor_is_closed(tmp_path):
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    copy = os.dup(first)
    assert machine.locked(first)
    assert machine.locked(first), "it has it already"
    assert not machine.locked(second)
    os.close(first)
    assert not machine.locked(second)
    os.close(copy)
    assert machine.locked(second)
    os.close(second)
