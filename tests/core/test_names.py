"""Names and versions: plain ASCII only, decided before anything is looked up."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.core.errors import BadUsage, ModelNotFound
from fairlead.core.names import check_name, is_name, parse_version

HOSTILE_NAMES = [
    "", ".", "..", "...", "a..b", "../a", "a/b", "a\\b", " a", "a ", "a\n", "a\0", "-a", "a-", ".a",
    "a.", "_a", "%2e", "a" * 129, "\uff41", "\u00e9", "\u0661", "a\u202eb", "a\u200bb", "~", "C:",
    "a:b", "a*",
]  # fmt: skip
HOSTILE_VERSIONS = [
    "", "1_0", " 7", "7 ", "\uff11", "\u0661", "\u00b2", "+1", "-1", "01", "00", "1e0", "0x1",
    "1.0", str(2**70), "1\n",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=repr)
def test_a_hostile_name_is_no_name(name):
    assert not is_name(name)
    with pytest.raises(BadUsage):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "A9", "iris", "my-model", "my_model.v2", "9", "a" * 128])
def test_a_plain_name_is_a_name(name):
    assert is_name(name)
    assert check_name(name) == name


@given(st.text(max_size=12))
@example("a.b")
def test_a_name_can_be_nothing_but_one_folder(name):
    if is_name(name):
        assert name.isascii()
        assert re.fullmatch(r"[\w.-]{1,128}", name)
        assert ".." not in name


@pytest.mark.parametrize("text", HOSTILE_VERSIONS, ids=repr)
def test_a_hostile_version_is_no_version(text):
    with pytest.raises(ModelNotFound):
        parse_version(text)


@given(st.integers(0, 10**18 - 1))
def test_a_version_is_its_plain_digits(number):
    assert parse_version(str(number)) == number


@given(st.text(max_size=6))
def test_a_version_is_read_back_as_it_was_written(text):
    try:
        number = parse_version(text)
    except ModelNotFound:
        return
    assert str(number) == text
