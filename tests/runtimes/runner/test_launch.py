"""Children of ours start under any interpreter, with nothing of this process but what is named."""

from __future__ import annotations

import json
import os
import sys
import venv
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from fairlead.runtimes.runner import launch

_REPORT = """
import fairlead, json, os, sys

def main(arguments):
    handles = []
    for name in os.listdir("/dev/fd"):
        try:
            os.fstat(int(name))
            handles.append(int(name))
        except OSError:
            pass
    print(json.dumps({
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "isolated": sys.flags.isolated,
        "path": sys.path,
        "house": list(fairlead.__path__),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "session": os.getsid(0),
        "process": os.getpid(),
        "handles": handles,
        "input": sys.stdin.read(),
    }))
    return 7
"""


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Starts a child that says what it finds; the house is a folder with that one module."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "report.py").write_text(_REPORT)
    monkeypatch.setattr(launch, "HOUSE", house)
    home = tmp_path / "home"
    home.mkdir()

    def start(**more):
        with TemporaryFile() as output:
            process = launch.start(
                "fairlead.report", ["a", "b c"], home=home, output=output, **more
            )
            assert process.wait(60) == 7
            output.seek(0)
            return json.loads(output.read())

    return start


def test_it_runs_main_with_its_arguments_and_exits_with_its_status(report):
    assert report()["arguments"] == ["a", "b c"]


def test_nothing_of_our_environment_reaches_it(report, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LD_PRELOAD", "")
    found = report()["environment"]
    assert not {"SECRET_TOKEN", "PYTHONPATH", "LD_PRELOAD", "PATH"} & set(found)
    assert {found[k] for k in ("HOME", "TMPDIR")} == {str(tmp_path / "home")}


def test_it_has_its_own_folder_session_and_an_empty_input(report, tmp_path):
    found = report()
    assert found["folder"] == str(tmp_path / "home")
    assert found["session"] == found["process"]
    assert found["input"] == ""


def test_it_searches_no_folder_of_ours_and_knows_the_house_by_name(report, tmp_path):
    found = report()
    assert found["isolated"] == 1
    assert found["house"] == [str(tmp_path / "house")]
    ours = [str(Path.cwd()), str(launch.HOUSE), ""]
    assert not set(ours) & set(found["path"])


def test_only_the_named_descriptors_are_inherited(report):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    other, also = os.pipe()
    try:
        handles = report(descriptors=[read])["handles"]
    finally:
        for handle in (read, write, other, also):
            os.close(handle)
    assert read in handles
    assert not {write, other, also} & set(handles)


def test_another_interpreter_needs_nothing_of_ours(report, tmp_path):
    """A fresh virtual environment, in which neither numpy nor fairlead is installed."""
    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    found = report(python=str(tmp_path / "other/bin/python"))
    assert found["prefix"] == str(tmp_path / "other")
    assert not any(
        sys.prefix in folder for folder in found["path"] if sys.prefix != sys.base_prefix
    )


@pytest.mark.parametrize("python", ["/no/such/python", os.devnull])
def test_an_interpreter_that_cannot_be_started_is_an_oserror(report, python):
    with pytest.raises(OSError):  # noqa: PT011
        report(python=python)


def test_the_house_is_the_folder_of_this_package():
    assert (launch.HOUSE / "runtimes/runner/launch.py").samefile(launch.__file__)
