"""The airlock's own side, as far as it is judgement: versions, requirements, errors in words."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

import pytest

from fairlead.packing.airlock import child
from fairlead.packing.airlock.refused import Refused


@pytest.mark.parametrize(
    ("trained", "here", "verdict"),
    [
        ("1.9.1", "1.9.1", "match"),
        ("1.9.0", "1.9.4", "match"),
        ("1.9.4", "1.9.0", "match"),
        ("1.8.2", "1.9.1", "drift"),
        ("1.2", "1.9.1", "drift"),
        ("1.10.0", "1.9.1", "refuse"),
        ("0.24.2", "1.9.1", "refuse"),
        ("2.0.0", "1.9.1", "refuse"),
        ("1.9.dev0+abc", "1.9.1", "match"),
        ("", "1.9.1", "refuse"),
        ("nonsense", "1.9.1", "refuse"),
        ("9" * 5000, "1.9.1", "refuse"),
    ],
)
def test_an_older_minor_version_drifts_and_any_other_is_refused(trained, here, verdict):
    assert child.verdict(trained, here) == verdict


def test_requirements_are_what_is_installed_as_they_pin_it():
    numpy = version("numpy")
    text = f"# all\nnumpy=={numpy}\n\nscikit-learn>=1.0  # any\npandas[all]; os_name == 'x'\n"
    assert child._required(text) == {
        "numpy": numpy,
        "scikit-learn": version("scikit-learn"),
        "pandas": version("pandas"),
    }


@pytest.mark.parametrize(
    ("line", "kind", "library"),
    [
        ("no-such-library", "extra", "no-such-library"),
        ("no-such-library==1.0", "extra", "no-such-library==1.0"),
        ("numpy==0.1", "drift", "numpy"),
    ],
)
def test_a_requirement_that_is_not_met_ends_the_job(line, kind, library):
    with pytest.raises(child.Stop) as stop:
        child._required(line)
    assert stop.value.told["error"] == kind
    assert stop.value.told["library"] == library


def raises(error: BaseException) -> Any:
    def do() -> None:
        raise error

    with pytest.raises(child.Stop) as stop:
        child._guarded(do, "read")
    return stop.value.told


def test_a_missing_library_is_named_as_it_is_installed():
    assert raises(ModuleNotFoundError(name="nowhere.at.all"))["library"] == "nowhere"
    assert raises(ModuleNotFoundError(name="nowhere.at.all"))["error"] == "extra"


def test_a_part_that_the_library_here_does_not_have_is_drift_and_not_a_missing_library():
    with pytest.raises(ModuleNotFoundError) as missing:
        importlib.import_module("sklearn.no_such_part")
    told = raises(missing.value)
    assert told["error"] == "drift"
    assert (
        told["what"] == f"sklearn.no_such_part is no part of scikit-learn {version('scikit-learn')}"
    )


def test_a_refusal_keeps_its_names_and_loses_control_characters():
    told = raises(Refused("the file names a\x1b[2J", ["a\x1b[2J"]))
    assert told == {"error": "unsafe", "what": "the file names a\\x1b[2J", "names": ["a\\x1b[2J"]}


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), KeyError("k")],
)
def test_any_other_error_becomes_one_line(error):
    told = raises(error)
    assert told["error"] == "read"
    assert told["what"].startswith("the trained file cannot be loaded: ")
    assert "\n" not in told["what"]


def test_memory_that_runs_out_is_told_apart():
    with pytest.raises(MemoryError):
        child._guarded(lambda: bytearray(1 << 62), "read")
