"""Texts become the token ids that the tokenizer gives, cut off and padded as declared."""

from __future__ import annotations

import numpy as np
import pytest
from tests.inputs.prepared_models import WORDS
from tokenizers import Tokenizer, models, pre_tokenizers

from fairlead.core.errors import LoadFailed, TextInvalid, TextTooLong
from fairlead.core.preparation import Text
from fairlead.inputs.text import Texts

VOCABULARY = "\n".join(WORDS).encode()
FILLS = {"mask": "mask", "types": "types", "places": "positions"}


def texts(raw: bytes = VOCABULARY, **more) -> Texts:
    return Texts(Text("ids", "text", **({"tokenizer": "vocab.txt"} | more)), raw)


def test_a_vocabulary_is_berts():
    found = texts().arrays(["Calm sea", "storm"])
    assert found["ids"].tolist() == [[2, 4, 5, 3], [2, 6, 3, 0]]
    assert found["ids"].dtype == np.int64


def test_a_tokenizer_file_is_taken_as_it_is():
    made = Tokenizer(models.WordLevel({"calm": 5, "sea": 6, "?": 0}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_padding(pad_id=9)
    raw = made.to_str().encode()
    found = texts(raw, tokenizer="tokenizer.json").arrays(["calm sea", "sea", ""])
    assert found["ids"].tolist() == [[5, 6], [6, 9], [9, 9]]


def test_further_inputs_are_filled():
    found = texts(fills=FILLS).arrays(["calm sea", "storm"])
    assert found["mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert found["types"].tolist() == [[0] * 4] * 2
    assert found["places"].tolist() == [[0, 1, 2, 3]] * 2


def test_a_long_text_is_cut_off_and_a_short_one_filled_up():
    found = texts(max_tokens=4, padding=6).arrays(["calm sea storm wind", ""])
    assert found["ids"].tolist() == [[2, 4, 5, 3, 0, 0], [2, 3, 0, 0, 0, 0]]


def test_a_text_beyond_the_bound_is_refused_before_it_is_tokenised():
    with pytest.raises(TextTooLong, match="row 1 has 11 characters; 10 are") as caught:
        texts(max_characters=10).arrays(["calm", "a" * 11])
    assert caught.value.row == 1


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(TextInvalid, match="row 0"):
        texts().arrays([b"\xff"])


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json"])
def test_a_file_that_is_no_tokenizer_is_refused(name):
    with pytest.raises(LoadFailed, match="tokenizer"):
        texts(b'{"model": 1}', tokenizer=name)
