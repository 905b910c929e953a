"""What is learnt of reference rows, whatever the inputs are; what cannot be learnt is said."""

import numpy as np
import pytest
from onnx import TensorProto
from tests import pictures

import fairlead
from fairlead.cli.main import main
from fairlead.core.errors import RowsInvalid
from fairlead.guards import Novelty
from fairlead.guards.seen import Seen


@pytest.fixture
def told():
    return []


@pytest.fixture
def pack(tmp_path, told):
    """Packs a file with reference rows, given as arrays by input."""

    def packed(file, **arrays):
        np.savez(tmp_path / "reference.npz", **arrays)
        return fairlead.pack(
            file,
            name="m",
            repository=tmp_path / "models",
            reference=tmp_path / "reference.npz",
            say=lambda step, words: told.append(f"{step}: {words}"),
        )

    return packed


def guard_files(package):
    return sorted(name for name in package.files if name.startswith("guards/"))


def seen(package):
    return Seen.from_bytes((package.folder / "guards/seen.npz").read_bytes())


def tokens(count=400, width=12, seed=0):
    random = np.random.default_rng(seed)
    rows = random.integers(5, 60, (count, width))
    rows[np.arange(width) >= random.integers(4, width + 1, count)[:, None]] = 0
    return rows


def test_the_command_packs_images_with_their_embedding(tmp_path, capsys):
    images, labels = pictures.digits()
    file = pictures.network(tmp_path / "digits.onnx", images, labels)
    np.savez(tmp_path / "reference.npz", image=images[:400])
    given = ["--name", "digits", "--repository", str(tmp_path / "models")]
    assert main(["pack", str(file), *given, "--reference", str(tmp_path / "reference.npz")]) == 0
    said = capsys.readouterr().out
    assert "image: brightness, contrast, detail and a coarse grid of the image" in said
    assert "the model's embedding" in said
    folder = tmp_path / "models" / "digits" / "1"
    assert not (folder / "contract.toml").exists()
    inputs, embedding = (
        Novelty.from_bytes((folder / "guards" / name).read_bytes())
        for name in ("novelty.npz", "embedding.npz")
    )
    assert "brightness" in inputs.space.names
    assert embedding.space.names == [f"hidden[{i}]" for i in range(16)]
    assert inputs.threshold() == embedding.threshold()


def test_probabilities_are_no_embedding(tmp_path, pack, told):
    images, _ = pictures.digits()
    twenty = np.arange(len(images)) % 20
    file = pictures.network(tmp_path / "digits.onnx", images, twenty, embedding=False)
    package = pack(file, image=images[:200])
    assert any("'probabilities' is no embedding to guard" in line for line in told)
    assert guard_files(package) == [
        "guards/drift.npz",
        "guards/misuse.json",
        "guards/novelty.npz",
        "guards/seen.npz",
    ]


def test_token_ids_are_seen_by_length_and_usualness(tmp_path, pack):
    file = pictures.lengths(
        tmp_path / "t.onnx",
        {"input_ids": (TensorProto.INT64, [None]), "attention_mask": (TensorProto.INT64, [None])},
    )
    rows = tokens()
    package = pack(file, input_ids=rows, attention_mask=(rows > 0).astype(np.int64))
    columns = seen(package).columns([rows, (rows > 0).astype(np.int64)])
    assert (columns["input_ids: length"] == (rows > 0).sum(axis=1)).all()
    assert (columns["attention_mask: length"] == (rows > 0).sum(axis=1)).all()


def test_tokens_of_a_fixed_length_are_known_by_their_name(tmp_path, pack):
    kind = TensorProto.INT32
    file = pictures.lengths(tmp_path / "t.onnx", {"token_ids": (kind, [12]), "x": (kind, [12])})
    package = pack(file, token_ids=tokens(), x=tokens())
    views = {view.input: view.kind for view in seen(package).views}
    assert views == {"token_ids": "tokens", "x": "table"}


