"""TensorFlow Serving's services over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import Call, Head, Reply, Route
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    BadParameter,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    ModelNotFound,
    SignatureUnknown,
    TextInvalid,
    UnknownName,
    Unsupported,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.package import is_name
from fairlead.core.tensor import Array
from fairlead.inputs.rows import listed
from fairlead.inputs.tensor_proto import NUMBERS, fill, tensors_of
from fairlead.protos.pool import message, methods
from fairlead.serving.array_json import most_rows
from fairlead.serving.control import Control
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import LATEST, Registry, Served
from fairlead.wires.grpc_service import GrpcService, parsed, question
from fairlead.wires.grpc_status import error_reply, ok
from fairlead.wires.predictions import PredictionsModel, predictions_model
from fairlead.wires.tfs_examples import SCORES, VALUE, examples_output, merged
from fairlead.wires.tfs_facts import SIGNATURE, STABLE, signature_def, status_of_model
from fairlead.wires.tfs_reload import TfsReload

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
            predictions + "MultiInference": Route("predict", error_reply, resolve=self._first_task),
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
            model, version = self._model(asked.model_spec)

            def answer(head: Head, body: bytes, caller: Caller) -> Reply:
                return ok(tell(asked, model, version))

            return Route("predict", error_reply, answer=answer, model=model, version=version)

        return Route("predict", error_reply, resolve=resolve)

    def _model(self, spec: Any) -> tuple[str, int]:
        """Name and version in a ModelSpec. Raises MissingField, ModelNotFound, BadParameter."""
        if not spec.name:
            raise MissingField("Missing ModelSpec", where="model_spec")
        if not is_name(spec.name):
            raise ModelNotFound("no such model is served here")
        kind = spec.WhichOneof("version_choice")
        if kind == "version":
            return spec.name, max(0, spec.version.value)
        if kind == "version_label" and spec.version_label != STABLE:
            raise BadParameter(f"Unrecognized servable version label: {spec.version_label[:80]}")
        return spec.name, LATEST

    # --- facts --------------------------------------------------------------------------------

    def _metadata(self, asked: Any, name: str, version: int) -> Any:
        if not asked.metadata_field or any(f != _FIELD for f in asked.metadata_field):
            raise BadParameter(f"the field that is told is {_FIELD}", where="metadata_field")
        served = self._registry.get(name, version)
        if served is None:
            raise self._registry.absence(name, version)
        answer = methods(PREDICTIONS)["GetModelMetadata"][1](model_spec=_spec(served))
        facts = signature_def(served)
        for infos in (facts["inputs"], facts["outputs"]):
            for info in infos.values():
                for dim in info["tensor_shape"]["dim"]:
                    dim["size"] = int(dim["size"])
        signatures = message("tensorflow.serving.SignatureDefMap")(signature_def={SIGNATURE: facts})
        answer.metadata[_FIELD].Pack(signatures, type_url_prefix=_TYPES)
        return answer

    def _status(self, asked: Any, name: str, version: int) -> Any:
        states = status_of_model(self._registry, name, version)
        told = [one | {"version": int(one["version"])} for one in states]
        return methods(MODELS)["GetModelStatus"][1](model_version_status=told)

    # --- predictions --------------------------------------------------------------------------

    def _predict(self, call: Call, asked: Any) -> None:
        model = call.lease.derived("predictions", self._derive)
        _check_signature(asked.model_spec)
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
            encoder = _encoder(model, tuple(asked.output_filter), self._limits)
            model.fill(call, tensors, encoder)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _of_examples(self, kind: str) -> Callable[[Call, Any], None]:
        def fill(call: Call, asked: Any) -> None:
            self._fill_examples(call, asked.model_spec, asked.input, kind, False)

        return fill

    def _fill_examples(self, call: Call, spec: Any, given: Any, kind: str, many: bool) -> None:
        """Fills a call from examples. many: it is one of several tasks."""
        _check_signature(spec)
        model = call.lease.derived("predictions", self._derive)

        def derive(served: Served) -> ExamplesEncoder:
            return ExamplesEncoder(served, kind, many)

        encoder = call.lease.derived(f"tfs-{kind}-{many}", derive)
        try:
            model.fill(call, _examples(given, model), encoder)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _first_task(self, head: Head, body: bytes) -> Route:
        """Several questions about the same examples: here, of one model and one question."""
        asked = parsed(methods(PREDICTIONS)["MultiInference"][0], body, self._limits.parsed)
        if len(asked.tasks) != 1:
            raise Unsupported("one task a request is answered", where="tasks")
        task = asked.tasks[0]
        kinds = {"tensorflow/serving/classify": "Classify", "tensorflow/serving/regress": "Regress"}
        kind = kinds.get(task.method_name)
        if kind is None:
            raise Unsupported(f"unknown method {task.method_name[:80]!r}", where="method_name")
        model, version = self._model(task.model_spec)

        def decode(call: Call, head: Head, body: bytes) -> None:
            self._fill_examples(call, task.model_spec, asked.input, kind, True)

        return Route("predict", error_reply, decode=decode, model=model, version=version)


def _check_signature(spec: Any) -> None:
    name = spec.signature_name or SIGNATURE
    if name != SIGNATURE:
        raise SignatureUnknown(
            f'Serving signature name: "{name[:80]}" not found in signature def',
            where="signature_name",
            fix=f"Known: {SIGNATURE}",
        )


def _spec(served: Served) -> dict[str, Any]:
    """A ModelSpec that names what answered."""
    package = served.package
    return {
        "name": package.name,
        "version": {"value": package.version},
        "signature_name": SIGNATURE,
    }


def _encoder(
    model: PredictionsModel, outputs: tuple[str, ...], limits: BodyLimits
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
    key = "tfs-" + ",".join(map(str, chosen))
    return model.served.derived(key, lambda served: TensorsEncoder(served, chosen, limits))


class TensorsEncoder:
    """Writes PredictResponse."""

    decides = False

    def __init__(self, served: Served, outputs: tuple[int, ...], limits: BodyLimits) -> None:
        package = served.package
        self.outputs = outputs
        self.specs = [package.signature.outputs[i] for i in outputs]
        self.most_rows = most_rows(package.limits.max_rows, self.specs, limits.answer)
        self._batched = package.signature.batched
        self._kind = methods(PREDICTIONS)["Predict"][1]
        self._spec = _spec(served)

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

    def __init__(self, served: Served, kind: str, many: bool) -> None:
        package = served.package
        found = examples_output(served, _ROLES[kind])
        self.outputs = (found,)
        self.specs = [package.signature.outputs[found]]
        self.most_rows = package.limits.max_rows
        self._classify = kind == "Classify"
        self._many = many
        self._spec = _spec(served)

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call."""
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = self._answer(outputs[0][start:stop]).SerializeToString()
            start = stop

    def _answer(self, rows: Array) -> Any:
        values: list[Any] = rows.reshape(len(rows), -1).tolist()
        if self._classify:
            labels = self.specs[0].classes or [str(n) for n in range(len(values[0]))]
            each = [
                {"classes": [{"label": n, "score": v} for n, v in zip(labels, row, strict=True)]}
                for row in values
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
