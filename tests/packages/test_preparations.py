"""What a model.toml may declare of pictures and texts, and what is said of the rest."""

from __future__ import annotations

import json

import pytest
from tests.models import spec

from fairlead.core.errors import PackageInvalid
from fairlead.core.preparation import Meaning, Picture, Pooling, Text, public_signature
from fairlead.core.signature import Signature
from fairlead.packages.preparations import (
    check_preparations,
    meanings_of,
    meant,
    poolings_of,
    preparations_of,
)
from fairlead.packages.read import read_words

IMAGE = {"kind": "image", "size": [4, 6]}
TEXT = {"kind": "text", "tokenizer": "t.json"}
OUT = (spec("y", "FP32", (-1, 2)),)
PICTURES = Signature((spec("image", "FP32", (-1, 3, 4, 6)),), OUT)
TOKENS = Signature((spec("ids", "INT64", (-1, -1)), spec("mask", "INT32", (-1, -1))), OUT)


def test_a_picture_is_declared_by_its_size_alone():
    made = preparations_of({"inputs": {"image": IMAGE}}, "x")
    assert made == (Picture("image", "image", (4, 6)),)
    check_preparations(made, PICTURES, "x", ())


def test_a_text_is_called_text_and_fills_other_inputs():
    given = {**TEXT, "fills": {"mask": "mask"}, "padding": "longest"}
    made = preparations_of({"inputs": {"ids": given}}, "x")
    assert made == (Text("ids", "text", "t.json", fills={"mask": "mask"}),)
    check_preparations(made, TOKENS, "x", ["inputs/t.json"])
    (sent,) = public_signature(TOKENS, made).inputs
    assert (sent.name, sent.dtype.name, sent.shape, sent.role) == ("text", "BYTES", (-1,), "text")


def test_a_pooled_output_is_declared():
    given = {"outputs": {"e": {"pooling": "mean", "normalize": True}}}
    assert poolings_of(given, "x") == (Pooling("e", normalize=True),)


WRONG = {
    "kind": ({"kind": "sound"}, "kind must be one of image, text"),
    "no size": ({"kind": "image"}, "must have size"),
    "no tokenizer": ({"kind": "text"}, "must have tokenizer"),
    "unknown": (IMAGE | {"resise": "fit"}, "resise is not known"),
    "size": (IMAGE | {"size": [0, 4]}, "size must be height and width"),
    "std": (IMAGE | {"std": [0]}, "std must be"),
    "two numbers": (IMAGE | {"mean": [1, 2]}, "mean must be"),
    "grey": (IMAGE | {"color": "grey", "mean": [1, 2, 3]}, "mean has 3 numbers"),
    "shorter_to": (IMAGE | {"shorter_to": 9}, "shorter_to goes with"),
    "too short": (IMAGE | {"resize": "shorter", "shorter_to": 5}, "not be below size"),
    "path": (TEXT | {"tokenizer": "../t.json"}, "tokenizer must be the name"),
    "fills": (TEXT | {"fills": {"a": "b"}}, "fills must be"),
    "padding": (TEXT | {"padding": 0}, "padding must be"),
}


