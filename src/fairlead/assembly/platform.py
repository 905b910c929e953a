"""What a cloud platform says in the environment of a container that it runs.

SageMaker, Vertex AI and others choose the port, the addresses and the folder of the model; whoever
writes a setting of our own has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.errors import BadUsage

_PORTS = ("SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT")
"""Where a port may stand; the first that is there counts."""
BUCKET = "gs://"
"""How an address in Google Cloud Storage begins."""
_FOLDERS = ("/opt/ml/model", "/mnt/models")
"""Where SageMaker and KServe put a model."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The choices of a platform.

    health, predict: addresses beside the usual ones, "" for none. accept: the media type of answers
    for callers who accept any. many: the platform loads and ends models below /models.
    """

    health: str = ""
    predict: str = ""
    accept: str = ""
    many: bool = False


NO_PLATFORM = Platform()


def platform_of(environ: Mapping[str, str]) -> Platform:
    """What the environment says of addresses. Raises BadUsage for one that is none."""
    health, predict = environ.get("AIP_HEALTH_ROUTE", ""), environ.get("AIP_PREDICT_ROUTE", "")
    for route in (health, predict):
        if route and not (route.startswith("/") and route.isascii() and " " not in route):
            raise BadUsage(f"{route[:80]!r} is no address", fix="It must begin with /")
    accept = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "").strip().lower()
    return Platform(health, predict, accept, loads_models(environ))


def loads_models(environ: Mapping[str, str]) -> bool:
    """Whether the platform says while the server runs which models are served, none at first."""
    return environ.get("SAGEMAKER_MULTI_MODEL", "").strip().lower() == "true"


def port_of(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The port that a platform chose and the variable that says so; None for none."""
    for name in _PORTS:
        if environ.get(name, "").strip():
            return environ[name].strip(), name
    return None


def model_place(environ: Mapping[str, str]) -> str:
    """Where the model lies when the command line names none: a folder, or an address of a bucket.

    Raises BadUsage.
    """
    storage = environ.get("AIP_STORAGE_URI", "")
    if storage.startswith(BUCKET):
        return storage
    if storage and "://" not in storage.removeprefix("file://"):
        return storage.removeprefix("file://")
    if storage:
        raise BadUsage(
            f"the model is at {storage[:200]}, which is not downloaded here",
            fix="Put the model into the image, or mount it, and name its folder",
        )
    named = environ.get("AZUREML_MODEL_DIR", "")
    for folder in (named, *_FOLDERS):
        if folder and Path(folder).is_dir():
            return folder
    raise BadUsage(
        "no model is named",
        fix="Name a repository, a package or a trained file. See `fairlead serve --help`",
    )
