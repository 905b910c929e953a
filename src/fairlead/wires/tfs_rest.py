"""TensorFlow Serving's REST API and KServe's v1 protocol, which share the addresses below /v1.

Where the two differ, an answer satisfies both: a model's status also says whether it is ready.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import unquote

from fairlead.core.access import Caller
from fairlead.core.call import Answer, Call, Encoder, Head, Reply, Route
from fairlead.core.errors import (
    Code,
    FairleadError,
    MalformedBody,
    MissingField,
    ModelNotFound,
    Unsupported,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name, parse_version
from fairlead.inputs.instances import of_columns, of_instances
from fairlead.inputs.loose_json import loads
from fairlead.serving.admission import known_models
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.wires.cloudevents import EventEncoder, Mode, opened
from fairlead.wires.http_errors import headers_of, status_of, words_of
from fairlead.wires.predictions import Form, PredictionsModel, predictions_model
from fairlead.wires.tfs_examples import ClassifyEncoder, RegressEncoder, rows_of_examples
from fairlead.wires.tfs_facts import status_of_model
from fairlead.wires.tfs_signatures import of_signature, signature_defs

_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/(versions|labels)/([^/:]+))?(?:/(metadata)|:(\w+))?\Z", re.I
)
_MODEL = "/v1/models/{model}"
_Tell = Callable[[str, int], tuple[Any, FairleadError | None]]
"""What is told of a version, and why it cannot be asked, if it cannot."""


def error_reply(error: FairleadError) -> Reply:
    """The protocol's error shape."""
    as_argument = (Code.METHOD_NOT_ALLOWED, Code.CONFLICT)  # TensorFlow Serving has 400 for both
    status = 400 if error.code in as_argument else status_of(error)
    body = {"error": words_of(error), "code": error.name, "id": error.id}
    return Reply(status, json.dumps(body).encode(), headers=headers_of(error))


