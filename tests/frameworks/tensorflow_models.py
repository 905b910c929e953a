"""Small SavedModels with fixed random weights, and what they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

WORDS = 30


def dense(folder: Path) -> Any:
    """features [n, 8] to three probabilities."""
    given = tf.keras.Input((8,), name="features")
    hidden = tf.keras.layers.Dense(16, activation="relu")(given)
    return _exported(given, tf.keras.layers.Dense(3, activation="softmax")(hidden), folder)


def picture(folder: Path) -> Any:
    """image [n, 8, 8, 3] to two scores."""
    given = tf.keras.Input((8, 8, 3), name="image")
    seen = tf.keras.layers.Conv2D(4, 3, activation="relu")(given)
    seen = tf.keras.layers.Flatten()(tf.keras.layers.BatchNormalization()(seen))
    return _exported(given, tf.keras.layers.Dense(2)(seen), folder)


def several(folder: Path) -> Any:
    """ids [n, 5] read by an LSTM and numbers [n, 4] to two outputs."""
    ids = tf.keras.Input((5,), dtype="int32", name="ids")
    numbers = tf.keras.Input((4,), name="extra")
    read = tf.keras.layers.LSTM(6)(tf.keras.layers.Embedding(WORDS, 8)(ids))
    joined = tf.keras.layers.Concatenate()([read, numbers])
    return _exported([ids, numbers], [tf.keras.layers.Dense(2)(joined), read], folder)


def looked_up(folder: Path) -> Any:
    """A text column looked up in a vocabulary, and a number."""
    colour = tf.keras.Input((1,), dtype="string", name="colour")
    size = tf.keras.Input((1,), name="size")
    lookup = tf.keras.layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot")
    joined = tf.keras.layers.Concatenate()([lookup(colour), size])
    return _exported([colour, size], tf.keras.layers.Dense(1)(joined), folder)


def _exported(inputs: Any, outputs: Any, folder: Path) -> Any:
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    model.set_weights([0.5 * random.normal(size=w.shape) ** 2 for w in model.get_weights()])
    model.export(str(folder), verbose=False)
    return model


class Text(tf.Module):
    """Text in, text and its length out."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def shout(self, text):
        return {"loud": tf.strings.upper(text), "length": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def hush(self, text):
        return {"quiet": tf.strings.lower(text)}


class Matrix(tf.Module):
    """Always two rows; an output has another name than its tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @tf.function(input_signature=[tf.TensorSpec([2, 3], tf.float32, name="values")])
    def times(self, values):
        return {"product": values @ self.weights}


class Files(tf.Module):
    """Reads whatever file a caller names."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="name")])
    def contents(self, name):
        return {"contents": tf.io.read_file(name)}


class Several(tf.Module):
    """x / 2 + 2 and x / 3 of one column, and what has nothing to do with it."""

    def __init__(self) -> None:
        super().__init__()
        self.plus = tf.Variable(2.0)
        self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def half(self, x):
        return {"y": x / 2 + self.plus}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def third(self, x):
        return {"y": x / 3}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="values")])
    def wide(self, values):
        product = values @ self.weights
        return {"product": product, "norm": tf.norm(product, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def shout(self, text):
        return {"loud": tf.strings.upper(text)}

    def signatures(self) -> Any:
        """The functions by the names under which they are saved."""
        return {
            "serving_default": self.half,
            "again": self.half,
            "third": self.third,
            "wide": self.wide,
            "loud": self.shout,
        }


class Rows(tf.Module):
    """Each row's answer depends on the other rows."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="values")])
    def centred(self, values):
        return {"centred": values - tf.reduce_mean(values, axis=0)}


def saved(module: Any, folder: Path, **signatures: Any) -> Path:
    """The module as a SavedModel with these signatures."""
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def rows(*shape: int, seed: int = 1) -> Any:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def texts(*values: str) -> Any:
    """Text as an array."""
    return np.array(values, dtype=object)
