"""A lighter variant of a graph: its weights in 8 bits instead of 32."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from fairlead.core.errors import ConversionFailed, MissingExtra


def eight_bit(graph: bytes) -> bytes:
    """The graph with the weights of its matrix products in 8 bits.

    A graph without any comes back as it is, but for its size in bytes. Raises MissingExtra without
    onnx, ConversionFailed for a graph that cannot be rewritten.
    """
    try:
        from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingExtra("onnx is not installed", fix="pip install 'fairlead[onnx]'") from None
    tools: Any = quantization
    with tempfile.TemporaryDirectory(prefix="fairlead-lighten-") as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(graph)
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it advises on the root logger
        try:
            tools.quantize_dynamic(str(before), str(after), weight_type=tools.QuantType.QInt8)
            return after.read_bytes()
        except Exception as error:
            raise ConversionFailed(
                f"the graph cannot be made lighter: {type(error).__name__}"
            ) from error
        finally:
            logging.root.setLevel(level)
