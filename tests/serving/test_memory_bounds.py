"""Memory that may be had: of the machine, and of every control group around a process."""

from __future__ import annotations

import os

import pytest

from fairlead.serving import memory_bounds
from fairlead.serving.memory_bounds import free_memory, memory_share, usable_memory

WHOLE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MIB = 1 << 20
ANY = 1 << 62


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """A machine of which half is free, and no group."""
    monkeypatch.setattr(memory_bounds, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory_bounds, "_OWN", tmp_path / "own")
    monkeypatch.setattr(memory_bounds, "_MACHINE", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {WHOLE >> 10} kB\nMemAvailable:  {WHOLE >> 11} kB\n"
    )
    return tmp_path


def put(folder, most: str, stat: str, name: str = "memory.max") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(most)
    (folder / "memory.stat").write_text(stat)


def test_without_groups_it_is_the_machine_s(groups):
    assert usable_memory() == WHOLE
    assert free_memory() == (WHOLE >> 11) << 10
    assert memory_share(ANY) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", "nonsense"])
def test_a_group_without_a_limit_is_none(groups, limit):
    (groups / "own").write_text("0::/\n")
    put(groups, limit, "anon 1\n")
    assert usable_memory() == WHOLE
    assert memory_share(ANY) == pytest.approx(0.5, abs=0.01)


def test_the_own_group_bounds_and_files_that_the_kernel_keeps_are_as_good_as_free(groups):
    (groups / "own").write_text("0::/service\n")
    put(groups / "service", str(100 * MIB), f"anon {50 * MIB}\nshmem {10 * MIB}\nfile {30 * MIB}\n")
    assert usable_memory() == 100 * MIB
    assert free_memory() == 40 * MIB
    assert memory_share(ANY) == pytest.approx(0.6)


def test_a_group_around_it_bounds_too(groups):
    (groups / "own").write_text("0::/slice/service\n")
    put(groups / "slice" / "service", str(100 * MIB), f"anon {10 * MIB}\n")
    put(groups / "slice", str(80 * MIB), f"anon {76 * MIB}\n")
    assert usable_memory() == 80 * MIB
    assert free_memory() == 4 * MIB
    assert memory_share(ANY) == pytest.approx(0.95)


def test_groups_of_the_first_version_are_read_as_well(groups):
    (groups / "own").write_text("5:devices:/x\n4:memory,hugetlb:/cell\n0::/\n")
    told = f"total_rss {60 * MIB}\ntotal_shmem {5 * MIB}\ntotal_cache {30 * MIB}\n"
    put(groups / "memory" / "cell", str(100 * MIB), told, "memory.limit_in_bytes")
    assert usable_memory() == 100 * MIB
    assert memory_share(ANY) == pytest.approx(0.65)


def test_a_path_that_is_not_seen_from_here_is_looked_for_no_further_than_the_root(groups):
    (groups / "own").write_text("0::/../../elsewhere\n")
    put(groups, str(100 * MIB), f"anon {20 * MIB}\n")
    assert usable_memory() == 100 * MIB


def test_more_than_all_leaves_nothing(groups):
    (groups / "own").write_text("0::/\n")
    put(groups, str(100 * MIB), f"anon {200 * MIB}\n")
    assert free_memory() == 0
    assert memory_share(ANY) == 1.0


def test_both_figures_of_the_machine_are_those_that_a_container_is_shown(groups):
    (groups / "meminfo").write_text("MemTotal: 1048576 kB\nMemAvailable: 943718 kB\n")
    assert usable_memory() == 1 << 30
    assert memory_share(ANY) == pytest.approx(0.1, abs=0.01)


def test_what_has_enough_left_is_not_short_whatever_part_of_it_is_used(groups):
    (groups / "own").write_text("0::/service\n")
    put(groups / "service", str(1000 * MIB), f"anon {960 * MIB}\n")
    assert memory_share(41 * MIB) == pytest.approx(0.96)
    assert memory_share(40 * MIB) == 0


def test_without_any_word_of_the_machine_all_of_it_is_free(groups):
    (groups / "meminfo").unlink()
    assert (usable_memory(), free_memory(), memory_share(ANY)) == (WHOLE, WHOLE, 0.0)
