"""What OpenAPI says of each address: what it is for, what it takes and answers, what it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PICKED = re.compile(r"/(versions/\{version\}|labels/\{label\})")


@dataclass(frozen=True, slots=True)
class Told:
    """One address.

    kind_in, kind_out: the schema of its body and of its answer, or what is said of each model.
    media: of an answer that is text; media_too: of the texts that it may be instead.
    predicts: it is a prediction, with limits and a usage id. needs_body: nothing happens without
    one. public: it needs no key. says_not_ready: its answer also comes with 503. refused: it never
    answers. unsupported: something of it may be 501.
    """

    summary: str
    kind_out: str = ""
    kind_in: str = ""
    media: tuple[str, ...] = ()
    media_too: tuple[str, ...] = ()
    predicts: bool = False
    needs_body: bool = False
    public: bool = False
    says_not_ready: bool = False
    refused: bool = False
    unsupported: bool = False


def _prediction(summary: str, kind_in: str, kind_out: str, *media: str) -> Told:
    return Told(summary, kind_out, kind_in, media, predicts=True, needs_body=True, unsupported=True)


_PLAIN = ("text/plain",)
_CARD_MEDIA = ("text/html", "text/markdown")
EVENTS = "text/event-stream"
_M, _V1 = "/v2/models/{model}", "/v1/models/{model}"
_ADDRESSES: dict[str, Told] = {
    "GET /": Told("Whether anybody is there", "Alive", public=True),
    "GET /livez": Told("Whether a worker answers", "Live", public=True),
    "GET /readyz": Told("Whether every model is ready", "Ready", public=True, says_not_ready=True),
    "GET /metrics": Told(
        "Metrics of all workers", media=("text/plain", "application/openmetrics-text")
    ),
    "GET /limits": Told("What you may use, and what is left of it", "Limits"),
    "GET /usage": Told("What your tenant has used", "Usage"),
    "GET /models": Told("Every model with its versions", "Models"),
    "GET /models/{model}": Told("What a model takes and answers, with an example", "Model"),
    "GET /models/{model}/readyz": Told(
        "Whether a model is ready", "ReadyOfModel", says_not_ready=True
    ),
    "GET /models/{model}/card": Told(
        "The model card, with what is seen of the model now", "Card", media_too=_CARD_MEDIA
    ),
    "POST /predict/{model}": _prediction(
        "Rows in, one prediction per row out", "rows", "predictions"
    ),
    "POST /feedback/{model}": Told(
        "True labels of earlier calls", "Accepted", "Feedback", needs_body=True
    ),
    "GET /openapi.json": Told("OpenAPI of every address", "OpenApi"),
    "GET /models/{model}/openapi.json": Told("OpenAPI of one model", "OpenApi"),
    "GET /protos": Told("The names of the .proto files", "Protos"),
    "GET /protos/{name}": Told("A .proto file", media=_PLAIN),
    # the Open Inference Protocol v2
    "GET /v2": Told("Name, version and extensions of the server", "Server"),
    "GET /v2/health/live": Told("Whether a worker answers", "Live", public=True),
    "GET /v2/health/ready": Told(
        "Whether every model is ready", "Ready", public=True, says_not_ready=True
    ),
    "GET /v2/models": Told("The names of all models", "ModelNames"),
    "GET /v2/models/stats": Told("What every model has done", "Statistics"),
    "POST /v2/repository/index": Told("Every version with its state", "Index", "IndexAsked"),
    "POST /v2/repository/models/{model}/load": Told(
        "Load the newest version of a model", "Loaded", "LoadAsked", unsupported=True
    ),
    "POST /v2/repository/models/{model}/unload": Told(
        "End a model", "Unloaded", "LoadAsked", unsupported=True
    ),
    "GET /v2/logging": Told("What is logged", "LogSettings"),
    "POST /v2/logging": Told("What is logged", "LogSettings", unsupported=True),
    f"GET {_M}": Told("Metadata of a model", "Metadata"),
    f"GET {_M}/ready": Told("Whether a model answers", "ModelReady"),
    f"GET {_M}/config": Told("The configuration of a model, as Triton tells it", "Config"),
    f"GET {_M}/stats": Told("What a model has done", "Statistics"),
    f"POST {_M}/infer": _prediction("Tensors in, tensors out", "tensors", "outputs"),
    f"POST {_M}/infer_stream": _prediction("Tensors in, answers as events", "tensors", "", EVENTS),
    f"POST {_M}/generate": _prediction("A flat object in, one out", "flat", "FlatAnswer"),
    f"POST {_M}/generate_stream": _prediction(
        "A flat object in, answers as events", "flat", "", EVENTS
    ),
    # TensorFlow Serving and KServe v1
    "GET /v1/models": Told("The names of all models", "ModelNames"),
    f"GET {_V1}": Told("The states of a model's versions", "Status", says_not_ready=True),
    f"GET {_V1}/metadata": Told("The signature of a model", "Signatures"),
    f"POST {_V1}:predict": _prediction("Instances in, predictions out", "instances", "values"),
    f"POST {_V1}:classify": _prediction("Examples in, scored labels out", "examples", "Classes"),
    f"POST {_V1}:regress": _prediction("Examples in, values out", "examples", "Numbers"),
    f"POST {_V1}:explain": Told(
        "Models have no explainers", refused=True, predicts=True, unsupported=True
    ),
    # one model, without its name
    "GET /ping": Told(
        "As SageMaker asks for health", media=_PLAIN, public=True, says_not_ready=True
    ),
    "GET /health": Told(
        "As MLflow asks for health", media=_PLAIN, public=True, says_not_ready=True
    ),
    "GET /version": Told("The version of Fairlead", media=_PLAIN),
    "GET /execution-parameters": Told("How batch transforms may ask", "Batching"),
    "POST /invocations": _prediction(
        "Rows or tensors in, predictions out", "invocation", "invoked"
    ),
    "POST /score": _prediction("As /invocations", "invocation", "invoked"),
}
for _place in ("/v2", _M):
    _ADDRESSES[f"GET {_place}/trace/setting"] = Told("What is traced", "TraceSettings")
    _ADDRESSES[f"POST {_place}/trace/setting"] = Told(
        "What is traced", "TraceSettings", unsupported=True
    )
for _memory in ("/v2/systemsharedmemory", "/v2/cudasharedmemory"):
    _ADDRESSES[f"GET {_memory}/status"] = Told("Memory that is shared: none", "Regions")
    _ADDRESSES[f"POST {_memory}/unregister"] = Told("There is nothing to end", "Nothing")
    _ADDRESSES[f"POST {_memory}/region/{{name}}/register"] = Told(
        "No memory is shared", refused=True, unsupported=True
    )

_ALWAYS = (400, 408, 413, 414, 415, 431, 500, 503)
"""What is wrong with a request itself, or with us."""
_OF_CALLERS = (401, 403, 429, 504)


def told_of(method: str, path: str) -> Told:
    """What is said of an address of any version. Raises KeyError for one that is not ours."""
    return _ADDRESSES[f"{method} {plain_path(path)}"]


def is_described(method: str, path: str) -> bool:
    """Whether a document has a place for an address.

    There is none for a WebSocket, nor for what a platform alone asks of its container.
    """
    return f"{method} {plain_path(path)}" in _ADDRESSES


def plain_path(path: str) -> str:
    """The address without a version or label."""
    return _PICKED.sub("", path)


def protocol_of(path: str) -> str:
    """Whose address it is."""
    for start, name in (
        ("/v2", "Open Inference Protocol v2"),
        ("/v1", "TensorFlow Serving and KServe v1"),
    ):
        if path.startswith(start):
            return name
    clouds = ("/invocations", "/ping", "/health", "/version", "/execution", "/score")
    return "One model, without its name" if path.startswith(clouds) else "Fairlead"


def statuses_of(method: str, path: str, told: Told) -> list[int]:
    """The statuses of the errors that an address may answer with."""
    found = {*_ALWAYS}
    if not told.public:
        found |= {*_OF_CALLERS}
    if "{" in path or told.predicts:
        found.add(404)
    if told.predicts:
        found.add(422)
    if told.unsupported:
        found.add(501)
    if method != "GET" and path.startswith(("/feedback", "/v2/repository/models")):
        found.add(409)
    return sorted(found)
