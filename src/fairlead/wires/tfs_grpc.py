"""TensorFlow Serving's services over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import Call, Channel, Head, Reply, Route
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    BadParameter,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    ModelNotFound,
    TextInvalid,
    UnknownName,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name
from fairlead.core.tensor import Array
from fairlead.inputs.rows import listed
from fairlead.inputs.tensor_proto import NUMBERS, fill, tensors_of
from fairlead.protos.pool import message, methods
from fairlead.serving.array_json import most_rows
from fairlead.serving.control import Control
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.wires.grpc_service import GrpcService, parsed, question
from fairlead.wires.grpc_status import error_reply, ok
from fairlead.wires.predictions import PredictionsModel, predictions_model
from fairlead.wires.tfs_examples import SCORES, VALUE, examples_outputs, labels_of, merged
from fairlead.wires.tfs_facts import status_of_model
from fairlead.wires.tfs_multi import KINDS, MultiInference
from fairlead.wires.tfs_reload import TfsReload
from fairlead.wires.tfs_signatures import SIGNATURE, of_signature, signature_defs

PREDICTIONS = "tensorflow.serving.PredictionService"
MODELS = "tensorflow.serving.ModelService"
_ROLES = {"Classify": SCORES, "Regress": VALUE}
_FIELD = "signature_def"
_TYPES = "type.googleapis.com/"


class TfsGrpc(GrpcService):
    """The methods of both services. control: loads and unloads models; None where none does."""

    addresses = tuple(
        f"POST /{service}/{name}" for service in (PREDICTIONS, MODELS) for name in methods(service)
    )

    def __init__(
        self, registry: Registry, limits: BodyLimits = STANDARD, control: Control | None = None
    ) -> None:
        self._registry = registry
        self._derive = predictions_model(limits)
        self._limits = limits
        predictions, models = f"/{PREDICTIONS}/", f"/{MODELS}/"
        routes: dict[str, Route] = {
            predictions + "Predict": self._predicted("Predict", self._predict),
            predictions + "Classify": self._predicted("Classify", self._of_examples("Classify")),
            predictions + "Regress": self._predicted("Regress", self._of_examples("Regress")),
            predictions + "MultiInference": Route("predict", error_reply, open=self._tasks),
            predictions + "GetModelMetadata": self._told(
                PREDICTIONS, "GetModelMetadata", self._metadata
            ),
            models + "GetModelStatus": self._told(MODELS, "GetModelStatus", self._status),
            models + "HandleReloadConfigRequest": Route(
                "admin:models", error_reply, ask=TfsReload(registry, control).ask
            ),
        }
        super().__init__(("/tensorflow.serving.",), routes)

    def _predicted(self, name: str, fill: Callable[[Call, Any], None]) -> Route:
        """A prediction of the model that its request names; `fill` makes a call of the request."""
        takes = methods(PREDICTIONS)[name][0]

        def resolve(head: Head, body: bytes) -> Route:
            asked = parsed(takes, body, self._limits.parsed)
            model, version = self._model(asked.model_spec)

            def decode(call: Call, head: Head, body: bytes) -> None:
                fill(call, asked)

            return Route("predict", error_reply, decode=decode, model=model, version=version)

        return Route("predict", error_reply, resolve=resolve)

    def _told(self, service: str, name: str, tell: Callable[[Any, str, int], Any]) -> Route:
        """What is told of the model that its request names."""
        takes = methods(service)[name][0]

        def resolve(head: Head, body: bytes) -> Route:
            asked = question(takes, body)
            model, version = self._model(asked.model_spec, service == MODELS)

            def answer(head: Head, body: bytes, caller: Caller) -> Reply:
                return ok(tell(asked, model, version))

            return Route("predict", error_reply, answer=answer, model=model, version=version)

        return Route("predict", error_reply, resolve=resolve)

    def _model(self, spec: Any, asks_status: bool = False) -> tuple[str, int]:
        """Name and version in a ModelSpec; states are those of all versions, whatever the label.

        Raises MissingField, ModelNotFound, LabelUnknown.
        """
        if not spec.name:
            raise MissingField("Missing ModelSpec", where="model_spec")
        if not is_name(spec.name):
            raise ModelNotFound("no such model is served here")
        kind = spec.WhichOneof("version_choice")
        if kind == "version":
            return spec.name, max(0, spec.version.value)
        if kind == "version_label" and not asks_status:
            return spec.name, self._registry.labelled(spec.version_label)
        return spec.name, LATEST

    # --- facts --------------------------------------------------------------------------------

    def _metadata(self, asked: Any, name: str, version: int) -> Any:
        if not asked.metadata_field or any(f != _FIELD for f in asked.metadata_field):
            raise BadParameter(f"the field that is told is {_FIELD}", where="metadata_field")
        served = self._registry.get(name, version)
        if served is None:
            raise self._registry.absence(name, version)
        answer = methods(PREDICTIONS)["GetModelMetadata"][1](model_spec=_spec(served, SIGNATURE))
        signatures = message("tensorflow.serving.SignatureDefMap")(
            signature_def=signature_defs(served, int)
        )
        answer.metadata[_FIELD].Pack(signatures, type_url_prefix=_TYPES)
        return answer

    def _status(self, asked: Any, name: str, version: int) -> Any:
        states = status_of_model(self._registry, name, version)
        told = [one | {"version": int(one["version"])} for one in states]
        return methods(MODELS)["GetModelStatus"][1](model_version_status=told)

    # --- predictions --------------------------------------------------------------------------

    def _predict(self, call: Call, asked: Any) -> None:
        name = of_signature(call, asked.model_spec.signature_name)
        model = call.lease.derived("predictions", self._derive)
        try:
            specs = model.specs({n: t.dtype == NUMBERS["BYTES"] for n, t in asked.inputs.items()})
            extra = set(asked.inputs) - {spec.name for spec in specs}
            if extra:
                raise UnknownName(
                    f"the model has no input {min(extra)[:80]!r}",
                    fix=f"Its inputs: {listed([spec.name for spec in specs])}",
                )
            for spec in specs:
                if spec.name not in asked.inputs:
                    raise MissingField(f"input {spec.name!r} is missing", where=spec.name)
            tensors = tensors_of(asked.inputs, specs, self._limits.parsed)
            encoder = _encoder(model, tuple(asked.output_filter), self._limits, name)
            model.fill(call, tensors, encoder)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _of_examples(self, kind: str) -> Callable[[Call, Any], None]:
        def fill(call: Call, asked: Any) -> None:
            self._fill_examples(call, asked.model_spec, asked.input, kind, False)

        return fill

    def _fill_examples(self, call: Call, spec: Any, given: Any, kind: str, many: bool) -> None:
        """Fills a call from examples. many: it is one of several tasks."""
        name = of_signature(call, spec.signature_name)
        model = call.lease.derived("predictions", self._derive)

        def derive(served: Served) -> ExamplesEncoder:
            return ExamplesEncoder(served, kind, many, name)

        encoder = call.lease.derived(f"tfs-{kind}-{many}-{name}", derive)
        try:
            model.fill(call, _examples(given, model), encoder)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _tasks(self, channel: Channel) -> MultiInference:
        """Several questions about the same examples."""
        takes, most = methods(PREDICTIONS)["MultiInference"][0], self._limits.parsed
        return MultiInference(channel, takes, most, self._task)

    def _task(self, task: Any, given: Any) -> Route:
        """The route of one of them."""
        model, version = self._model(task.model_spec)

        def decode(call: Call, head: Head, body: bytes) -> None:
            self._fill_examples(call, task.model_spec, given, KINDS[task.method_name], True)

        return Route("predict", error_reply, decode=decode, model=model, version=version)


def _spec(served: Served, signature: str) -> dict[str, Any]:
    """A ModelSpec that names what answered."""
    package = served.package
    return {
        "name": package.name,
        "version": {"value": package.version},
        "signature_name": signature,
    }


def _encoder(
    model: PredictionsModel, outputs: tuple[str, ...], limits: BodyLimits, signature: str
) -> TensorsEncoder:
    """The encoder of a choice of outputs, one each."""
    names = [spec.name for spec in model.signature.outputs]
    for name in outputs:
        if name not in names:
            raise UnknownName(
                f"the model has no output {name[:80]!r}", fix=f"Its outputs: {listed(names)}"
            )
    if len({*outputs}) != len(outputs):
        raise DuplicateName("an output is asked for twice", where="output_filter")
    chosen = tuple(sorted(names.index(name) for name in outputs)) or tuple(range(len(names)))
    key = f"tfs-{','.join(map(str, chosen))}-{signature}"
    return model.served.derived(
        key, lambda served: TensorsEncoder(served, chosen, limits, signature)
    )


class TensorsEncoder:
    """Writes PredictResponse."""

    decides = False

    def __init__(
        self, served: Served, outputs: tuple[int, ...], limits: BodyLimits, signature: str
    ) -> None:
        package = served.package
        self.outputs = outputs
        self.specs = [package.signature.outputs[i] for i in outputs]
        self.most_rows = most_rows(package.limits.max_rows, self.specs, limits.answer)
        self._batched = package.signature.batched
        self._kind = methods(PREDICTIONS)["Predict"][1]
        self._spec = _spec(served, signature)

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call."""
        start = 0
        for call in calls:
            stop = start + call.rows
            answer = self._kind(model_spec=self._spec)
            for spec, array in zip(self.specs, outputs, strict=True):
                fill(answer.outputs[spec.name], spec, array[start:stop] if self._batched else array)
            start = stop
            call.payload = answer.SerializeToString()


