"""Standalone files run under another interpreter, in which nothing of ours is installed.

docs/adr/0004-standalone-files.md: the airlock's child side, the converters, the native runtimes
and the runner import the standard library, numpy, frameworks and each other, in the words of
Python 3.10.
"""

from __future__ import annotations

import ast
import sys

import pytest
from tests.house.source import HOUSE, files, imports

OUR_SIDE = {
    "packing/airlock/process.py",
    "packing/airlock/results.py",
    "runtimes/onnx.py",
    "runtimes/runner/launch.py",
    "runtimes/runner/answers.py",
    "runtimes/runner/isolated.py",
    "runtimes/runner/parent.py",
    "runtimes/runner/process.py",
}
"""Files of those folders that run in our own interpreter."""

FOLDERS = ("packing/airlock", "packing/converters", "runtimes", "runtimes/runner")
FRAMEWORKS = {
    "catboost", "joblib", "lightgbm", "numpy", "onnx", "onnxscript", "pandas",
    "skl2onnx", "sklearn", "skops", "tensorflow", "tf2onnx", "torch", "xgboost",
}  # fmt: skip
SINCE_3_11 = {"tomllib", "wsgiref.types", "compression", "annotationlib"}
"""Modules of the standard library that Python 3.10 does not have."""

STANDALONE = [
    file
    for file in files()
    if file.is_relative_to(HOUSE)
    and file.parent.relative_to(HOUSE).as_posix() in FOLDERS
    and file.relative_to(HOUSE).as_posix() not in OUR_SIDE
]
NAMES = {
    "fairlead." + file.relative_to(HOUSE).as_posix().removesuffix(".py").replace("/", ".")
    for file in STANDALONE
}


def shown(file) -> str:
    return file.relative_to(HOUSE).as_posix()


def test_the_files_are_there():
    names = {shown(file) for file in STANDALONE}
    for file in OUR_SIDE:
        assert (HOUSE / file).exists(), file
    assert {
        "packing/airlock/child.py", "packing/airlock/unpickle.py", "packing/converters/sklearn.py",
        "runtimes/sklearn.py", "runtimes/python.py", "runtimes/runner/child.py",
        "runtimes/runner/frame.py", "runtimes/runner/sandbox.py",
    } <= names  # fmt: skip


@pytest.mark.parametrize("file", STANDALONE, ids=shown)
def test_a_standalone_file_imports_nothing_that_may_be_absent(file):
    for name in imports(file):
        top = name.partition(".")[0]
        if name.startswith("?") or top in FRAMEWORKS:
            continue
        assert name not in SINCE_3_11
        if top == "fairlead":
            assert _is_standalone(name), f"{name} is not a standalone file"
        else:
            assert top in sys.stdlib_module_names, f"{name} may be absent"


def _is_standalone(name: str) -> bool:
    """A standalone file, a name in one, or a folder on the way to one."""
    below = any(known.startswith(f"{name}.") for known in NAMES)
    return name in NAMES or name.rpartition(".")[0] in NAMES or below


@pytest.mark.parametrize("file", STANDALONE, ids=shown)
def test_a_standalone_file_is_written_in_python_3_10(file):
    ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))


@pytest.mark.parametrize("file", STANDALONE, ids=shown)
def test_a_standalone_file_does_not_import_its_framework_before_it_is_needed(file):
    """What only names a framework must load where that framework is absent."""
    top = {
        alias.name.partition(".")[0]
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    }
    assert top & FRAMEWORKS <= {"numpy"}
