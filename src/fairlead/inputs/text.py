"""Texts to token ids: tokenised, cut off, padded, all texts of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from fairlead.core.errors import LoadFailed, MissingExtra, TextInvalid, TextTooLong
from fairlead.core.preparation import Text
from fairlead.core.tensor import Array

_UNKNOWN = "[UNK]"
_PADS = ("[PAD]", "<pad>", "<|padding|>", "<|endoftext|>", "</s>")
"""What stands for nothing, where the tokenizer does not say."""


class Texts:
    """Makes the inputs that one declaration describes.

    Raises MissingExtra without the library, LoadFailed for a tokenizer that cannot be read.
    """

    def __init__(self, wanted: Text, tokenizer: bytes) -> None:
        self._wanted = wanted
        library = _library()
        try:
            if wanted.tokenizer.endswith(".txt"):
                self._tokenizer: Any = _word_piece(library, tokenizer, wanted.lowercase)
            else:
                self._tokenizer = library.Tokenizer.from_buffer(tokenizer)
            self._pad = _pad_of(self._tokenizer)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(wanted.max_tokens)
        except Exception as error:
            raise LoadFailed(
                f"the tokenizer cannot be read: {' '.join(str(error).split())[:200]}",
                where=wanted.tokenizer,
            ) from None

    @property
    def row_bytes(self) -> int:
        """Bytes in memory for each text, at most."""
        return self._wanted.max_tokens * 8 * (2 + len(self._wanted.fills))

    def arrays(self, texts: Sequence[str | bytes]) -> dict[str, Array]:
        """The inputs for texts, by name, as INT64.

        Raises TextTooLong and TextInvalid naming the row.
        """
        for row, text in enumerate(texts):
            self._check(text, row)
        tokens = [one.ids for one in self._tokenizer.encode_batch(list(texts))]
        width = self._wanted.padding or max(1, max(map(len, tokens)))
        ids = np.full((len(tokens), width), self._pad, np.int64)
        mask = np.zeros((len(tokens), width), np.int64)
        for row, found in enumerate(tokens):
            ids[row, : len(found)] = found[:width]
            mask[row, : len(found)] = 1
        made = {self._wanted.input: ids}
        for name, what in self._wanted.fills.items():
            made[name] = _fill(what, mask)
        return made

    def _check(self, text: str | bytes, row: int) -> None:
        if isinstance(text, bytes):
            raise TextInvalid(f"the text of row {row} is not UTF-8", where=f"row {row}", row=row)
        most = self._wanted.max_characters
        if len(text) > most:
            raise TextTooLong(
                f"the text of row {row} has {len(text)} characters; {most} are the limit",
                where=f"row {row}",
                fix="Send it in parts",
                row=row,
            )


def _fill(what: str, mask: Array) -> Array:
    if what == "mask":
        return mask
    if what == "types":
        return np.zeros_like(mask)
    return np.broadcast_to(np.arange(mask.shape[1], dtype=np.int64), mask.shape).copy()


def _pad_of(tokenizer: Any) -> int:
    padding: Any = tokenizer.padding
    if padding is not None:
        return int(padding["pad_id"])
    known = (tokenizer.token_to_id(name) for name in _PADS)
    return next((number for number in known if number is not None), 0)


def _word_piece(library: Any, raw: bytes, lowercase: bool) -> Any:
    """BERT's tokenizer of a vocabulary, one piece a line."""
    lines = raw.decode().splitlines()
    vocabulary = {piece: number for number, piece in enumerate(lines)}
    made: Any = library.Tokenizer(library.models.WordPiece(vocabulary, **{"unk_token": _UNKNOWN}))
    made.normalizer = library.normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = library.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=None, special_tokens=ends
    )
    return made


def _library() -> Any:
    try:
        return import_module("tokenizers")
    except ImportError as error:
        raise MissingExtra("texts need tokenizers", fix="pip install 'fairlead[text]'") from error