class TfsRest:
    """The routes below /v1."""

    addresses = (
        "GET /v1/models",
        *(
            f"{method} {address}{rest}"
            for address in (
                _MODEL,
                _MODEL + "/versions/{version}",
                _MODEL + "/labels/{label}",
            )
            for method, rest in (
                ("GET", ""),
                ("GET", "/metadata"),
                ("POST", ":predict"),
                ("POST", ":classify"),
                ("POST", ":regress"),
                ("POST", ":explain"),
            )
        ),
    )

    def __init__(
        self,
        registry: Registry,
        limits: BodyLimits = STANDARD,
        kserve_inputs: Collection[str] = (),
    ) -> None:
        """kserve_inputs: models for which `inputs` is another word for `instances`."""
        self._registry = registry
        self._as_kserve = frozenset(kserve_inputs)
        self._limits = limits
        self._derive = predictions_model(limits)

    def owns(self, path: str) -> bool:
        """Everything below /v1."""
        return path == "/v1" or path.startswith("/v1/")

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for an address below /v1. Raises MalformedBody, ModelNotFound."""
        if not self.owns(path):
            return None
        if path == "/v1/models" and method == "GET":
            return Route("predict", error_reply, answer=self._models)
        match = _PATH.match(path)
        if match is None:
            raise MalformedBody(f"Malformed request: {method} {path[:200]}")
        model, kind, which, metadata, verb = match.groups()
        name = unquote(model)
        if not is_name(name):
            raise ModelNotFound("no such model is served here", fix="GET /v1/models lists them")
        asks_status = verb is None and not metadata
        version = self._version(kind, unquote(which or ""), asks_status)
        if verb is None and method == "GET":
            return self._told(name, version, self._status if asks_status else self._metadata)
        decode = {
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
            "explain": self._explain,
        }.get((verb or "").lower())
        if decode is None or method != "POST":
            raise MalformedBody(f"Malformed request: {method} {path[:200]}")
        return Route("predict", error_reply, decode=decode, model=name, version=version)

    def _version(self, kind: str | None, which: str, asks_status: bool) -> int:
        """What an address says of the version; the states are those of all, whatever the label."""
        if kind is not None and kind.lower() == "versions":
            return parse_version(which)
        return LATEST if kind is None or asks_status else self._registry.labelled(which)

    def _told(self, name: str, version: int, tell: _Tell) -> Route:
        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            value, absence = tell(name, version)
            text = json.dumps(value).encode()
            return Reply(503, text, headers=headers_of(absence)) if absence else Reply(200, text)

        made: Answer = answer
        return Route("predict", error_reply, answer=made, model=name, version=version)

    def _models(self, head: Head, body: bytes, caller: Caller) -> Reply:
        names = known_models(self._registry, caller)
        return Reply(200, json.dumps({"models": names}).encode())

    def _status(self, name: str, version: int) -> tuple[Any, FairleadError | None]:
        states = status_of_model(self._registry, name, version)
        ready = self._registry.answers(name, version)
        told: dict[str, Any] = {"model_version_status": states, "name": name, "ready": ready}
        if ready:
            return told, None
        absence = self._registry.absence(name, version)
        return told | {"error": words_of(absence)}, absence

    def _metadata(self, name: str, version: int) -> tuple[Any, None]:
        served = self._registry.get(name, version)
        if served is None:
            raise self._registry.absence(name, version)
        spec = {"name": name, "signature_name": "", "version": str(served.package.version)}
        return {
            "model_spec": spec,
            "metadata": {"signature_def": {"signature_def": signature_defs(served)}},
        }, None

    # --- predictions --------------------------------------------------------------------------

    def _predict(self, call: Call, head: Head, body: bytes) -> None:
        try:
            mode, value = opened(head, body, self._limits)
            request = _request(call, value, "predict")
            model = call.lease.derived("predictions", self._derive)
            if ("instances" in request) == ("inputs" in request):
                raise MissingField("a request has either `instances` or `inputs`", where="body")
            named = "instances" if "instances" in request else "inputs"
            given = request[named]
            if named == "inputs" and call.route.model not in self._as_kserve:
                form: Form = "columns"
                tensors = model.columns(given) or of_columns(given, model.signature)
            else:
                form = "rows"
                if given.__class__ is not list:
                    raise MalformedBody(f"`{named}` must be a list", where=named)
                tensors = model.rows(given) or of_instances(given, model.signature)
            model.fill(call, tensors, _encoder(model, form, mode))
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _classify(self, call: Call, head: Head, body: bytes) -> None:
        self._examples(call, body, ClassifyEncoder, "classify")

    def _regress(self, call: Call, head: Head, body: bytes) -> None:
        self._examples(call, body, RegressEncoder, "regress")

    def _examples(self, call: Call, body: bytes, kind: Any, method: str) -> None:
        try:
            request = _request(call, loads(body, self._limits), method)
            model = call.lease.derived("predictions", self._derive)
            encoder = call.lease.derived(kind.__name__, kind)
            tensors = rows_of_examples(request, model.signature)
            model.fill(call, tensors, encoder)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _explain(self, call: Call, head: Head, body: bytes) -> None:
        raise Unsupported("this model has no explainer", fix="Use :predict")


def _request(call: Call, request: Any, method: str) -> dict[str, Any]:
    """The JSON object of a request, its call made one of the signature that it names.

    The usual signature may go by its method's name. Raises MalformedBody, SignatureUnknown.
    """
    if request.__class__ is not dict:
        raise MalformedBody("the body must be a JSON object", where="body")
    name = request.get("signature_name", "")
    if name.__class__ is not str:
        raise MalformedBody("`signature_name` must be a string", where="signature_name")
    own = call.lease.package.signatures
    of_signature(call, "" if name == f"tensorflow/serving/{method}" and name not in own else name)
    return request


def _encoder(model: PredictionsModel, form: Form, mode: Mode) -> Encoder:
    """What writes the answer in a form, as an event where the request was one."""
    inner = model.encoder(form, words=True)
    if not mode:
        return inner

    def derive(served: Served) -> EventEncoder:
        return EventEncoder(inner, mode, served.package.name)

    return model.served.derived(f"cloudevents-{mode}-{form}", derive)
