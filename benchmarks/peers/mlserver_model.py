"""MLServer with its codec for numpy, in its own process, which is its fastest way here."""

from __future__ import annotations

import model
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Graph(MLModel):
    """The graph as an MLServer model."""

    async def load(self) -> bool:
        """Loads the graph."""
        self.loaded, self.input_name = model.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Scores for the first input."""
        rows = np.asarray(NumpyCodec.decode_input(payload.inputs[0]), dtype=np.float32)
        scores = self.loaded.run([model.OUTPUT], {self.input_name: rows})[0]
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output(model.OUTPUT, scores)]
        )
