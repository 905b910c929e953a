"""What every protocol over HTTP says of an error."""

from __future__ import annotations

import pytest

from fairlead.core.errors import CATALOGUE, Code, MalformedBody, MethodNotAllowed
from fairlead.wires.http_errors import STATUS, status_of, words_of


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_status(code):
    assert 400 <= STATUS[code] <= 599


def test_four_errors_have_statuses_of_their_own():
    made = [
        cls("GET", ["POST"]) if cls is MethodNotAllowed else cls("what")
        for cls in CATALOGUE.values()
    ]
    own = {error.id: status_of(error) for error in made if status_of(error) != STATUS[error.code]}
    assert own == {"FRL-1104": 431, "FRL-1106": 414, "FRL-1510": 507, "FRL-1602": 408}


def test_the_words_say_what_where_and_what_to_do():
    assert words_of(MalformedBody("it is wrong", where="row 3", fix="Mend it")) == (
        "it is wrong (row 3). Mend it"
    )
    assert words_of(MalformedBody("it is wrong")) == "it is wrong"
