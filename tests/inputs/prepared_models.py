"""Small models of pictures and texts for tests, packed as an owner would pack them.

name       takes                              answers
colours    image FP32 [-1,3,8,9], normalised  flat [-1,216] = image
sentences  text, by a tokenizer of words      embedding [-1,4]: the mean of its words' vectors
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tests.models import graph, node, spec

from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.declared import read_declared
from fairlead.packing.faithful import Wanted, silent
from fairlead.packing.from_file import pack_file

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "calm", "sea", "storm", "wind")
VECTORS = np.arange(len(WORDS) * 4, dtype=np.float32).reshape(-1, 4) % 5 - 2
COLOURS = """
[inputs.image]
kind = "image"
size = [8, 9]
mean = [0.5, 0.25, 0.125]
std = [0.5, 0.25, 2.0]
scale = 0.00392156862745098
max_pixels = 10000
"""
SENTENCES = """
[inputs.input_ids]
kind = "text"
tokenizer = "vocab.txt"
max_tokens = 8
max_characters = 60
fills = { attention_mask = "mask" }

[outputs.embedding]
pooling = "mean"
normalize = true
"""


def colours(repository: Path, words: str = COLOURS, reference: Path | None = None) -> Package:
    """Its answer is its input, so that a test sees what was made of a picture."""
    signature = Signature(
        (spec("image", "FP32", (-1, 3, 8, 9)),), (spec("flat", "FP32", (-1, 216)),)
    )
    made = graph([node("Flatten", "image", "flat", axis=1)], signature)
    return packed(repository, "colours", made, words, reference=reference)


def sentences(repository: Path, words: str = SENTENCES, reference: Path | None = None) -> Package:
    """Its answer can be computed by hand from VECTORS."""
    signature = Signature(
        (spec("input_ids", "INT64", (-1, -1)), spec("attention_mask", "INT64", (-1, -1))),
        (spec("tokens", "FP32", (-1, -1, 4)),),
    )
    nodes = [
        node("Gather", "vectors input_ids", "found"),
        # The mask is for the pooling; a graph must still use what it takes.
        node("Cast", "attention_mask", "shown", to=1),
        node("Unsqueeze", "shown last", "wide"),
        node("Mul", "wide nothing", "none"),
        node("Add", "found none", "tokens"),
    ]
    constants: dict[str, Any] = {
        "vectors": VECTORS,
        "last": np.array([-1]),
        "nothing": np.float32(0),
    }
    made = graph(nodes, signature, constants)
    beside = {"vocab.txt": "\n".join(WORDS)}
    return packed(repository, "sentences", made, words, beside, reference)


def packed(
    repository: Path,
    name: str,
    raw: bytes,
    words: str,
    beside: dict[str, str] | None = None,
    reference: Path | None = None,
) -> Package:
    """Packs a graph with a model.toml and the files beside it."""
    folder = repository.parent / f"{repository.name}-{name}"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(raw)
    (folder / "model.toml").write_text(words)
    for file, text in (beside or {}).items():
        (folder / file).write_text(text)
    declared = read_declared(folder / "model.toml")
    rows = declared.rows(reference) if reference is not None else None
    wanted = Wanted(name, repository, reference=rows, declared=declared)
    return pack_file(str(folder / "model.onnx"), wanted, Airlock(), silent)


def embedding(text: str) -> np.ndarray:
    """The answer of `sentences`."""
    known = {word: number for number, word in enumerate(WORDS)}
    ids = [2, *[known.get(word, 1) for word in text.lower().split()], 3]
    mean = VECTORS[ids].mean(axis=0)
    return mean / np.linalg.norm(mean)
