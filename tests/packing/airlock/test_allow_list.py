"""The list itself: exact, readable, and without anything that reaches further."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from fairlead.packing.airlock import allow_list
from fairlead.packing.airlock.allow_list import CALLED, EVERY, KEPT, MADE, AllowList, renamed
from fairlead.packing.airlock.makers import INERT, MAKERS

FILE = Path(allow_list.__file__).with_name("allowed.txt")
ENTRIES = [line.split() for line in FILE.read_text().splitlines() if not line.startswith("#")]
OURS = AllowList()._ours
HEAP_TYPE = 1 << 9
"""A class's flag: it is written in Python."""


def test_every_line_is_a_module_a_name_and_known_uses_in_order():
    lines = [" ".join(entry) for entry in ENTRIES]
    assert lines == sorted(lines)
    assert len({tuple(entry[:2]) for entry in ENTRIES}) == len(ENTRIES)
    for module, name, *uses in ENTRIES:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", module)
        assert name.isidentifier()  # a dotted name would lead through other objects
        assert uses == sorted(set(uses) & {CALLED, KEPT})


def test_a_line_without_a_use_may_only_be_made():
    assert OURS["sklearn.tree._classes", "DecisionTreeClassifier"] == {MADE}
    assert OURS["sklearn.tree._tree", "Tree"] == {CALLED}
    assert OURS["numpy", "float64"] == {KEPT}


def test_what_is_not_on_the_list_has_no_use():
    for module, name in (("os", "system"), ("builtins", "eval"), ("numpy", "load"), ("", "")):
        assert AllowList().uses(module, name) == frozenset()


def test_no_module_of_the_system_is_on_the_list():
    harmless = {"builtins", "_codecs", "collections", "datetime"}
    tops = {module.partition(".")[0] for module, *_ in ENTRIES}
    assert tops & set(sys.stdlib_module_names) == harmless


def test_the_builtins_are_plain_values_and_no_functions():
    named = {name for module, name, *_ in ENTRIES if module == "builtins"}
    assert all(isinstance(getattr(importlib.import_module("builtins"), n), type) for n in named)
    assert (
        named & {"type", "super", "property", "classmethod", "staticmethod", "memoryview"} == set()
    )


def installed() -> list[tuple[str, str, frozenset[str], Any]]:
    found: list[tuple[str, str, frozenset[str], Any]] = []
    for (module, name), uses in OURS.items():
        try:
            value = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue  # an older library has it
        found.append((module, name, uses, value))
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_may_be_made_is_a_class_whose_making_runs_nothing_of_its_own():
    found = installed()
    assert len(found) > 400
    for module, name, uses, value in found:
        if MADE in uses and (module, name) not in INERT:
            assert isinstance(value, type), (module, name)
            maker = value.__new__
            # One that is written in Python only says that the class is going away.
            assert not inspect.isfunction(maker) or "deprecated" in maker.__qualname__, name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_gets_a_state_by_python_code_is_known():
    """Each was read: none of them opens, imports or calls what the state names."""
    known = {
        "BaseEstimator",
        "Booster",
        "Bunch",
        "IsotonicRegression",
        "TreePredictor",
        "_CatBoostBase",
    }
    writers = set[str]()
    for module, name, uses, value in installed():
        given = getattr(value, "__setstate__", None)
        if MADE in uses and (module, name) not in INERT and inspect.isfunction(given):
            writers.add(given.__qualname__.partition(".")[0])
    assert writers == known


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_may_be_called_is_compiled_or_made_by_our_own_code():
    for module, name, uses, value in installed():
        if CALLED not in uses or (module, name) in MAKERS:
            continue
        compiled = isinstance(value, type) and not value.__flags__ & HEAP_TYPE
        assert compiled or type(value).__name__ == "cython_function_or_method", (module, name)


def test_older_protocols_names_of_builtins_are_taken_for_what_they_mean():
    assert renamed("__builtin__", "xrange") == ("builtins", "range")
    assert renamed("__builtin__", "set") == ("builtins", "set")
    assert renamed("sklearn", "xrange") == ("sklearn", "xrange")
    assert AllowList().uses("__builtin__", "set") == {CALLED}
    assert AllowList().uses("__builtin__", "eval") == frozenset()


def test_an_owners_name_is_allowed_for_everything_and_exactly():
    own = AllowList(["mine.Model", "other.Outer.Inner"])
    assert own.uses("mine", "Model") == EVERY
    assert own.uses("other", "Outer.Inner") == EVERY
    for module, name in (("mine", "model"), ("min", "e.Model2"), ("mine", ""), ("mine.Model", "x")):
        assert own.uses(module, name) == frozenset()


def test_the_script_writes_the_lines_that_are_there():
    """The part that is written by hand, that is; the rest is made by fitting every estimator."""
    path = Path(__file__).parents[3] / "scripts" / "allowed_names.py"
    spec = spec_from_file_location("allowed_names", path)
    assert spec is not None
    assert spec.loader is not None
    script: Any = module_from_spec(spec)
    spec.loader.exec_module(script)
    for line in script.BY_HAND.splitlines():
        if line:
            module, name, *uses = line.split()
            assert set(uses or [MADE]) <= OURS[module, name] | {MADE}, line
    assert script.line_of(("a", "B"), {"made"}) == "a B"
    assert script.line_of(("a", "B"), {"kept", "called"}) == "a B called kept"
    made = script.names({"a": script.np.float64})
    assert made == {("numpy", "float64"): {"kept"}}
