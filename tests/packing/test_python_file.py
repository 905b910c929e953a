"""A Python source file is read as text: what it defines and imports, and nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.errors import FairleadError, FileUnreadable, FormatUnknown
from fairlead.packing.python_file import look


def looked(folder: Path, source: str | bytes, name: str = "predict") -> dict[str, Any]:
    path = folder / "model.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return look(path, name)


@pytest.mark.parametrize(
    "source",
    [
        "def predict(a, b): return a",
        "predict = lambda a: a",
        "predict: object = print",
        "first, (predict, last) = 1, (2, 3)",
        "from somewhere import predict",
        "from somewhere import other as predict",
        "import predict",
        "if True:\n    def predict(a): return a",
        "try:\n    from fast import predict\nexcept ImportError:\n    predict = None",
        "with open('x') as f:\n    predict = f",
    ],
)
def test_a_name_that_the_file_binds_is_found(tmp_path, source):
    assert looked(tmp_path, source)["code"]["holds"]


@pytest.mark.parametrize(
    "source", ["", "def other(): predict = 1", "class A:\n    predict = 1", "predict"]
)
def test_a_name_that_it_does_not_bind_is_refused_with_what_it_defines(tmp_path, source):
    with pytest.raises(FormatUnknown, match=r"model\.py defines no 'predict'"):
        looked(tmp_path, source)
    with pytest.raises(FormatUnknown) as unknown:
        looked(tmp_path, "def one(): ...\nclass Two: ...\ndef _three(): ...\nimport four")
    assert unknown.value.fix == "It defines: one, Two"


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("def predict(a, b): ...", ["a", "b"]),
        ("def predict(a, /, b, *, c): ...", ["a", "b", "c"]),
        ("def predict(rows): ...", None),
        ("class predict:\n    def predict(self, a, b): ...", ["a", "b"]),
        ("class predict:\n    def predict(self, rows): ...", None),
        ("class predict: ...", None),
        ("predict = print", None),
    ],
)
def test_parameters_are_columns(tmp_path, source, columns):
    assert looked(tmp_path, source)["inputs"] == ([{"columns": columns}] if columns else [])


def test_every_import_is_told_wherever_it_stands(tmp_path):
    source = "import a, b.c as d\ndef predict(x):\n    from e import f\n    import a\n"
    assert looked(tmp_path, source)["code"]["touches"] == ["a", "b.c", "e"]


@pytest.mark.parametrize(
    "source",
    [
        "def predict(",
        "x = '\x1b[2J",
        b"\xff\xfe",
        b"a\x00b",
        "(" * 5000,
        "-" * 200_000 + "1",
        "\tx\n  y",
    ],
)
def test_what_is_no_python_is_one_clear_line(tmp_path, source):
    with pytest.raises(FormatUnknown, match="not valid Python") as unknown:
        looked(tmp_path, source)
    assert unknown.value.what.isprintable()


def test_a_file_that_is_too_large_or_gone_is_an_error(tmp_path):
    with pytest.raises(FormatUnknown, match="4 MiB"):
        looked(tmp_path, "x = 1\n" * 800_000)
    with pytest.raises(FileUnreadable):
        look(tmp_path / "absent.py", "predict")


def test_a_warning_of_the_parser_is_not_shown(tmp_path):
    assert looked(tmp_path, "predict = '\\d' is 5")["code"]["holds"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, raw):
    try:
        looked(tmp_path, b"predict = 1\n" + raw)
    except FairleadError:
        return
