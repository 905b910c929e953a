"""A client of TensorFlow Serving made of TensorFlow itself: its tensors go in and come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from fairlead.protos.pool import methods
from fairlead.wires.tfs_grpc import PREDICTIONS


def predictor(channel: Any, model: str) -> Callable[..., dict[str, Any]]:
    """Asks a model by the name of a signature and arrays by input; gives arrays by output."""
    takes, gives = methods(PREDICTIONS)["Predict"]
    call = channel.unary_unary(
        f"/{PREDICTIONS}/Predict",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=gives.FromString,
    )

    def predict(signature: str, /, **inputs: Any) -> dict[str, Any]:
        request = takes(model_spec={"name": model, "signature_name": signature})
        for name, value in inputs.items():
            tensor = tf.make_tensor_proto(value)
            request.inputs[name].ParseFromString(tensor.SerializeToString())
        outputs = call(request, timeout=60).outputs
        return {
            name: tf.make_ndarray(TensorProto.FromString(value.SerializeToString()))
            for name, value in outputs.items()
        }

    return predict
