"""The bare spike: how fast the same ideas are in Python when nothing at all is checked.

httptools parses and orjson reads; the calls of one turn of uvloop's loop run together, and each
is answered through a future. No routes, no limits, no validation, no journal, no counts.

Usage: spike.py GRAPH OUTPUT PORT
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

import httptools
import numpy as np
import orjson
import uvloop

_MOST_JOINED = 256


class Ticks:
    """Joins what one turn of the loop has brought."""

    def __init__(self, graph: str, output: str, loop: asyncio.AbstractEventLoop) -> None:
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        loaded = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.output = output
        self._name = loaded.get_inputs()[0].name
        self._run = loaded._sess.run
        self._loop = loop
        self._queue: list[tuple[Any, asyncio.Future[Any]]] = []
        self._armed = False

    def submit(self, rows: Any) -> asyncio.Future[Any]:
        """The scores of `rows`, once this turn of the loop is over."""
        future = self._loop.create_future()
        self._queue.append((rows, future))
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        queue, self._queue, self._armed = self._queue, [], False
        for start in range(0, len(queue), _MOST_JOINED):
            self._predict(queue[start : start + _MOST_JOINED])

    def _predict(self, calls: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        rows = calls[0][0] if len(calls) == 1 else np.concatenate([rows for rows, _ in calls])
        scores = self._run([self.output], {self._name: rows}, None)[0]
        start = 0
        for rows, future in calls:
            stop = start + len(rows)
            if not future.done():
                future.set_result(scores[start:stop])
            start = stop


class Bare(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_body", "_parser", "_ticks", "_transport")

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._body = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        tensor = orjson.loads(self._body)["inputs"][0]
        rows = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
        self._ticks.submit(rows).add_done_callback(self._answer)

    def _answer(self, future: asyncio.Future[Any]) -> None:
        scores = future.result()
        output = {
            "name": self._ticks.output,
            "shape": scores.shape,
            "datatype": "FP32",
            "data": scores.ravel(),
        }
        body = orjson.dumps(
            {"model_name": "boosting", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY
        )
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )


async def main(graph: str, output: str, port: int) -> None:
    """Serves until the process is ended."""
    loop = asyncio.get_running_loop()
    ticks = Ticks(graph, output, loop)
    server = await loop.create_server(lambda: Bare(ticks), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
