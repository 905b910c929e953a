"""Pictures become the arrays that Pillow and plain arithmetic make of them, within bounds."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fairlead.core.errors import PictureTooLarge, PictureUnreadable
from fairlead.core.preparation import Picture
from fairlead.inputs.pictures import Pictures, sample

SIZE = (8, 6)
NOISE = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **more) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def wanted(**more) -> Picture:
    return Picture("image", "image", **({"size": SIZE, "layout": "NHWC"} | more))


def made(raw, dtype=np.uint8, **more) -> np.ndarray:
    return Pictures(wanted(**more), dtype).array([raw])[0]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_each_format_is_decoded_as_pillow_decodes_it(form):
    raw = encoded(Image.fromarray(NOISE), form)
    expected = Image.open(io.BytesIO(raw)).convert("RGB").resize((6, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(made(raw), np.asarray(expected))


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos", "area"])
def test_each_interpolation_is_pillows(name):
    kind = Image.Resampling["BOX" if name == "area" else name.upper()]
    expected = Image.fromarray(NOISE).resize((6, 8), kind)
    found = made(encoded(Image.fromarray(NOISE)), interpolation=name)
    assert np.array_equal(found, np.asarray(expected))


def test_normalising_is_the_arithmetic_that_is_declared():
    more = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    found = made(encoded(Image.fromarray(NOISE)), np.float32, layout="NCHW", **more)
    small = np.asarray(Image.fromarray(NOISE).resize((6, 8), Image.Resampling.BILINEAR))
    expected = (small.astype(np.float64) / 255 - more["mean"]) / more["std"]
    assert found.dtype == np.float32
    assert found.shape == (3, 8, 6)
    assert np.allclose(found, expected.transpose(2, 0, 1), atol=2e-6)


def test_bgr_turns_the_channels_and_grey_has_one():
    raw = encoded(Image.fromarray(NOISE))
    assert np.array_equal(made(raw, color="bgr"), made(raw)[..., ::-1])
    grey = Image.fromarray(NOISE).convert("L").resize((6, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(made(raw, color="grey")[..., 0], np.asarray(grey))


def test_shorter_brings_the_shorter_edge_to_its_size_and_cuts_out_the_centre():
    found = made(encoded(Image.fromarray(NOISE)), size=(8, 8), resize="shorter", shorter_to=10)
    image = Image.fromarray(NOISE).resize((15, 10), Image.Resampling.BILINEAR)
    assert np.array_equal(found, np.asarray(image)[1:9, 4:12])


def test_fit_keeps_the_whole_and_pads():
    found = made(encoded(Image.fromarray(NOISE)), size=(10, 6), resize="fit", pad=7)
    inner = np.asarray(Image.fromarray(NOISE).resize((6, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(found[3:7], inner)
    assert (found[:3] == 7).all()
    assert (found[7:] == 7).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_stands_as_its_camera_says(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    raw = encoded(Image.fromarray(NOISE), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(raw)))
    expected = upright.convert("RGB").resize((6, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(made(raw), np.asarray(expected))


def test_metadata_that_is_none_turns_nothing():
    raw = encoded(Image.fromarray(NOISE), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert np.array_equal(made(raw), made(encoded(Image.fromarray(NOISE))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_mode_becomes_the_same_picture(mode):
    flat = Image.new("RGB", (30, 20), (128, 128, 128))
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 128 * 256, np.uint16))
    elif mode == "1":
        image = Image.new("1", (30, 20), 1)
    else:
        image = flat.convert(mode)
    raw = encoded(image, "JPEG" if mode == "CMYK" else "PNG")
    expected = 255 if mode == "1" else 128
    assert np.abs(made(raw).astype(int) - expected).max() <= 2


def test_a_palette_with_transparency_in_bytes_is_no_warning():
    image = Image.fromarray(NOISE).quantize(16)
    assert made(encoded(image, transparency=bytes(range(16)))).shape == (8, 6, 3)


def test_the_first_picture_of_a_moving_one_is_taken():
    first, second = Image.fromarray(NOISE), Image.new("RGB", (30, 20))
    raw = encoded(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert np.array_equal(made(raw), made(encoded(first)))


def test_base64_and_data_urls_are_the_bytes():
    raw = encoded(Image.fromarray(NOISE))
    text = base64.b64encode(raw).decode()
    for sent in (text, f"data:image/png;base64,{text}"):
        assert np.array_equal(made(sent), made(raw))


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


WEBP_X = b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0" + b"\0" * 4 + b"\xff\xff\xff" * 2 + b"\0" * 20


@pytest.mark.parametrize("raw", [header_only(100_000, 100_000), WEBP_X], ids=["png", "webp"])
def test_a_bomb_is_refused_by_its_head(raw):
    with pytest.raises(PictureTooLarge, match="row 0") as caught:
        made(raw)
    assert caught.value.row == 0


def test_a_large_jpeg_is_refused_before_it_is_decoded():
    raw = encoded(Image.new("RGB", (400, 300)), "JPEG")
    with pytest.raises(PictureTooLarge, match="400 x 300"):
        made(raw[:700], max_pixels=100_000)


def test_a_long_thin_picture_does_not_grow():
    raw = encoded(Image.new("RGB", (1, 20_000)))
    with pytest.raises(PictureTooLarge, match="too long"):
        made(raw, size=(200, 200), resize="shorter", max_pixels=25_000)


NONE = [b"", b"GIF89a", b"RIFF0000WEBPVP9 ", "no base64!", "data:image/png,x", header_only(30, 20)]
NONE_IDS = ["empty", "gif", "webp chunk", "base64", "data", "lying"]


@pytest.mark.parametrize("raw", NONE, ids=NONE_IDS)
def test_what_is_no_picture_is_refused_with_its_row(raw):
    good = encoded(Image.fromarray(NOISE))
    with pytest.raises(PictureUnreadable, match="row 1"):
        Pictures(wanted(), np.uint8).array([good, raw])


@given(st.data())
def test_a_damaged_picture_is_an_error_or_a_picture(data):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    raw = bytearray(encoded(Image.fromarray(NOISE), form))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(1, len(raw)))])
    with suppress(PictureUnreadable, PictureTooLarge):
        assert made(cut, max_pixels=100_000).shape == (8, 6, 3)


def test_a_sample_of_few_pixels_is_the_picture_itself():
    """As a JPEG it would hold what no such picture does, and a guard would say so."""
    raw = encoded(Image.effect_noise((8, 6), 80))
    assert np.array_equal(made(sample(wanted(), raw)), made(raw))


def test_a_sample_is_a_picture_that_is_taken():
    for raw in (None, encoded(Image.new("RGB", (500, 90)))):
        assert made(sample(wanted(), raw)).shape == (8, 6, 3)