@pytest.mark.parametrize(("given", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_word_that_cannot_be_is_refused(given, told):
    with pytest.raises(PackageInvalid, match=told):
        preparations_of({"inputs": {"a": given}}, "x")


def test_a_near_word_is_suggested():
    with pytest.raises(PackageInvalid) as caught:
        preparations_of({"inputs": {"a": IMAGE | {"resise": "fit"}}}, "x")
    assert caught.value.fix == "Did you mean resize?"


UNFIT = {
    "name": ({"imag": IMAGE}, PICTURES, "no input 'imag'"),
    "layout": ({"image": IMAGE | {"layout": "NHWC"}}, PICTURES, r"shape \[4, 6, 3\]"),
    "tokens": ({"image": TEXT}, PICTURES, "token ids are INT64"),
    "fill": ({"ids": TEXT | {"fills": {"types": "types"}}}, TOKENS, "no input 'types'"),
    "tokenizer": ({"ids": TEXT}, TOKENS, "no t.json"),
    "same name": ({"ids": TEXT | {"name": "mask"}}, TOKENS, "called the same"),
    "padding": ({"ids": TEXT | {"padding": 600}}, TOKENS, "beyond max_tokens"),
}


@pytest.mark.parametrize(("given", "signature", "told"), UNFIT.values(), ids=UNFIT.keys())
def test_what_does_not_fit_the_model_is_refused(given, signature, told):
    made = preparations_of({"inputs": given}, "x")
    files = () if told == "no t.json" else ["inputs/t.json"]
    with pytest.raises(PackageInvalid, match=told):
        check_preparations(made, signature, "x", files)


def test_whole_numbers_take_pictures_that_are_not_normalised():
    signature = Signature((spec("image", "UINT8", (-1, 3, 4, 6)),), OUT)
    plain = preparations_of({"inputs": {"image": IMAGE}}, "x")
    check_preparations(plain, signature, "x", ())
    scaled = preparations_of({"inputs": {"image": IMAGE | {"scale": 0.5}}}, "x")
    with pytest.raises(PackageInvalid, match="UINT8"):
        check_preparations(scaled, signature, "x", ())


# --- what outputs are ---------------------------------------------------------------------

SCORES = {"role": "scores", "classes": ["no", "yes"]}
NUMBERS = Signature(
    (spec("x", "FP32", (-1, 2)),),
    (spec("y", "FP32", (-1, 2)), spec("open", "FP32", (-1, -1)), spec("v", "FP32", (-1, 1))),
)


def test_an_output_is_what_its_owner_says():
    words = {"outputs": {"y": SCORES, "v": {"role": "value"}}}
    made = meanings_of(words, "x")
    assert made == (Meaning("y", "scores", ("no", "yes")), Meaning("v", "value"))
    assert poolings_of(words, "x") == ()
    scores, untold, value = meant(NUMBERS, made, "x").outputs
    assert (scores.role, scores.classes, scores.shape) == ("scores", ("no", "yes"), (-1, 2))
    assert (untold.role, value.role) == ("", "value")


def test_classes_close_an_open_width():
    made = meanings_of({"outputs": {"open": {**SCORES, "classes": ["a", "b", "c"]}}}, "x")
    assert meant(NUMBERS, made, "x").outputs[1].shape == (-1, 3)


MEANT_WRONG = {
    "neither": ({}, "must have role: one of scores, label, value; or pooling"),
    "role": ({"role": "score"}, "role must be one of scores, label, value"),
    "no classes": ({"role": "scores"}, "must have classes"),
    "twice": ({"role": "scores", "classes": ["a", "a"]}, "two or more different names"),
    "a number": ({"role": "scores", "classes": [0, 1]}, "two or more different names"),
    "of a value": ({"role": "value", "classes": ["a", "b"]}, "a value has no classes"),
    "both": (SCORES | {"pooling": "mean"}, "pooling is not known"),
}


@pytest.mark.parametrize(("given", "told"), MEANT_WRONG.values(), ids=MEANT_WRONG.keys())
def test_what_no_output_can_be_is_refused(given, told):
    raw = "[outputs.y]\n" + "".join(f"{key} = {json.dumps(v)}\n" for key, v in given.items())
    with pytest.raises(PackageInvalid, match=told):
        read_words(raw.encode(), "x")


UNLIKE = {
    "name": ({"yy": SCORES}, "no output 'yy'"),
    "width": ({"y": {**SCORES, "classes": ["a", "b", "c"]}}, r"shape \[-1, 3\], and it is FP32"),
    "value": ({"y": {"role": "value"}}, r"one value a row has the shape \[-1\]"),
}


@pytest.mark.parametrize(("given", "told"), UNLIKE.values(), ids=UNLIKE.keys())
def test_what_this_output_is_not_is_refused(given, told):
    with pytest.raises(PackageInvalid, match=told):
        meant(NUMBERS, meanings_of({"outputs": given}, "x"), "x")
