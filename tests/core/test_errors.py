"""Errors: one stable id and name each, the same words in code and in the reference."""

import re
from pathlib import Path

import pytest

from fairlead.core import errors
from fairlead.core.errors import CATALOGUE, Code, FairleadError, MethodNotAllowed
from fairlead.wires import native

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
CONCRETE = sorted(CATALOGUE.values(), key=lambda cls: cls.id)


def every_class(cls: type = FairleadError) -> list[type]:
    return [cls, *(below for sub in cls.__subclasses__() for below in every_class(sub))]


def sections() -> dict[str, tuple[str, str]]:
    """What the reference page says: by id, the name and the text below its heading."""
    parts = re.split(r"^### (FRL-\d{4}) (\S+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {parts[i]: (parts[i + 1], parts[i + 2]) for i in range(0, len(parts), 3)}


def test_every_error_that_is_raised_has_an_id_and_a_name_of_its_own():
    for cls in CONCRETE:
        assert re.fullmatch(r"FRL-[12]\d{3}", cls.id)
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", cls.name)
    assert len({cls.name for cls in CONCRETE}) == len(CONCRETE)


def test_a_class_without_an_id_is_only_a_branch_of_the_tree():
    for cls in every_class():
        if cls.__module__ == errors.__name__ and "id" not in cls.__dict__:
            assert cls.__subclasses__() or cls is errors.Conflict


def test_an_id_cannot_be_used_twice():
    with pytest.raises(TypeError, match="FRL-1001"):
        type("Twin", (FairleadError,), {"id": "FRL-1001", "name": "TWIN"})


def test_an_error_inherits_the_code_of_its_branch():
    assert errors.UrlTooLong.code is Code.OUT_OF_SIZE
    assert {cls.code for cls in CONCRETE if cls.id.startswith("FRL-2")} == {Code.SETUP}


@pytest.mark.parametrize("cls", CONCRETE, ids=lambda cls: cls.id)
def test_the_reference_page_says_of_an_error_what_the_code_says(cls):
    name, text = sections()[cls.id]
    assert name == cls.name
    meaning = " ".join((cls.__doc__ or "").split())
    assert meaning in " ".join(text.split())
    assert f"`{cls.code.value}`" in text
    assert "To fix it:" in text
    status = re.search(r"HTTP (\d{3})", text)
    if cls.code is Code.SETUP:
        assert status is None
    else:
        error = cls("GET", ["POST"]) if cls is MethodNotAllowed else cls("what")
        assert status is not None
        assert int(status[1]) == native.error_reply(error).status


def test_the_reference_page_lists_no_error_that_does_not_exist():
    assert set(sections()) == set(CATALOGUE)


def test_an_error_is_one_line_whatever_it_holds():
    error = errors.BadUsage("two\nlines", where="a\r\nb", fix="do\tthis")
    assert error.line() == "FRL-2004 two lines (a b). do this"
    assert str(error) == "two\nlines"


def test_an_address_that_takes_get_takes_head():
    assert MethodNotAllowed("PUT", ["GET"]).allowed == ("GET", "HEAD")
    assert MethodNotAllowed("GET", ["POST"]).allowed == ("POST",)
