"""Mosec: its Rust front joins up to 64 requests for one worker, waiting 1 ms for company."""

from __future__ import annotations

from typing import Any

import model
import numpy as np
import orjson
from mosec import Server, Worker

BATCH, WAIT_MS = 64, 1


class Model(Worker):
    """The one worker."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded, self.name = model.load()

    def deserialize(self, data: bytes) -> Any:
        """The rows of one request."""
        return np.asarray(orjson.loads(data)["instances"], dtype=np.float32)

    def forward(self, data: list[Any]) -> list[Any]:
        """The scores of each request, from one run over all rows."""
        scores = self.loaded.run([model.OUTPUT], {self.name: np.concatenate(data)})[0]
        return np.split(scores, np.cumsum([len(rows) for rows in data])[:-1])

    def serialize(self, data: Any) -> bytes:
        """The answer to one request."""
        return orjson.dumps({"predictions": data}, option=orjson.OPT_SERIALIZE_NUMPY)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, num=1, max_batch_size=BATCH, max_wait_time=WAIT_MS)
    server.run()
