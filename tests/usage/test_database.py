"""A database notes its format once, and is safe against a power cut."""

from __future__ import annotations

from fairlead.usage.database import opened

SCHEMA = "CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL);"


def test_a_new_database_notes_its_format_and_an_old_one_keeps_it(tmp_path):
    for version in (1, 2):
        database = opened(tmp_path / "a.sqlite", SCHEMA, version)
        assert database.execute("SELECT version FROM format").fetchall() == [(1,)]
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
        database.close()
