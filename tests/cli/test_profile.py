"""`fairlead profile`, as its user runs it: a small model is measured, shown, kept and amended."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from tests import models

from fairlead.cli.main import main
from fairlead.costs.profile import profile_of
from fairlead.costs.profiles import PACKED, find, packed
from fairlead.packages.read import open_package, verify

MACHINE = "aws/c7g.large"


def run(*words) -> int:
    return main(["profile", *map(str, words)])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """One run with everything on; what it printed lies beside."""
    folder = tmp_path_factory.mktemp("profile")
    models.total(folder / "models")
    (folder / "rows.csv").write_text("a,b,c\n" + "".join(f"{i},2,0.5\n" for i in range(20)))
    return folder


@pytest.fixture(scope="module")
def told(work):
    """What the run says, by stream."""
    out, error = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        status = run(
            work / "models" / "total", "--state", work / "state", "--budget", 1,
            "--rows", work / "rows.csv", "--json", work / "profile.json",
            "--plots", work / "plots", "--amend", "--for", "latency", "--offer", MACHINE,
            "--bandwidth", "1Mbit",
        )  # fmt: skip
    assert status == 0
    return out.getvalue(), error.getvalue()


def test_it_says_in_a_few_lines_what_the_model_needs(told):
    out, error = told
    for words in ("total version 1, onnx", "with rows of rows.csv", "for latency", "saturation"):
        assert words in out
    assert re.search(r"searched +\d+ of \d+ settings", out)
    assert re.search(r"rest +\d+ bytes +\d+ bytes +\d+ MiB +[\d.]+ ms", out)
    assert "one at 1 Mbit/s" in out
    assert "\r" not in error, "no bar where nobody looks"
    assert "64 callers of a server" in error


def test_the_whole_profile_is_kept_and_written_where_it_is_wanted(told, work):
    found = profile_of(json.loads((work / "profile.json").read_text()))
    package = open_package(work / "models" / "total" / "1")
    assert find(package, work / "state") == found
    assert found.offer == MACHINE
    assert [p.callers for p in found.points] == [1, 2, 4, 8, 16, 32, 64]
    assert [p.wire for p in found.payloads] == ["rest", "oip", "oip-binary", "grpc"]
    assert min(p.calls_per_s for p in found.points) > 0
    assert found.steady_bytes <= found.peak_bytes
    assert found.services[0].rows == 1
    assert found.inline
    assert found.graph_sha256 == package.files[package.graph].sha256
    assert [f.name for f in (work / "state" / "profiles").iterdir()] == ["total-1.json"]


def test_the_plots_are_pictures_that_stand_alone(told, work):
    files = sorted((work / "plots").glob("*.svg"))
    names = ["saturation.svg", "service-time.svg", "throughput.svg", "waiting.svg"]
    assert [file.name for file in files] == names
    for file in files:
        content = file.read_text()
        assert xml.fromstring(content).tag.endswith("svg")
        assert "prefers-color-scheme: dark" in content
        assert "http" not in content.replace("http://www.w3.org/2000/svg", "")


def test_the_next_version_has_the_settings_and_the_profile_and_the_same_graph(told, work):
    before, after = (open_package(work / "models" / "total" / str(v)) for v in (1, 2))
    found = profile_of(json.loads((work / "profile.json").read_text()))
    verify(after)
    assert packed(after) == found
    assert packed(before) is None
    assert after.limits.max_batch == found.latency.max_batch
    assert after.limits.threads == found.latency.threads
    kept = ("graph/model.onnx", "signature.json", "examples.json", "measured.json")
    assert all(before.files[name] == after.files[name] for name in kept)
    assert {*after.files} - {*before.files} == {PACKED}
    assert find(after, work / "nowhere") == found


def test_the_card_of_that_version_says_what_it_needs(told, work, capsys):
    repository = ("--repository", str(work / "models"))
    assert main(["card", "total@2", *repository, "--format", "md"]) == 0
    shown = capsys.readouterr().out
    assert "## What it needs" in shown
    assert "Calls a second, one worker" in shown
    assert main(["card", "total@1", *repository, "--format", "md"]) == 0
    assert "What it needs" not in capsys.readouterr().out


def test_the_whole_profile_can_go_to_standard_output(told, work, capsys):
    """The second run measures anew: what was whole is not gone on with."""
    folder = work / "models" / "total" / "2"
    assert run(folder, "--state", work / "state", "--budget", 1, "--quiet", "--json", "-") == 0
    printed = capsys.readouterr()
    assert profile_of(json.loads(printed.out)).version == 2
    assert printed.err == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "FRL-.* nowhere does not exist"),
        (["total", "--bandwidth", "fast"], "'fast' is no bandwidth.*500kbit"),
        (["total", "--bandwidth", "0Mbit"], "is no bandwidth"),
        (["total", "--budget", "0"], "--budget is from 1 to 3600 seconds"),
        (["total", "--budget", "nan"], "--budget is from 1 to 3600 seconds"),
        (["total", "--rows", "none.csv"], "none.csv is not there"),
        (["total", "--rows", "rows.xls"], "rows in a .xls file are not known"),
        (["total", "--rows", "others.csv"], "the rows have no column 'b'"),
        (["several"], "holds several models: grid, total"),
        (["logs"], "a server does not answer|does not answer"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    models.total(Path("total"))
    models.total(Path("several"))
    models.grid(Path("several"))
    models.logs(Path("logs"), example={"x": -1.0})
    Path("rows.xls").write_text("x")
    Path("others.csv").write_text("a,c\n1,2\n")
    assert run(*words, "--quiet", *(["--budget", "1"] if "--budget" not in words else [])) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(says, lines[0]), lines
