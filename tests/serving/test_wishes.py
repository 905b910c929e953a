"""What was wished of models: kept whole, nothing where the file is not ours, and forgotten."""

from __future__ import annotations

import pytest

from fairlead.serving.wishes import FILE, forget_wishes, keep_wishes, read_wishes

WISHES = {"total": {"act": "load", "model": "total", "choice": {"kind": "latest"}}}


def test_what_was_kept_is_read_and_forgotten(tmp_path):
    keep_wishes(tmp_path, WISHES)
    assert read_wishes(tmp_path) == WISHES
    forget_wishes(tmp_path)
    assert read_wishes(tmp_path) == {}
    forget_wishes(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"total": 3}', "\x00"])
def test_a_file_that_is_not_ours_holds_no_wish(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert read_wishes(tmp_path) == {}