def test_vectors_without_names_are_seen_number_by_number(tmp_path, pack):
    file = pictures.lengths(tmp_path / "v.onnx", {"x": (TensorProto.FLOAT, [384])})
    package = pack(file, x=np.random.default_rng(0).normal(size=(300, 384)).astype("f4"))
    guard = Novelty.from_bytes((package.folder / "guards/novelty.npz").read_bytes())
    assert guard.space.names[17] == "x[17]"


def test_very_long_vectors_are_seen_as_sums_and_keep_the_package_small(tmp_path, pack, told):
    file = pictures.lengths(tmp_path / "v.onnx", {"x": (TensorProto.FLOAT, [5000])})
    rows = np.random.default_rng(0).normal(size=(300, 5000)).astype("f4")
    package = pack(file, x=rows)
    assert [view.kind for view in seen(package).views] == ["sums"]
    guard = Novelty.from_bytes((package.folder / "guards/novelty.npz").read_bytes())
    assert len(guard.space.names) == 256
    assert sum(package.files[name].size for name in guard_files(package)) < 1 << 20
    assert any("x: sums of its numbers" in line for line in told)


def test_an_image_beside_a_column_is_seen_beside_it(tmp_path, pack):
    kind = TensorProto.FLOAT
    file = pictures.lengths(tmp_path / "b.onnx", {"scan": (kind, [3, 16, 16]), "age": (kind, [1])})
    random = np.random.default_rng(0)
    scan, age = random.random((100, 3, 16, 16)).astype("f4"), random.normal(50, 9, (100, 1))
    columns = seen(pack(file, scan=scan, age=age.astype("f4"))).columns([scan, age])
    assert columns["age"].tolist() == age[:, 0].tolist()
    assert columns["scan: brightness"] == pytest.approx(scan.mean(axis=(1, 2, 3)))


def test_what_is_neither_table_nor_image_nor_tokens_is_said(tmp_path, pack, told):
    file = pictures.lengths(tmp_path / "s.onnx", {"wave": (TensorProto.FLOAT, [5, 6, 7, 8])})
    package = pack(file, wave=np.ones((50, 5, 6, 7, 8), np.float32))
    assert guard_files(package) == []
    assert any("'wave' is no table, image or tokens" in line for line in told)


def test_a_single_reference_row_teaches_nothing_and_says_so(tmp_path, pack, told):
    images, labels = pictures.digits()
    file = pictures.network(tmp_path / "digits.onnx", images, labels)
    package = pack(file, image=images[:1])
    assert "guards/novelty.npz" not in package.files
    assert any("too few to learn from" in line for line in told)


def test_images_of_one_colour_teach_that_every_other_image_is_strange(tmp_path, pack):
    file = pictures.lengths(tmp_path / "i.onnx", {"x": (TensorProto.FLOAT, [16, 16])})
    package = pack(file, x=np.full((200, 16, 16), 0.5, np.float32))
    guard = Novelty.from_bytes((package.folder / "guards/novelty.npz").read_bytes())
    other = seen(package).columns([np.random.default_rng(0).random((5, 16, 16))])
    same = seen(package).columns([np.full((5, 16, 16), 0.5)])
    assert guard.decide(other).all()
    assert not guard.decide(same).any()


def test_a_missing_pixel_in_a_reference_row_is_refused_with_its_row(tmp_path, pack):
    images, labels = pictures.digits()
    file = pictures.network(tmp_path / "digits.onnx", images, labels)
    images = images[:50].copy()
    images[7, 0, 3, 3] = np.nan
    with pytest.raises(RowsInvalid, match="row 7 of input 'image' holds NaN"):
        pack(file, image=images)


def test_images_without_a_pixel_are_refused(tmp_path, pack):
    images, labels = pictures.digits()
    file = pictures.network(tmp_path / "digits.onnx", images, labels)
    with pytest.raises(RowsInvalid):
        pack(file, image=np.zeros((0, 1, 16, 16), np.float32))
