"""The runtimes of one worker: ONNX graphs in its own process, whatever is code in runners."""

from __future__ import annotations

import shutil
from pathlib import Path

from fairlead.core.promises import Runtime
from fairlead.serving.loading import APART
from fairlead.serving.log import log
from fairlead.serving.memory_bounds import usable_memory

NATIVE = ("python", "sklearn", "xgboost", "lightgbm", "catboost", "torch", "tensorflow")
"""The runtimes of models that are code; each is a file of runtimes/ that a runner loads."""


def runtimes(homes: Path) -> dict[str, Runtime]:
    """Every runtime by name; what runs code does so in a runner process.

    homes: the folder of this worker's runners. What it holds was left by a worker that is dead.
    """
    from fairlead.runtimes.onnx import OnnxRuntime
    from fairlead.runtimes.runner.isolated import IsolatedRuntime

    shutil.rmtree(homes, ignore_errors=True)
    memory = usable_memory()
    apart = {name: IsolatedRuntime(name, log, memory, homes) for name in (*NATIVE, "onnx")}
    return {**apart, APART: apart["onnx"], "onnx": OnnxRuntime()}
