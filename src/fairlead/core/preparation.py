"""What becomes of pictures and texts before the model: what model.toml says, as facts.

`[inputs.NAME]` declares how a tensor input is made of what people have. The input itself may still
be sent as a tensor. `[outputs.NAME]` declares what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import Signature, TensorSpec

PICTURE, TEXT = "picture", "text"
"""The roles of inputs that are sent as pictures and as texts."""

FOLDER = "inputs"
"""Where a package keeps tokenizers."""

RESIZES = ("exact", "shorter", "fit")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "area")
COLORS = ("rgb", "bgr", "grey")
LAYOUTS = ("NCHW", "NHWC")
FILLS = ("mask", "types", "positions")


@dataclass(frozen=True, slots=True)
class Picture:
    """A tensor input that is made of a picture (`kind = "image"`).

    input, name: the model's tensor input, and what it is called where a picture is sent.
    size:       height and width, in pixels, of what the model sees.
    resize:     "exact" stretches; "shorter" brings the shorter edge to `shorter_to` (0: the larger
                side of `size`) and cuts out the centre; "fit" keeps the whole and pads with `pad`.
    interpolation: how pixels in between are made; all but "nearest" look at every pixel.
    color:      the order of the channels. layout: which axis they are on.
    scale, mean, std: a value v of 0 to 255 becomes (v * scale - mean) / std, by channel.
    max_pixels: a larger picture is refused before it is decoded.
    """

    input: str
    name: str
    size: tuple[int, int]
    resize: str = "exact"
    shorter_to: int = 0
    interpolation: str = "bilinear"
    color: str = "rgb"
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pad: int = 0
    layout: str = "NCHW"
    max_pixels: int = 25_000_000

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.color == "grey" else 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture as the model takes it."""
        height, width = self.size
        if self.layout == "NCHW":
            return (self.channels, height, width)
        return (height, width, self.channels)

    @property
    def plain(self) -> bool:
        """Whether the values stay whole numbers of 0 to 255."""
        return self.scale == 1.0 and not any(self.mean) and all(one == 1.0 for one in self.std)


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids that are made of a text (`kind = "text"`).

    input, name: the model's input of token ids, and what it is called where a text is sent.
    tokenizer:  the file in the package, a tokenizer.json or a WordPiece vocab.txt.
    max_tokens: what is beyond is cut off; max_characters: a longer text is refused.
    padding:    tokens to which every text is filled up, 0 for the longest that goes with it.
    fills:      further inputs: "mask" (1 for a token, 0 for padding), "types", "positions".
    lowercase:  what a vocab.txt was made with.
    """

    input: str
    name: str
    tokenizer: str
    max_tokens: int = 512
    max_characters: int = 20_000
    padding: int = 0
    fills: Mapping[str, str] = field(default_factory=dict[str, str])
    lowercase: bool = True


@dataclass(frozen=True, slots=True)
class Pooling:
    """An output that pack adds to a graph: one vector for each text, of one for each token.

    name:      of the new output. of: the output of tokens; "" takes the only one of rank 3.
    mask:      the input that says which tokens count.
    pooling:   "mean" of the tokens that count, or "first".
    normalize: whether the vector is brought to length 1.
    """

    name: str
    of: str = ""
    mask: str = "attention_mask"
    pooling: str = "mean"
    normalize: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the owner says that an output is, where the trained file does not.

    name: of the output. role, classes: as in its TensorSpec.
    """

    name: str
    role: str
    classes: tuple[str, ...] = ()


Preparation = Picture | Text


def public_signature(signature: Signature, preparations: Sequence[Preparation]) -> Signature:
    """The signature as people see it: one picture or text where the model takes a tensor.

    Inputs that a text fills besides are left out.
    """
    filled = {name for one in preparations if isinstance(one, Text) for name in one.fills}
    made = {one.input: one for one in preparations}
    inputs: list[TensorSpec] = []
    for spec in signature.inputs:
        one = made.get(spec.name)
        if one is not None:
            role = PICTURE if isinstance(one, Picture) else TEXT
            inputs.append(TensorSpec(one.name, DTYPES["BYTES"], (-1,), role=role))
        elif spec.name not in filled:
            inputs.append(replace(spec))
    return Signature(tuple(inputs), signature.outputs)
