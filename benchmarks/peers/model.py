"""What the peers in Python share: the one graph, loaded alike, with one thread in a run."""

from __future__ import annotations

import os
from typing import Any

import onnxruntime

OUTPUT = "probabilities"


def load() -> tuple[Any, str]:
    """The loaded graph of the file that $GRAPH names, and the name of its input."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(
        os.environ["GRAPH"], options, providers=["CPUExecutionProvider"]
    )
    return loaded, loaded.get_inputs()[0].name
