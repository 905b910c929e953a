"""Guards learn from pictures and texts as the model sees them; what cannot be is said at pack."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tests.inputs import prepared_models as models

from fairlead.core.errors import (
    BadUsage,
    ConversionFailed,
    FileUnreadable,
    PackageInvalid,
    RowsInvalid,
)
from fairlead.packing.amend import amend
from fairlead.packing.declared import read_declared
from fairlead.packing.faithful import Wanted
from fairlead.packing.pack import begin


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty pictures of bluish noise."""
    place = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    for number in range(40):
        pixels = random.integers(0, 60, (12, 18, 3)).astype(np.uint8)
        pixels[..., 2] += 120
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    return place


def test_a_folder_of_pictures_is_reference_rows(folder, tmp_path):
    package = models.colours(tmp_path / "models", reference=folder)
    assert "guards/novelty.npz" in package.files
    shown = json.loads((package.folder / "examples.json").read_text())
    assert shown["rows"][0]["image"]
    assert shown["inputs"][0]["shape"] == [1, 3, 8, 9]


def test_a_table_may_name_the_files_of_pictures(folder, tmp_path):
    rows = folder / "rows.csv"
    rows.write_text("file\n" + "\n".join(f"{n:02}.png" for n in range(40)))
    package = models.colours(tmp_path / "models", reference=rows)
    assert "guards/novelty.npz" in package.files
    rows.write_text("file\nnone.png\n")
    with pytest.raises(RowsInvalid, match="cannot be read"):
        models.colours(tmp_path / "models", reference=rows)
    rows.write_text("path\n00.png\n")
    with pytest.raises(RowsInvalid, match="no column 'image'"):
        models.colours(tmp_path / "models", reference=rows)
    rows.unlink()


def test_texts_of_a_table_are_reference_rows(tmp_path):
    rows = tmp_path / "rows.jsonl"
    texts = ["calm sea", "calm wind", "sea wind", "storm sea wind"] * 30
    rows.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    package = models.sentences(tmp_path / "models", reference=rows)
    assert "guards/seen.json" in package.files or "guards/novelty.npz" in package.files
    shown = json.loads((package.folder / "examples.json").read_text())
    assert shown["rows"] == [{"text": "calm sea"}]


def test_a_picture_that_is_none_is_refused_with_its_row(folder, tmp_path):
    rows = tmp_path / "pictures"
    rows.mkdir()
    (rows / "a.png").write_bytes((folder / "00.png").read_bytes())
    (rows / "b.png").write_bytes(b"none")
    with pytest.raises(RowsInvalid, match="row 1"):
        models.colours(tmp_path / "models", reference=rows)
    (rows / "a.png").unlink()
    (rows / "b.png").unlink()
    with pytest.raises(RowsInvalid, match="no picture"):
        models.colours(tmp_path / "models", reference=rows)


def test_the_tokenizer_travels_with_the_package(tmp_path):
    package = models.sentences(tmp_path / "models")
    held = (package.folder / "inputs/vocab.txt").read_text()
    assert held.split() == [*models.WORDS]
    assert [s.name for s in package.signature.outputs] == ["embedding"]


def test_a_declaration_that_does_not_fit_is_refused_at_pack(tmp_path):
    with pytest.raises(PackageInvalid, match="makes pictures of shape"):
        models.colours(tmp_path / "models", models.COLOURS.replace("[8, 9]", "[8, 7]"))
    with pytest.raises(FileUnreadable, match=r"other\.txt"):
        models.sentences(tmp_path / "models", models.SENTENCES.replace("vocab", "other"))
    for key, told in (("mask", "says which tokens count"), ("of", "needs one output")):
        words = models.SENTENCES.replace('pooling = "mean"', f'pooling = "mean"\n{key} = "m"')
        with pytest.raises(ConversionFailed, match=told):
            models.sentences(tmp_path / "models", words)


def test_guards_are_chosen_in_one_place(tmp_path):
    words = tmp_path / "model.toml"
    words.write_text('[guards]\nnovelty = "warn"\n')
    declared = read_declared(words)
    with pytest.raises(BadUsage, match=r"model\.toml"):
        begin(Wanted("m", tmp_path, guards={"novelty": "off"}, declared=declared))


def test_amend_changes_what_is_declared_and_keeps_the_graph(tmp_path):
    repository = tmp_path / "models"
    models.sentences(repository)
    words = tmp_path / "model.toml"
    words.write_text(models.SENTENCES.replace("vocab.txt", "new.txt"))
    with pytest.raises(FileUnreadable, match=r"new\.txt"):
        amend(repository, "sentences", words)
    (tmp_path / "new.txt").write_text("\n".join(models.WORDS))
    package = amend(repository, "sentences", words)
    assert "inputs/new.txt" in package.files
    words.write_text(models.SENTENCES.replace("inputs.input_ids", "inputs.input_id"))
    with pytest.raises(PackageInvalid, match="no input 'input_id'") as caught:
        amend(repository, "sentences", words)
    assert caught.value.where == str(words)
    assert caught.value.fix == "Did you mean input_ids?"
    words.write_text(models.SENTENCES.replace("normalize = true", "normalize = false"))
    with pytest.raises(PackageInvalid, match="belongs to the graph"):
        amend(repository, "sentences", words)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_pooling_is_the_arithmetic_that_is_declared(serving, tmp_path, pooling):
    words = models.SENTENCES.replace('"mean"', f'"{pooling}"').replace("true", "false")
    models.sentences(tmp_path / "models", words)
    rows = {"rows": ["calm", "calm sea storm"]}
    answer = serving(tmp_path / "models").post("/predict/sentences", json=rows).json()
    ids = [[2, 4, 3], [2, 4, 5, 6, 3]]
    expected = [
        models.VECTORS[i].mean(axis=0) if pooling == "mean" else models.VECTORS[2] for i in ids
    ]
    found = [row["embedding"] for row in answer["predictions"]]
    assert np.allclose(found, expected, atol=1e-6)