class ExamplesEncoder:
    """Writes the classes or the values of examples. many: as a result of MultiInference."""

    decides = False

    def __init__(self, served: Served, kind: str, many: bool, signature: str) -> None:
        package = served.package
        self.outputs = examples_outputs(served, _ROLES[kind])
        self.specs = [package.signature.outputs[i] for i in self.outputs]
        self.most_rows = package.limits.max_rows
        self._classify = kind == "Classify"
        self._many = many
        self._spec = _spec(served, signature)

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call."""
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = self._answer([a[start:stop] for a in outputs]).SerializeToString()
            start = stop

    def _answer(self, outputs: Sequence[Array]) -> Any:
        values: list[Any] = outputs[0].reshape(len(outputs[0]), -1).tolist()
        if self._classify:
            each = [
                {"classes": [{"label": n, "score": v} for n, v in zip(names, row, strict=True)]}
                for names, row in zip(labels_of(self.specs[0], outputs), values, strict=True)
            ]
            result: dict[str, Any] = {"classifications": each}
            name, kind = "classification_result", "Classify"
        else:
            result = {"regressions": [{"value": row[0]} for row in values]}
            name, kind = "regression_result", "Regress"
        if self._many:
            one = {"model_spec": self._spec, name: result}
            return methods(PREDICTIONS)["MultiInference"][1](results=[one])
        return methods(PREDICTIONS)[kind][1](result=result, model_spec=self._spec)


def _examples(given: Any, model: PredictionsModel) -> Any:
    """The tensors of the examples of a request. Raises MalformedBody."""
    kind = given.WhichOneof("kind")
    if kind is None:
        raise MalformedBody("Input is empty", where="input")
    held = getattr(given, kind)
    context = _features(held.context) if kind == "example_list_with_context" else {}
    if not held.examples:
        raise MalformedBody("Input is empty", where="input")
    return merged([_features(example) for example in held.examples], context, model.signature)


def _features(example: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values: list[Any] = list(getattr(feature, kind).value) if kind else []
        if len(values) != 1:
            raise MalformedBody(f"the feature {name[:80]!r} must have one value", where="input")
        value = values[0]
        try:
            found[name] = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            raise TextInvalid(f"the feature {name[:80]!r} is not UTF-8", where="input") from None
    return found
