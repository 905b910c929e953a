"""Rows in files: what they hold, and what is wrong with them, within bounds."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import FileUnreadable, MissingExtra, RowsInvalid
from fairlead.packing import row_files

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_columns(path):
    """The columns alone."""
    return row_files.read_columns(path)[0]


def lines(found):
    return {name: array.tolist() for name, array in found.items()}


# --- CSV -------------------------------------------------------------------------------------


def test_csv_columns_have_the_kind_of_their_cells(tmp_path):
    content = '\ufeffage,city,owner,size\n40,"Oslo, NO",true,1.5\n41,Bergen,false,\n'
    found = read_columns(written(tmp_path, "r.csv", content))
    assert list(found) == ["age", "city", "owner", "size"]
    assert [a.dtype.kind for a in found.values()] == ["i", "O", "b", "f"]
    assert found["city"].tolist() == ["Oslo, NO", "Bergen"]
    assert np.isnan(found["size"][1])


def test_empty_lines_of_csv_are_no_rows(tmp_path):
    assert lines(read_columns(written(tmp_path, "r.csv", "a\n\n1\n\n2\n"))) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there are no rows"),
        ("a,b\n", "there are no rows"),
        ("a,b\n1,2\n3\n", "row 1 has 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "row 0 has 3 cells, the header has 2"),
        ("a,a\n1,2\n", "the column 'a' is given twice"),
        (b"a\n\xff\n", "the file is not UTF-8"),
        ('a\n"open\n', "the CSV cannot be read: unexpected end of data"),
        ("a\n1e999\n", "row 0 of column 'a' holds a number beyond float64"),
    ],
)
def test_csv_that_cannot_be_read_says_why_and_where(content, message, tmp_path):
    with pytest.raises(RowsInvalid, match=message):
        read_columns(written(tmp_path, "r.csv", content))


@given(st.data())
def test_csv_gives_back_the_numbers_that_were_written(tmp_path_factory, data):
    numbers = data.draw(NUMBERS)
    content = "a\n" + "".join(f"{n!r}\n" for n in numbers)
    path = written(tmp_path_factory.getbasetemp(), "numbers.csv", content)
    assert read_columns(path)["a"].tolist() == numbers


# --- JSON lines ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jsonl", "ndjson"])
def test_json_lines_are_rows_whatever_the_order_of_names(ending, tmp_path):
    content = '{"a": 1, "b": "x"}\n\n{"b": null, "a": 2.5}\n'
    found = lines(read_columns(written(tmp_path, f"r.{ending}", content)))
    assert found == {"a": [1.0, 2.5], "b": ["x", ""]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there are no rows"),
        ('{"a": 1}\n[1]\n', "line 2 is not an object"),
        ('{"a": 1}\n{"a": 1, "b": 2}\n', "line 2 has a new column 'b'"),
        ('{"a": 1, "b": 2}\n{"a": 1}\n', "line 2 has no column 'b'"),
        ('{"a": 1}\n{"a": \n', "line 2 is no JSON"),
        ('{"a": 1, "a": 2}\n', "line 1 is no JSON: a name is given twice"),
        ('{"a": 1}\n{"a": "x"}\n', "row 1 of column 'a' holds text after number"),
        ('{"a": [1]}\n', "row 0 of column 'a' holds a list"),
        ("[" * 100_000, "line 1 is no JSON"),
        (b'{"a": "\xff"}\n', "line 1 is not UTF-8"),
    ],
)
def test_json_lines_that_cannot_be_read_say_why_and_where(content, message, tmp_path):
    with pytest.raises(RowsInvalid, match=message):
        read_columns(written(tmp_path, "r.jsonl", content))


@given(st.lists(st.fixed_dictionaries({"a": TEXTS, "b": st.integers(-(2**62), 2**62)}), min_size=1))
def test_json_lines_give_back_what_was_written(tmp_path_factory, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path = written(tmp_path_factory.getbasetemp(), "rows.jsonl", content)
    found = lines(read_columns(path))
    assert [
        dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)
    ] == rows


# --- NPZ -------------------------------------------------------------------------------------


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "r.npz", **arrays)
    return tmp_path / "r.npz"


def test_npz_holds_columns_tables_and_whole_inputs(tmp_path):
    found = read_columns(npz(tmp_path, a=np.arange(3, dtype=np.uint8), b=np.array(["x", "y", "z"])))
    assert lines(found) == {"a": [0, 1, 2], "b": ["x", "y", "z"]}
    found = read_columns(npz(tmp_path, x=np.arange(6.0).reshape(3, 2)))
    assert lines(found) == {"0": [0.0, 2.0, 4.0], "1": [1.0, 3.0, 5.0]}
    found = read_columns(npz(tmp_path, x=np.zeros((2, 3, 3), np.float32), n=np.ones((2, 1))))
    assert (found["x"].shape, found["x"].dtype) == ((2, 3, 3), np.float32)
    assert found["n"].shape == (2,)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "number of rows: 'a' 2, 'b' 3"),
        ({"a": np.float64(1)}, "number of rows: 'a' none"),
        ({"a": np.array([1j])}, "column 'a' is an array of complex128"),
        ({"a": np.array(["2024-01-01"], "M8[D]")}, "column 'a' is an array of datetime64"),
        ({"a": np.array([{}], dtype=object)}, "Object arrays cannot be loaded"),
    ],
)
def test_npz_that_holds_no_rows_says_why(arrays, message, tmp_path):
    with pytest.raises(RowsInvalid, match=message):
        read_columns(npz(tmp_path, **arrays))


def test_an_array_that_declares_more_than_it_holds_is_refused_before_it_is_made(tmp_path):
    head = io.BytesIO()
    told = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    np.lib.format.write_array_header_1_0(head, told)
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue() + bytes(64))
    with pytest.raises(RowsInvalid, match=r"a\.npy declares more than it holds"):
        read_columns(tmp_path / "r.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_an_npz_that_is_none_is_refused(content, tmp_path):
    with pytest.raises(RowsInvalid, match="the NPZ cannot be read"):
        read_columns(written(tmp_path, "r.npz", content))


# --- Parquet ---------------------------------------------------------------------------------


def parquet(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    return tmp_path / "r.parquet"


def test_parquet_keeps_the_kinds_of_its_columns(tmp_path):
    path = parquet(
        tmp_path,
        n=pa.array([1, 2], pa.int32()),
        f=pa.array([0.5, None]),
        t=pa.array(["x", None]),
        c=pa.array(["x", "y"]).dictionary_encode(),
        b=pa.array([True, False]),
    )
    found = read_columns(path)
    assert [a.dtype.kind for a in found.values()] == ["i", "f", "O", "O", "b"]
    assert found["t"].tolist() == ["x", ""]
    assert np.isnan(found["f"][1])


def test_parquet_of_other_kinds_is_refused_by_row_and_column(tmp_path):
    with pytest.raises(RowsInvalid, match="row 1 of column 'a' holds a list"):
        read_columns(parquet(tmp_path, a=pa.array([None, [1]])))


def test_parquet_that_is_none_is_refused(tmp_path):
    with pytest.raises(RowsInvalid, match="the Parquet file cannot be read"):
        read_columns(written(tmp_path, "r.parquet", b"PAR1 nothing PAR1"))


def test_parquet_without_its_library_names_the_extra(monkeypatch, tmp_path):
    path = parquet(tmp_path, a=pa.array([1]))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra) as missing:
        read_columns(path)
    assert missing.value.fix == "pip install 'fairlead[parquet]'"


# --- bounds ----------------------------------------------------------------------------------

FILES = {
    "csv": lambda p: written(p, "r.csv", "a,b,c\n" + "1,2,3\n" * 4),
    "jsonl": lambda p: written(p, "r.jsonl", '{"a": 1, "b": 2, "c": 3}\n' * 4),
    "npz": lambda p: npz(p, a=np.zeros(4), b=np.zeros(4), c=np.zeros(4)),
    "parquet": lambda p: parquet(p, a=[1] * 4, b=[1] * 4, c=[1] * 4),
}


@pytest.mark.parametrize("kind", FILES)
def test_rows_columns_and_bytes_have_their_limits(kind, monkeypatch, tmp_path):
    path = FILES[kind](tmp_path)
    for limit, value, enough, message in (
        ("MOST_COLUMNS", 2, 3, "more than 2 columns"),
        (
            "MOST_STREAMED" if kind in ("csv", "jsonl") else "MOST_BYTES",
            20, 1 << 20, "larger than 0 GiB",
        ),
    ):  # fmt: skip
        monkeypatch.setattr(row_files, limit, value)
        with pytest.raises(RowsInvalid, match=message):
            read_columns(path)
        monkeypatch.setattr(row_files, limit, enough)
        assert len(read_columns(path)["a"]) == 4
        monkeypatch.undo()


@pytest.mark.parametrize("kind", FILES)
def test_of_more_rows_than_are_kept_a_sample_is_taken_and_counted(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(row_files, "MOST_ROWS", 50)
    numbers = list(range(1000))
    path = {
        "csv": lambda: written(tmp_path, "r.csv", "a,b\n" + "".join(f"{n},{n}\n" for n in numbers)),
        "jsonl": lambda: written(
            tmp_path, "r.jsonl", "".join(f'{{"a": {n}, "b": {n}}}\n' for n in numbers)
        ),
        "npz": lambda: npz(tmp_path, a=np.array(numbers), b=np.array(numbers)),
        "parquet": lambda: parquet(tmp_path, a=numbers, b=numbers),
    }[kind]()
    found, count = row_files.read_columns(path)
    assert count == 1000
    assert len(found["a"]) == 50
    assert found["a"].tolist() == found["b"].tolist() == sorted(set(found["a"].tolist()))
    assert 250 < found["a"].mean() < 750
    assert row_files.read_columns(path)[0]["a"].tolist() == found["a"].tolist()


def test_a_line_of_json_has_its_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(row_files, "_MOST_LINE", 100)
    path = written(tmp_path, "r.jsonl", '{"a": 1}\n{"a": "' + "x" * 200 + '"}\n')
    with pytest.raises(RowsInvalid, match="line 2 is longer than"):
        read_columns(path)


def test_what_unpacks_to_too_much_is_refused(monkeypatch, tmp_path):
    np.savez_compressed(tmp_path / "r.npz", a=np.zeros(100_000))
    monkeypatch.setattr(row_files, "MOST_BYTES", 100_000)
    with pytest.raises(RowsInvalid, match="it unpacks to more than"):
        read_columns(tmp_path / "r.npz")
    path = parquet(tmp_path, a=pa.array(np.arange(100_000) % 7 * 0.1))
    assert path.stat().st_size < 100_000
    with pytest.raises(RowsInvalid, match="it unpacks to more than"):
        read_columns(path)


def test_a_file_that_is_not_there_or_of_no_known_kind_is_said_so(tmp_path):
    with pytest.raises(FileUnreadable, match="cannot be read: No such file"):
        read_columns(tmp_path / "r.csv")
    with pytest.raises(RowsInvalid, match=r"rows in a \.xlsx file are not known") as refused:
        read_columns(tmp_path / "r.xlsx")
    assert refused.value.fix == "Use .csv, .parquet, .npz or .jsonl"
