"""Compressed files: read whole, cut short, and as bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.packing.airlock import streams
from fairlead.packing.airlock.refused import Refused, printable

PACKERS = {
    "zlib": zlib.compress,
    "zlib, stored": lambda raw: zlib.compress(raw, 0),
    "gzip": gzip.compress,
    "gzip in parts": lambda raw: gzip.compress(raw[:5]) + gzip.compress(raw[5:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
}


def content(path: Path) -> bytes:
    with streams.opened(path) as stream:
        return stream.read()


@pytest.mark.parametrize("how", PACKERS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=2000))
def test_whatever_compresses_it_the_bytes_are_the_same(tmp_path, how, raw):
    path = tmp_path / "file"
    path.write_bytes(PACKERS[how](raw))
    assert content(path) == raw


def test_a_plain_file_is_read_as_it_is(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x80\x04N.")
    assert content(path) == b"\x80\x04N."


@pytest.mark.parametrize("how", PACKERS)
def test_a_file_cut_short_never_gives_more_than_it_held(tmp_path, how):
    raw = bytes(range(256)) * 40
    whole = PACKERS[how](raw)
    path = tmp_path / "file"
    for size in range(10, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:size])
        try:
            assert raw.startswith(content(path)[: len(raw)])
        except (EOFError, OSError, zlib.error, lzma.LZMAError):
            continue


@pytest.mark.parametrize("how", ["zlib", "gzip", "bz2", "xz"])
def test_a_bomb_is_refused_before_it_fills_anything(tmp_path, monkeypatch, how):
    monkeypatch.setattr(streams, "_ANY_RATIO", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(PACKERS[how](bytes(64 << 20)))
    most = max(1 << 20, 200 * path.stat().st_size)
    with streams.opened(path) as stream:
        read = len(stream.read(most - (1 << 20)))
        assert read <= most
        with pytest.raises(Refused, match="far more"):
            stream.read()


def test_a_compression_that_is_not_read_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x04\x22\x4d\x18 and more")
    with pytest.raises(Refused, match="lz4"):
        streams.opened(path)


def test_bytes_that_are_not_there_are_refused():
    assert streams.exactly(io.BytesIO(b"abc"), 3) == b"abc"
    with pytest.raises(Refused, match="shorter"):
        streams.exactly(io.BytesIO(b"abc"), 1 << 50)


def test_a_files_own_words_are_shown_without_control_characters():
    assert printable("a\x1b[2J\n\u202eb\ud800") == "a\\x1b[2J\\n\\u202eb\\ud800"
    assert printable("é, 模型") == "é, 模型"
    assert len(printable("x" * 1000)) == 200
