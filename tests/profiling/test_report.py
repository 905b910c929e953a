"""What people read of a profile: the table, bandwidths, and the plots."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from dataclasses import replace

import pytest
from tests.costs.samples import profile

from fairlead.core.errors import BadUsage, FileUnreadable
from fairlead.costs.profile import Point, Scaling
from fairlead.profiling.bandwidth import bits_per_s, shown
from fairlead.profiling.plots import plots, write_plots
from fairlead.profiling.report import text

POINTS = tuple(Point(n, 20.0 * n / (1 + 0.1 * n), 0.05 * n, 0.1 * n) for n in (1, 2, 4, 8, 64))


def told(found, bandwidth=1e7):
    return text(found, of="its own example", trials=12, grid=126, bandwidth=bandwidth)


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("10Mbit", 1e7), ("10 Mbit/s", 1e7), ("1.5Gbit", 1.5e9), ("500kbit", 5e5),
        (" 1mbit ", 1e6), ("2Kbit/s", 2e3),
    ],
)  # fmt: skip
def test_a_bandwidth_is_read_as_people_write_it(written, rate):
    assert bits_per_s(written) == rate


@pytest.mark.parametrize("written", ["", "10", "10MB", "0Mbit", "-1Mbit", "1e3Mbit", "nanMbit"])
def test_what_is_no_bandwidth_is_refused(written):
    with pytest.raises(BadUsage, match="is no bandwidth"):
        bits_per_s(written)


def test_a_bandwidth_is_shown_in_the_unit_that_is_read_easily():
    assert [shown(rate) for rate in (5e5, 1e7, 1.5e9)] == ["500 kbit/s", "10 Mbit/s", "1.5 Gbit/s"]


def test_what_a_million_calls_move_is_said_with_how_long_one_takes():
    """1,200 and 600 bytes: 1,717 MiB of a million, and 14,400 bits at 10 Mbit/s."""
    line = next(line for line in told(profile()).splitlines() if line.startswith("  rest"))
    assert line.split()[-4:] == ["1.68", "GiB", "1.44", "ms"]
    slow = next(line for line in told(profile(), 1e5).splitlines() if line.startswith("  rest"))
    assert "144 ms" in slow


def test_who_was_disturbed_is_told_so():
    calm, noisy = (
        text(profile(), of="rows", trials=1, grid=8, bandwidth=1e6, others=others)
        for others in (0.1, 1.5)
    )
    assert "other programs" not in calm
    assert "other programs kept 1.5 processors busy meanwhile" in noisy


def test_beyond_the_turn_of_the_curve_more_callers_get_less():
    turning = replace(profile(), points=POINTS, scaling=Scaling(20.0, 0.1, 0.01, 0.02))
    assert "more than 9 callers get less in all" in told(turning)
    late = replace(profile(), points=POINTS, scaling=Scaling(20.0, 0.1, 0.0001, 0.02))
    assert "up to 64 callers, more get more in all; the curve turns at 95" in told(late)
    never = replace(profile(), points=POINTS, scaling=Scaling(20.0, 0.1, 0.0, 0.02))
    assert "turns" not in told(never)


def test_where_the_system_does_not_say_what_is_held_neither_is_it_said_here():
    found = told(replace(profile(), steady_bytes=0, peak_bytes=0, base_bytes=0))
    assert "memory          this system does not say" in found


def test_a_gpu_and_threads_are_named():
    found = profile(gpu="A card", inline=False, slots=2)
    assert "A card" in told(found)
    assert "2 at once, beside it" in told(found)


def test_every_plot_is_a_picture_whatever_was_measured():
    for found in (
        profile(model='<"&>'),
        replace(profile(), points=POINTS, scaling=Scaling(20.0, 0.1, 0.01, 0.02)),
        replace(profile(), services=profile().services[:1], points=POINTS[:1]),
    ):
        for content in plots(found).values():
            assert xml.fromstring(content).attrib["role"] == "img"
            assert "nan" not in content
            assert "inf" not in content


def test_the_turn_of_the_curve_is_marked():
    turning = replace(profile(), points=POINTS, scaling=Scaling(20.0, 0.1, 0.01, 0.02))
    assert "more callers get less: 9" in plots(turning)["saturation.svg"]
    assert "more callers get less" not in plots(profile())["saturation.svg"]


def test_plots_that_cannot_be_written_are_said(tmp_path):
    assert len(write_plots(profile(), tmp_path / "plots")) == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(FileUnreadable, match="cannot be written"):
        write_plots(profile(), tmp_path / "file")
