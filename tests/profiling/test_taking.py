"""A profile is made of its parts: what loads, what executes, what a server does."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from tests import models

from fairlead.core.errors import NotProfiled, ProfileInvalid
from fairlead.costs.profile import Payload, Point, profile_of
from fairlead.packing.profile import machine
from fairlead.profiling.kept import Kept
from fairlead.profiling.taking import Job, take

LOADED = {
    "load_s": 0.5, "inline": False, "slots": 2, "max_rows": 8, "answered": True, "joins": True,
    "at_once": 2,
}  # fmt: skip


class Tries:
    """Executions of 10 ms and 1 ms a row, of which two at once take half as long again."""

    def __init__(self, **facts):
        self.facts = LOADED | facts
        self.places = []

    def loaded(self):
        return self.facts

    def execute(self, place, seconds, bar):
        self.places.append(place)
        batch, threads, callers = place
        rows = min(batch, -(-callers // threads))
        takes = (0.01 + 0.001 * rows) * (1.5 if threads > 1 else 1)
        return {
            "rows_per_s": rows * threads / takes, "p50_s": takes, "p99_s": 2 * takes,
            "rows": rows, "quantiles": [takes] * 101, "cpu_s": takes, "whole": True,
        }  # fmt: skip


class Server:
    """Answers a lone caller in 15 ms; while it is busy it joins four calls in each execution."""

    def __init__(self, cpu_s=10.0):
        self.cpu_s = cpu_s

    def measured(self, seconds, say):
        say(1.0, "done")
        return {
            "others": 0.5, "base_bytes": 50, "steady_bytes": 80, "peak_bytes": 90,
            "points": [
                {"callers": 1, "calls_per_s": 60.0, "p50_s": 0.015, "p99_s": 0.02},
                {"callers": 2, "calls_per_s": 100.0, "p50_s": 0.015, "p99_s": 0.02},
            ],
            "payloads": [{"wire": "rest", "request_bytes": 100, "answer_bytes": 50}],
            "busy": [
                {
                    "calls": 1000.0, "executions": 250.0, "compute_s": 2.0, "cpu_s": self.cpu_s,
                    "loop_s": 0.0, "held_up_s": 0.0,
                },
            ],
            "pauses": [[0.0, [0.015] * 101], [0.1, [0.018] * 101]],
        }  # fmt: skip


@pytest.fixture
def job(tmp_path):
    return Job(models.total(tmp_path / "models"), 60.0, "aws/c7g.large")


def taken(job, tmp_path, tries=None, server=None, said=lambda done, words: None):
    @contextmanager
    def running():
        yield server or Server()

    kept = Kept(tmp_path / "partial.json", {})
    return take(job, tries or Tries(), running, kept, said)


def test_it_says_what_was_measured_and_where(job, tmp_path):
    found = taken(job, tmp_path).profile
    assert (found.model, found.version, found.runtime, found.offer) == (
        "total", 1, "onnx", "aws/c7g.large",
    )  # fmt: skip
    assert found.machine == machine()
    assert (found.load_s, found.base_bytes, found.peak_bytes) == (0.5, 50, 90)
    files = [f for f in job.package.folder.rglob("*") if f.is_file()]
    assert found.disk_bytes == sum(f.stat().st_size for f in files)
    assert found.points[0] == Point(1, 60.0, 0.015, 0.02)
    assert found.payloads == (Payload("rest", 100, 50),)
    assert profile_of(found.to_json()) == found


def test_executions_are_those_of_a_server_first_and_then_of_other_settings(job, tmp_path):
    found = taken(job, tmp_path).profile
    assert list(dict.fromkeys(one.threads for one in found.services)) == [2, 1]
    assert found.service(4).threads == 2
    assert found.service(4, threads=1).mean_s == pytest.approx(0.014)
    assert next(one.rows for one in found.services if one.threads == 1) == 1


def test_the_best_settings_are_found_in_a_part_of_the_grid(job, tmp_path):
    tries = Tries()
    found = taken(job, tmp_path, tries)
    assert (found.profile.throughput.threads, found.profile.throughput.callers) == (2, 64)
    assert found.profile.throughput.max_batch == 256, "no batch was larger than callers could fill"
    assert found.trials <= found.grid / 4
    assert found.others == 0.5
    assert found.profile.latency.p99_s < found.profile.throughput.p99_s


def test_on_the_workers_own_loop_no_threads_are_set(job, tmp_path):
    found = taken(job, tmp_path, Tries(inline=True, slots=1, at_once=1)).profile
    assert found.throughput.threads == found.latency.threads == 0


def test_threads_must_be_well_worth_it_where_the_workers_loop_could_do(job, tmp_path):
    hardly = taken(job, tmp_path, Tries(inline=True, slots=1)).profile
    assert hardly.throughput.threads == 0, "two at once give little more than one that joins all"

    class Twice(Tries):
        def execute(self, place, seconds, bar):
            told = super().execute(place, seconds, bar)
            return told | {"rows_per_s": told["rows_per_s"] * place[1]}

    assert taken(job, tmp_path / "b", Twice(inline=True, slots=1)).profile.throughput.threads == 2


def test_a_call_costs_what_a_busy_worker_spends_beside_its_executions(job, tmp_path):
    """250 executions of four rows take 0.021 s of processor time each: 5.25 s of ten."""
    found = taken(job, tmp_path).profile
    assert found.call_s == pytest.approx((10 - 250 * 0.014 * 1.5) / 1000)
    own = found.slowed * found.service(1, 1).quantiles[50]
    assert found.path_s == pytest.approx(0.015 - own)
    assert [way.pause_s for way in found.ways] == [0.0, 0.1]
    assert [way.quantiles[50] for way in found.ways] == pytest.approx([0.015 - own, 0.018 - own])
    less = taken(job, tmp_path / "other", server=Server(cpu_s=4.0)).profile
    assert less.call_s == pytest.approx((4 - 2) / 1000), "by what the server counted itself"


def test_what_calls_may_not_share_is_executed_alone(job, tmp_path):
    tries = Tries(joins=False, at_once=1, slots=1)
    assert taken(job, tmp_path, tries).grid == 7
    assert {place[0] for place in tries.places} == {1}


def test_a_model_that_refuses_zeros_and_has_no_example_needs_rows(job, tmp_path):
    with pytest.raises(NotProfiled, match="does not answer a row of zeros") as found:
        taken(job, tmp_path, Tries(answered=False))
    assert found.value.fix == "Give it rows: --rows FILE"


def test_it_says_how_far_it_is(job, tmp_path):
    done = []
    taken(job, tmp_path, said=lambda share, words: done.append(share))
    assert done[0] == 0
    assert done[-1] == 1
    assert done == sorted(done)


def test_a_part_that_is_kept_is_not_made_again(tmp_path):
    kept = Kept(tmp_path / "partial.json", {"of": "this"})
    assert kept.get("a", lambda: (1, 2)) == [1, 2]
    again = Kept(tmp_path / "partial.json", {"of": "this"})
    assert (again.resumed, again.get("a", lambda: 1 / 0)) == (1, [1, 2])
    assert Kept(tmp_path / "partial.json", {"of": "that"}).resumed == 0
    assert Kept(tmp_path / "partial.json", {"of": "this"}, fresh=True).resumed == 0
    (tmp_path / "partial.json").write_text("{")
    assert Kept(tmp_path / "partial.json", {"of": "this"}).resumed == 0
    assert (tmp_path / "partial.json").stat().st_mode & 0o077 == 0


def test_an_old_profile_without_a_graph_is_read(job, tmp_path):
    told = taken(job, tmp_path).profile.to_json()
    del told["graph_sha256"]
    assert profile_of(told).graph_sha256 == ""
    del told["points"]
    with pytest.raises(ProfileInvalid):
        profile_of(told)
