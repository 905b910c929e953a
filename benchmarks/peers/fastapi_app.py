"""FastAPI as somebody writes it who knows it well: the raw body in, orjson, bytes out."""

from __future__ import annotations

import model
import numpy as np
import orjson
from fastapi import FastAPI, Request, Response

app = FastAPI()
loaded, name = model.load()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """{"instances": [[...]]} to {"predictions": [[...]]}."""
    asked = orjson.loads(await request.body())
    rows = np.asarray(asked["instances"], dtype=np.float32)
    scores = loaded.run([model.OUTPUT], {name: rows})[0]
    answer = orjson.dumps({"predictions": scores}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(answer, media_type="application/json")
