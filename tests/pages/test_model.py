"""The page of a model says what its owner said, as it was said."""

from __future__ import annotations

from tests import models
from tests.pages.browsing import Reader, Seen
from tests.processes import server


def test_words_of_the_owner_in_a_list_are_read_as_words(tmp_path):
    words = '[words]\nowners = ["Risk team", "Ann"]\nlicence = "TODO"\n'
    models.total(tmp_path / "models", words=words)
    with server(tmp_path / "models", state=tmp_path / "state") as running:
        text = Seen(Reader(running.port).look("/models/total")).text
    assert "Owners Risk team Ann" in text
    assert "TODO" not in text
