"""A model that a platform keeps in a bucket, brought to this machine before it is served.

The folder is whole or absent: it gets its name once everything in it is there.
"""

from __future__ import annotations

import hashlib
import shutil
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from fairlead.core.errors import BadUsage, FileUnreadable, MissingExtra

_FOLDER = "downloads"
_MOST_FILES = 10_000
_MOST_BYTES = 64 << 30


def downloaded(address: str, state: Path) -> Path:
    """The folder with everything below `gs://BUCKET/PREFIX`, fetched anew at each start.

    Who asks is who Google's client library finds: the service account of the machine, mostly.
    Raises MissingExtra without that library, BadUsage for an address with nothing below it,
    FileUnreadable when the bucket cannot be read.
    """
    try:
        storage: Any = import_module("google.cloud.storage")
        problems: Any = import_module("google.api_core.exceptions")
        secrets: Any = import_module("google.auth.exceptions")
    except ImportError:
        raise MissingExtra(
            f"the model is at {address[:200]}, and reading buckets needs Google's library",
            fix="pip install 'fairlead[gcs]'",
        ) from None
    bucket, _, prefix = address.removeprefix("gs://").partition("/")
    prefix = prefix.strip("/")
    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    folder, part = state / _FOLDER / name, state / _FOLDER / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        client = storage.Client()
        blobs = [*client.list_blobs(bucket, prefix=prefix, max_results=_MOST_FILES + 1)]
        _fetch(blobs, prefix, address, part)
    except (problems.GoogleAPIError, secrets.GoogleAuthError, OSError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise FileUnreadable(
            f"{address[:200]} cannot be downloaded: {str(error)[:200]}",
            fix="Let the service account of this machine read the bucket",
        ) from None
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def _fetch(blobs: list[Any], prefix: str, address: str, part: Path) -> None:
    """Writes every object below the prefix to its place. Raises BadUsage."""
    inside = [(_place(blob.name, prefix), blob) for blob in blobs if not blob.name.endswith("/")]
    inside = [(path, blob) for path, blob in inside if path.parts]
    if not inside:
        raise BadUsage(f"there is nothing at {address[:200]}", fix="Check AIP_STORAGE_URI")
    if len(blobs) > _MOST_FILES or sum(int(blob.size or 0) for _, blob in inside) > _MOST_BYTES:
        raise BadUsage(f"there is too much at {address[:200]}", fix="Name the model's own folder")
    for path, blob in inside:
        if path.is_absolute() or ".." in path.parts:
            raise BadUsage(f"{address[:200]} holds an object with the name {str(path)[:80]!r}")
        place = part / path
        place.parent.mkdir(parents=True, exist_ok=True)
        blob.download_to_filename(str(place))


def _place(name: str, prefix: str) -> PurePosixPath:
    """Where an object goes below the folder; empty for one that only begins like the prefix."""
    if name == prefix:
        return PurePosixPath(PurePosixPath(name).name)
    below = f"{prefix}/" if prefix else ""
    return PurePosixPath(name[len(below) :] if name.startswith(below) else "")
