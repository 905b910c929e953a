"""ONNX graphs, run by onnxruntime inside the worker.

One thread inside a run by default: for the small graphs that most services are, onnxruntime's
own thread pool halves the rate. Parallelism comes from several runs at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from threading import get_ident
from typing import Any

from fairlead.core.errors import LoadFailed, MissingExtra, ModelError, ModelHung
from fairlead.core.package import Package
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array

# onnxruntime 1.32 otherwise keeps a database under ~/.cache and a thread that reports use. It reads
# this when it is imported; who sets it keeps what they set.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251 - written, and before the import

_TERMINATED = "terminate flag"

Predict = Callable[[Sequence[Array], Sequence[int]], list[Array]]
_SOURCE = re.compile(r"/\S+\.(?:cc|h):\d+ ")
_PROLONGED = (b'"\x04Loop', b'"\x04Scan', b'"\x02If')
"""How nodes whose work depends on their input are spelt in a graph's bytes: field 4 of a node."""
_SMALLEST = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04'
    b"\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""A graph that answers its one number: y = x."""
_NO_FOLDER = "/dev/null/none"
"""Where a graph may look for weights outside itself: nowhere. Only verified bytes are used."""


def load(folder: Path, graph: str, about: dict[str, Any]) -> Predict:
    """The runner's side, for a graph that is kept apart from the worker (models.isolate)."""
    signature = Signature.from_json(about["signature"])
    package = Package("isolated", 0, folder, "onnx", True, graph, signature, {})
    return OnnxRuntime().load(package, lambda relative: (folder / relative).read_bytes()).predict


def library() -> Any:
    """onnxruntime, imported now or before: tens of MiB that no model is to blame for.

    Raises MissingExtra.
    """
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra("onnxruntime is not installed", fix="pip install onnxruntime") from error


class OnnxRuntime:
    """Loads packages whose graph is ONNX."""

    name = "onnx"
    inside = True
    """What it loads is executed in this process."""
    _ready = False

    def ready(self) -> None:
        """Loads what every graph needs, so that the first is not taken for so large."""
        onnxruntime = library()
        if not self._ready:
            self._ready = True
            onnxruntime.InferenceSession(_SMALLEST, providers=["CPUExecutionProvider"])

    def load(self, package: Package, read: Callable[[str], bytes]) -> OnnxModel:
        """A session over the verified bytes of the graph. Raises LoadFailed, MissingExtra."""
        onnxruntime = library()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # An arena that grows by doubling keeps memory it will never need again.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", _NO_FOLDER
        )
        graph = read(package.graph)
        try:
            session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise LoadFailed(
                f"onnxruntime cannot load the graph: {_first_line(error)}",
                where=f"{package.name} version {package.version}",
            ) from error
        endless = any(node in graph for node in _PROLONGED)
        return OnnxModel(session, package, onnxruntime.RunOptions, endless)


class OnnxModel:
    """A loaded graph.

    endless: it may hold a loop, so that nobody knows how long a prediction takes.
    """

    def __init__(
        self, session: Any, package: Package, run_options: Callable[[], Any], endless: bool
    ) -> None:
        self.endless = endless
        self._names = [spec.name for spec in package.signature.inputs]
        self._outputs = [spec.name for spec in package.signature.outputs]
        # The inner session skips Python-side checks that the signature has already made.
        self._run: Any = getattr(session, "_sess", session).run
        self._wanted: dict[tuple[int, ...], list[str]] = {}
        self._run_options = run_options
        self._running: dict[int, Any] = {}
        _check_names(session, self._names, self._outputs, package)

    def predict(self, inputs: Sequence[Array], outputs: Sequence[int]) -> list[Array]:
        """Runs the graph. Raises ModelError when a node fails, ModelHung when interrupted."""
        key = tuple(outputs)
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = [self._outputs[i] for i in key]
        thread, options = get_ident(), None
        if thread in self._running:
            # Fresh for every run: an interrupted one's would end the next as well.
            options = self._running[thread] = self._run_options()
        try:
            return self._run(wanted, dict(zip(self._names, inputs, strict=True)), options)
        except Exception as error:
            if _TERMINATED in str(error):
                raise ModelHung("the model exceeded its time budget and was stopped") from None
            raise ModelError(f"the model failed: {_first_line(error)}") from None

    def guard(self) -> None:
        """Makes the predictions of this thread interruptible; costs a little, so off inline."""
        self._running[get_ident()] = None

    def interrupt(self, thread: int) -> None:
        """Ends the run on `thread` at its next node."""
        options = self._running.get(thread)
        if options is not None:
            options.terminate = True

    def close(self) -> None:
        """Drops the session, which its run method held."""
        self._run = None


def _check_names(session: Any, inputs: list[str], outputs: list[str], package: Package) -> None:
    has = {i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()}
    if has[0] != set(inputs) or not set(outputs) <= has[1]:
        raise LoadFailed(
            "the graph's inputs and outputs are not those of the signature",
            where=f"{package.name} version {package.version}",
        )


def _first_line(error: Exception) -> str:
    """What onnxruntime says, without its code numbers and the places in its source."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return _SOURCE.sub("", text.split(" : ", 3)[-1])[:200]
