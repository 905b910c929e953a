"""Secrets: a form that tells a key from anything else, and no way into logs or files."""

import copy
import logging
import os
import pickle
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import made

from fairlead.access.secrets import (
    LONGEST,
    PATTERN,
    PEPPER,
    Digester,
    Secret,
    is_key,
    new_id,
    new_secret,
    presented,
    read_pepper,
)
from fairlead.core.access import check
from fairlead.core.errors import FileUnreadable, KeyMalformed

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("kind", ["live", "test", "admin"])
def test_a_new_secret_is_a_key_that_scanners_find(kind):
    text = new_secret(kind).reveal()
    assert text.startswith(f"frl_{kind}_")
    assert is_key(text)
    assert re.search(PATTERN, f'API_KEY="{text}"')[0] == text


def test_no_two_secrets_or_ids_are_the_same():
    assert len({new_secret().reveal() for _ in range(1000)}) == 1000
    assert len({new_id() for _ in range(1000)}) == 1000


def test_the_checksum_is_the_crc_32_in_base_62():
    text = new_secret().reveal()
    number = 0
    for letter in text[-6:]:
        number = number * 62 + LETTERS.index(letter)
    assert number == crc32(text[:-6].encode())


@given(st.integers(0, 44), st.sampled_from(LETTERS))
def test_one_wrong_character_is_seen_without_a_hash(place, letter):
    text = new_secret().reveal()
    wrong = text[:place] + letter + text[place + 1 :]
    assert is_key(wrong) is (wrong == text)


def test_a_key_of_one_kind_does_not_pass_as_one_of_another():
    assert not is_key(new_secret("live").reveal().replace("_live_", "_test_"))


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}", "{}", " {} "])
def test_a_key_is_found_in_either_header(form):
    text = new_secret().reveal()
    assert presented(form.format(text)) == text


@pytest.mark.parametrize(
    "form",
    [
        "Basic {}", "Bearer Bearer {}", "Bearer{}", "Bearer {}, Bearer {}", "{},{}", "Bearer {}\n",
        "Bearer {}\x00", "Bearer \u200b{}", "Bearer {}é", "Bearer '{}' OR 1=1 --", "Bearer {} {}",
        "Bearer " + " " * LONGEST + "{}", "{0}" * 20_000, "Token {}", "Bearer", "Bearer ", "%s%n{}",
    ],
)  # fmt: skip
def test_anything_else_is_no_key_and_is_not_repeated(form):
    text = new_secret().reveal()
    with pytest.raises(KeyMalformed) as refused:
        presented(form.format(text, text))
    assert text not in refused.value.line()
    assert refused.value.line() == _malformed()


def _malformed() -> str:
    with pytest.raises(KeyMalformed) as refused:
        presented("x")
    return refused.value.line()


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_a_header(text):
    with pytest.raises(KeyMalformed):
        presented(text)


def test_a_megabyte_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("fairlead.access.secrets.crc32", None)
    assert not is_key("frl_live_" + "a" * 1_000_000)


def test_a_secret_is_not_shown_written_or_copied_by_accident(caplog):
    secret = new_secret()
    text = secret.reveal()
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!s}", "%s" % secret, repr([secret])]  # noqa: UP031
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("made %s", secret)
    assert not [one for one in [*shown, caplog.text] if text[9:-4] in one]
    assert secret.ending in repr(secret)
    for keep in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not written"):
            keep(secret)


def test_secrets_are_compared_whole():
    secret = new_secret()
    assert secret == Secret(secret.reveal())
    assert secret != new_secret()
    assert secret != secret.reveal()


def test_a_digest_depends_on_the_pepper_and_shows_neither():
    text = new_secret().reveal()
    one, other = Digester(b"1" * 32), Digester(b"2" * 32)
    assert len(one.digest(text)) == 32
    assert one.digest(text) == Digester(b"1" * 32).digest(text) != other.digest(text)
    assert "1111" not in repr(one)


def test_a_short_pepper_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        Digester(b"short")


def test_a_pepper_is_made_once_for_the_owner_alone(tmp_path):
    first = read_pepper(tmp_path)
    assert len(first) == 32
    assert read_pepper(tmp_path) == first
    assert stat.S_IMODE((tmp_path / PEPPER).stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [PEPPER]


def test_of_processes_that_make_a_pepper_at_once_all_get_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: read_pepper(tmp_path), range(64)))
    assert len(found) == 1
    assert os.listdir(tmp_path) == [PEPPER]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_pepper_that_others_can_reach_is_refused(tmp_path, mode):
    read_pepper(tmp_path)
    (tmp_path / PEPPER).chmod(mode)
    with pytest.raises(FileUnreadable, match="others"):
        read_pepper(tmp_path)


def test_a_pepper_that_is_cut_short_is_refused(tmp_path):
    read_pepper(tmp_path)
    (tmp_path / PEPPER).write_bytes(b"short")
    with pytest.raises(FileUnreadable, match="not whole"):
        read_pepper(tmp_path)


def test_a_state_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileUnreadable, match="cannot be read"):
        read_pepper(tmp_path / "none")


def test_an_id_may_stand_in_a_key():
    assert check(made()[1].key).id.startswith("key_")
