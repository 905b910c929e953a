"""Encoded pictures to the array of a model: decoded, brought to size, normalised.

PNG, JPEG and WebP, told by their first bytes, whatever was claimed. How large a picture is, is read
from its head: one that is too large is refused before any pixel is decoded. Resizing is Pillow's,
as torchvision does it on pictures.
"""

from __future__ import annotations

import base64
import io
import warnings
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from fairlead.core.errors import MissingExtra, PictureTooLarge, PictureUnreadable
from fairlead.core.preparation import Picture
from fairlead.core.tensor import Array

_PNG, _JPEG, _RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"
_ORIENTATION = 0x0112
_TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
          6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip
_FILTERS = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "lanczos": "LANCZOS",
    "area": "BOX",
}
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Grey of more than 8 bits."""
_SHOWN = 96
"""Pixels of the longer edge of a picture in examples."""
_TINY = 48 * 48
"""Pixels up to which a picture in examples is kept as it is."""

_TAKEN = "Send PNG, JPEG or WebP"


class Pictures:
    """Makes the input that one declaration describes. Raises MissingExtra without Pillow."""

    def __init__(self, wanted: Picture, dtype: Any) -> None:
        """dtype: NumPy's, of the model's input."""
        self._wanted = wanted
        self._dtype = np.dtype(dtype)
        self._image: Any = _pillow()
        # What it warns of, such as metadata that is no metadata, is not about the pixels.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self._filter = self._image.Resampling[_FILTERS[wanted.interpolation]]
        self._mean = np.array(wanted.mean or (0.0,), np.float32)
        self._std = np.array(wanted.std or (1.0,), np.float32)

    @property
    def row_bytes(self) -> int:
        """Bytes in memory for each picture that is kept until all are decoded."""
        height, width = self._wanted.size
        return height * width * self._wanted.channels * (2 * 4 + 1)

    def array(
        self, pictures: Sequence[str | bytes], rest: Callable[[], None] = lambda: None
    ) -> Array:
        """The input for pictures: their bytes, base64 or data URLs.

        rest: called before each, to end what nobody waits for. Raises PictureUnreadable and
        PictureTooLarge naming the row.
        """
        height, width = self._wanted.size
        pixels = np.empty((len(pictures), height, width, self._wanted.channels), np.uint8)
        for row, given in enumerate(pictures):
            rest()
            pixels[row] = self._pixels(given, row)
        return self._normalised(pixels)

    def _normalised(self, pixels: Array) -> Array:
        wanted = self._wanted
        if wanted.color == "bgr":
            pixels = pixels[..., ::-1]
        made: Array = pixels
        if not wanted.plain:
            made = pixels.astype(np.float32)
            made *= np.float32(wanted.scale)
            made -= self._mean
            made /= self._std
        if wanted.layout == "NCHW":
            made = made.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(made, self._dtype)

    def _pixels(self, given: str | bytes, row: int) -> Array:
        """One picture as an array of height, width, channels."""
        raw = encoded(given, row)
        try:
            with opened(raw, row, self._wanted.max_pixels) as image:
                image.load()
                sized = self._sized(self._colored(_turned(image)), row)
                found: Array = np.asarray(sized, np.uint8)
        except (PictureTooLarge, PictureUnreadable):
            raise
        except Exception as error:
            # Pillow raises whatever its decoders do: OSError, SyntaxError, struct.error, ...
            raise _unreadable(row, f"it cannot be decoded: {_words(error)}") from None
        return found if found.ndim == 3 else found[:, :, np.newaxis]

    def _colored(self, image: Any) -> Any:
        """In the channels that the model takes. An alpha channel is dropped, as torchvision and
        Keras drop it; grey of 16 bits is brought to 8."""
        if image.mode in _DEEP:
            values = np.asarray(image, np.float64)
            shift = 256.0 if values.max(initial=0.0) > 255.0 else 1.0
            image = self._image.fromarray(np.clip(values / shift, 0, 255).astype(np.uint8))
        elif image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        mode = "L" if self._wanted.color == "grey" else "RGB"
        return image if image.mode == mode else image.convert(mode)

    def _sized(self, image: Any, row: int) -> Any:
        wanted = self._wanted
        height, width = wanted.size
        if wanted.resize == "exact":
            return self._resized(image, width, height)
        if wanted.resize == "fit":
            share = min(width / image.width, height / image.height)
            inner = max(1, round(image.width * share)), max(1, round(image.height * share))
            small = self._resized(image, *inner)
            whole = self._image.new(image.mode, (width, height), (wanted.pad,) * len(image.mode))
            whole.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
            return whole
        edge = wanted.shorter_to or max(wanted.size)
        short, long = sorted(image.size)
        longer = int(edge * long / short)
        if longer * edge > max(wanted.max_pixels, 4 * edge * edge):
            raise PictureTooLarge(
                f"the picture of row {row} is too long for its width",
                where=f"row {row}",
                fix="Cut it before it is sent",
                row=row,
            )
        inner = (edge, longer) if image.width <= image.height else (longer, edge)
        image = self._resized(image, *inner)
        left, top = round((inner[0] - width) / 2), round((inner[1] - height) / 2)
        return image.crop((left, top, left + width, top + height))

    def _resized(self, image: Any, width: int, height: int) -> Any:
        return (
            image if image.size == (width, height) else image.resize((width, height), self._filter)
        )


def sample(wanted: Picture, raw: bytes | None) -> str:
    """A small picture as base64 that shows how one is sent: of `raw`, else of colours.

    A tiny one is a PNG, since a JPEG of few pixels looks strange to a guard; others are JPEGs.
    """
    library = _pillow()
    if raw is None:
        height, width = 48, 64
        rows, columns = np.mgrid[0:height, 0:width]
        colours = np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=2)
        image = library.fromarray(colours.astype(np.uint8))
    else:
        with opened(raw, 0, wanted.max_pixels) as large:
            image = _turned(large).convert("RGB")
            image.thumbnail((_SHOWN, _SHOWN))
    file = io.BytesIO()
    if image.width * image.height <= _TINY:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()


def encoded(given: str | bytes, row: int) -> bytes:
    """The bytes of a picture that came as they are, as base64, or as a data URL.

    Raises PictureUnreadable.
    """
    if isinstance(given, bytes):
        return given
    text = given.strip()
    if text.startswith("RIFF"):
        return text.encode()  # a WebP whose bytes happen to be text
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise _unreadable(row, "its data URL is not base64")
    try:
        return base64.b64decode(text, validate=True)
    except (NotBase64, ValueError):
        raise _unreadable(row, "it is not base64") from None


def opened(raw: bytes, row: int, most: int) -> Any:
    """Pillow's picture of these bytes, not decoded yet.

    most: pixels. Raises PictureUnreadable, PictureTooLarge.
    """
    if raw.startswith(_PNG):
        width, height = _pair(raw, 16, 4, "big")
        kind = "PNG"
    elif raw.startswith(_RIFF) and raw[8:12] == b"WEBP":
        # Pillow's reader of WebP makes room for the whole canvas, so the size is read before.
        width, height = _webp_size(raw, row)
        kind = "WEBP"
    elif raw.startswith(_JPEG):
        width = height = 0
        kind = "JPEG"
    else:
        raise _unreadable(row, "it is no PNG, JPEG or WebP")
    _check_size((width, height), row, most)
    # The reader itself, and not Image.open, which would try others and has limits of its own.
    image: Any = _pillow().OPEN[kind][0](io.BytesIO(raw))
    _check_size(image.size, row, most)
    return image


def _check_size(size: tuple[int, int], row: int, most: int) -> None:
    width, height = size
    if width * height > most:
        raise PictureTooLarge(
            f"the picture of row {row} has {width} x {height} pixels; {most} are the limit",
            where=f"row {row}",
            fix="Send a smaller picture: the model sees less anyway",
            row=row,
        )


def _pair(raw: bytes, at: int, size: int, order: Any) -> tuple[int, int]:
    first, second = raw[at : at + size], raw[at + size : at + 2 * size]
    return int.from_bytes(first, order), int.from_bytes(second, order)


def _webp_size(raw: bytes, row: int) -> tuple[int, int]:
    """Width and height by the first chunk."""
    chunk = raw[12:16]
    if chunk == b"VP8X":
        width, height = _pair(raw, 24, 3, "little")
        return width + 1, height + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = _pair(raw, 26, 2, "little")
        return width & 0x3FFF, height & 0x3FFF
    raise _unreadable(row, "its first chunk is not one of WebP")


def _turned(image: Any) -> Any:
    """Upright, as a camera says in EXIF. What cannot be read there turns nothing."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    if turn is None:
        return image
    return image.transpose(_pillow().Transpose[turn])


def _unreadable(row: int, why: str) -> PictureUnreadable:
    return PictureUnreadable(
        f"the picture of row {row} cannot be read: {why}",
        where=f"row {row}",
        fix=_TAKEN,
        row=row,
    )


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


@cache
def _pillow() -> Any:
    """Pillow's Image, with the readers that are used. Raises MissingExtra."""
    try:
        import_module("PIL.PngImagePlugin")
        import_module("PIL.JpegImagePlugin")
        import_module("PIL.WebPImagePlugin")
        return import_module("PIL.Image")
    except ImportError as error:
        raise MissingExtra("pictures need Pillow", fix="pip install 'fairlead[images]'") from error
