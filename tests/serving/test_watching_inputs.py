"""Rows of several shapes, as images of open sizes are, are watched like any others."""

import numpy as np
from tests.models import spec
from tests.serving.parts import call, serve

from fairlead.core.decision import Verdicts
from fairlead.core.package import GuardChoice
from fairlead.core.signature import Signature
from fairlead.guards import learn_drift
from fairlead.guards.seen import learn_seen
from fairlead.serving.answered import Answered
from fairlead.serving.guarding import Guarding
from fairlead.serving.watching import Watch


def test_images_of_every_size_are_counted():
    signature = Signature((spec("x", "FP32", (-1, 1, -1, -1)),), (spec("value", "FP32", (-1, 1)),))
    images = np.random.default_rng(0).random((300, 1, 16, 16)).astype("f4")
    seen, _ = learn_seen(signature, [images])
    drift = learn_drift(seen.columns([images]))
    guarding = Guarding(signature, GuardChoice(), None, None, None, None, drift, seen=seen)
    watch = Watch("m", 1, "folder", guarding, lambda: None)
    served = serve(None, signature)
    for side in (16, 24, 16, 9):
        rows = np.random.default_rng(side).random((5, 1, side, side)).astype("f4")
        verdicts = Verdicts(np.zeros(5, np.uint8))
        watch.note([Answered([call(served, *rows)], [rows], [], verdicts)])
    while watch.look():
        pass
    (message,) = watch.messages()
    assert sum(chunk["rows"] for chunk in message["chunks"]) == 20
