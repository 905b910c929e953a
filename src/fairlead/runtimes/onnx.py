"""ONNX graphs, run by onnxruntime inside the worker.

One thread inside a run by default: for the small graphs that most services are, onnxruntime's
own thread pool halves the rate. Parallelism comes from several runs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from threading import get_ident
from typing import Any

from fairlead.core.errors import LoadFailed, MissingExtra, ModelError, ModelHung
from fairlead.core.package import Package
from fairlead.core.tensor import Array

_TERMINATED = "terminate flag"


class OnnxRuntime:
    """Loads packages whose graph is ONNX."""

    name = "onnx"

    def load(self, package: Package, read: Callable[[str], bytes]) -> OnnxModel:
        """A session over the verified bytes of the graph. Raises LoadFailed, MissingExtra."""
        try:
            onnxruntime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise MissingExtra(
                "onnxruntime is not installed", fix="pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # An arena that grows by doubling keeps memory it will never need again.
        options.enable_cpu_mem_arena = False
        try:
            session = onnxruntime.InferenceSession(
                read(package.graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise LoadFailed(
                f"onnxruntime cannot load the graph: {_first_line(error)}",
                where=f"{package.name} version {package.version}",
            ) from error
        return OnnxModel(session, package, onnxruntime.RunOptions)


class OnnxModel:
    """A loaded graph."""

    def __init__(self, session: Any, package: Package, run_options: Callable[[], Any]) -> None:
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
        options = self._running.get(get_ident())
        try:
            return self._run(wanted, dict(zip(self._names, inputs, strict=True)), options)
        except Exception as error:
            if _TERMINATED in str(error):
                raise ModelHung("the model exceeded its time budget and was stopped") from None
            raise ModelError(f"the model failed: {_first_line(error)}") from None

    def guard(self) -> None:
        """Makes the predictions of this thread interruptible; costs a little, so off inline."""
        self._running[get_ident()] = self._run_options()

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
    """What onnxruntime says, without node addresses and paths."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    text = text.split(" : ", 3)[-1]
    return text[:200]
