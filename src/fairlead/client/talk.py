"""What both clients say and hear: requests made, answers read, failures raised as errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from fairlead.client.answer import Predictions
from fairlead.core.clock import now
from fairlead.core.errors import (
    CATALOGUE,
    AnswerUnreadable,
    BadUsage,
    DeadlineExceeded,
    FairleadError,
    Internal,
    ServerUnreachable,
)

_URL = re.compile(r"https?://[^\s/]+(/[^\s?#]*)?\Z")
_AGAIN = (429, 503)
Refusal = tuple[FairleadError, float | None]
"""Why a request was surely not done, and the seconds that the server asks to wait, if it says."""

USAGE_ID = "fairlead-usage-id"
ROWS_A_REQUEST = 1000
"""Rows that go into one request unless the model takes fewer."""


def check_url(url: str) -> str:
    """The address of a server without the slash at its end. Raises BadUsage."""
    if not _URL.match(url):
        raise BadUsage(
            f"{url[:200]!r} is no address of a server", fix="Write http://HOST:PORT or https://HOST"
        )
    return url.rstrip("/")


def headers_of(key: str) -> dict[str, str]:
    """The headers that every request carries."""
    return {"authorization": f"Bearer {key}"} if key else {}


def model_path(model: str) -> str:
    """The address that describes a model."""
    return f"/models/{quote(model, safe='')}"


def predict_path(model: str, version: int | None, outputs: Sequence[str]) -> str:
    """The address that predicts."""
    path = f"/predict/{quote(model, safe='')}"
    if version is not None:
        path += f"/versions/{version}"
    return path + (f"?outputs={quote(','.join(outputs))}" if outputs else "")


def body_of(rows: Sequence[Any]) -> bytes:
    """Rows as JSON."""
    return json.dumps({"rows": list(rows)}, allow_nan=False, default=str).encode()


class Deadline:
    """The time that one call of the client may take, over all of its requests and tries."""

    def __init__(self, seconds: float) -> None:
        self._end = now() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left. Raises DeadlineExceeded when there are none."""
        left = self._end - now()
        if left <= 0:
            raise DeadlineExceeded("the time of the call is over", fix="Give a longer timeout")
        return left


def told(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of an answer. Raises the error that it tells, or AnswerUnreadable."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        raise AnswerUnreadable(
            f"the answer with status {status} is no JSON",
            fix="Check that the address is that of a Fairlead server",
        ) from None
    if status < 400:
        return value
    raise error_of(status, headers, value)


def error_of(status: int, headers: Mapping[str, str], value: Any) -> FairleadError:
    """The server's own error, from the problem that it told."""
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = CATALOGUE.get(str(given.get("id")), Internal)
    error = kind.__new__(kind)
    row, column = given.get("row"), given.get("column")
    FairleadError.__init__(
        error,
        str(given.get("detail") or given.get("error") or f"the server answered {status}"),
        where=given.get("where"),
        fix=given.get("fix"),
        row=row if isinstance(row, int) else None,
        column=column if isinstance(column, str) else None,
    )
    error.status = status  # type: ignore[attr-defined]
    error.retry_after = _seconds(headers.get("retry-after"))  # type: ignore[attr-defined]
    return error


def request_headers(body: bytes | None, left_s: float) -> dict[str, str]:
    """The headers of one try; left_s: seconds that its caller still waits."""
    headers = {"x-request-timeout": str(max(1, int(left_s * 1000)))}
    return headers if body is None else headers | {"content-type": "application/json"}


def unreached(url: str, error: Exception) -> Refusal:
    """Why a request never came to the server."""
    return ServerUnreachable(f"{url} cannot be reached: {error}"), None


def broken_off(url: str, error: Exception) -> ServerUnreachable:
    """Why there is no answer to a request that may have been done."""
    return ServerUnreachable(
        f"the answer of {url} did not come: {type(error).__name__}",
        fix="It may have been made: try again only if that does no harm",
    )


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Why a server did not take a request; None for any other answer, which is the last word."""
    if status not in _AGAIN:
        return None
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    return error_of(status, headers, value), _seconds(headers.get("retry-after"))


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None


def joined(model: str, parts: Sequence[tuple[dict[str, Any], str]]) -> Predictions:
    """The answers to the pieces of a request, as one."""
    rows: list[dict[str, Any]] = []
    version = 0
    for value, _ in parts:
        try:
            rows += value["predictions"]
            version = int(value["version"])
        except (KeyError, TypeError, ValueError):
            raise AnswerUnreadable("the answer holds no predictions") from None
    usage = tuple(usage for _, usage in parts if usage)
    return Predictions(model, version, rows, usage)
