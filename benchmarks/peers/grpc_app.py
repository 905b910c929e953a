"""grpcio's own servers as somebody writes them who knows them well: raw tensors in, raw out.

grpc_app.py aio|sync PORT
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import model
import numpy as np

from fairlead.protos.pool import message, methods

SERVICE = "inference.GRPCInferenceService"
_THREADS = 2
loaded, name = model.load()
_ANSWER = message("inference.ModelInferResponse")
_OUTPUT = message("inference.ModelInferResponse.InferOutputTensor")


def infer(asked: Any) -> Any:
    """A ModelInferResponse to a ModelInferRequest."""
    rows = np.frombuffer(asked.raw_input_contents[0], np.float32).reshape(asked.inputs[0].shape)
    scores = loaded.run([model.OUTPUT], {name: rows})[0]
    output = _OUTPUT(name=model.OUTPUT, datatype="FP32", shape=scores.shape)
    return _ANSWER(model_name="m", outputs=[output], raw_output_contents=[scores.tobytes()])


def handlers(function: Any) -> Any:
    """What grpcio calls for ModelInfer."""
    takes, gives = methods(SERVICE)["ModelInfer"]
    handler = grpc.unary_unary_rpc_method_handler(
        function, takes.FromString, gives.SerializeToString
    )
    return (grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": handler}),)


async def serve_aio(port: int) -> None:
    """The asyncio server."""

    async def answer(asked: Any, context: Any) -> Any:
        return infer(asked)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(answer))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def serve_sync(port: int) -> None:
    """The server with threads."""
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers(handlers(lambda asked, context: infer(asked)))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] == "aio":
        asyncio.run(serve_aio(int(sys.argv[2])))
    else:
        serve_sync(int(sys.argv[2]))
