"""Our own protocol over HTTP, as the client speaks it: rows and answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from fairlead.client import talk
from fairlead.client.answer import Predictions
from fairlead.client.rows import pieces, rows_of
from fairlead.client.talk import Asked, Heard, Refused, Steps
from fairlead.core.errors import CATALOGUE, AnswerUnreadable, FairleadError, Internal

_AGAIN = (429, 503)


class Rest:
    """One server as it is asked over HTTP."""

    readiness = Asked("/readyz")

    def __init__(self) -> None:
        self._most: dict[str, int] = {}

    def is_ready(self, heard: Heard) -> bool:
        """Whether the answer says that the server takes calls."""
        return heard.status == 200

    def models(self) -> Steps[list[str]]:
        """The names of the models that the key may know of."""
        return [model["name"] for model in told((yield Asked("/models")))["models"]]

    def model(self, name: str) -> Steps[dict[str, Any]]:
        """What a model is."""
        return told((yield Asked(f"/models/{quote(name, safe='')}")))

    def predict(
        self, model: str, given: Any, version: int | None, outputs: Sequence[str]
    ) -> Steps[Predictions]:
        """The answers to rows, in as many requests as they need."""
        rows = rows_of(given)
        path = _predict_path(model, version, outputs)
        size = yield from self._rows_a_request(model, len(rows))
        parts: list[tuple[dict[str, Any], str]] = []
        for start, piece in pieces(rows, size) if rows else [(0, rows)]:
            with talk.counted_from(start):
                heard = yield Asked(path, _body_of(piece))
                parts.append((told(heard), heard.headers.get(talk.USAGE_ID, "")))
        return talk.joined(model, parts)

    def _rows_a_request(self, model: str, count: int) -> Steps[int]:
        """How many rows go into one request of a model, which is asked once."""
        if count <= talk.ROWS_A_REQUEST and model not in self._most:
            return talk.ROWS_A_REQUEST
        if model not in self._most:
            limits: dict[str, Any] = (yield from self.model(model)).get("limits", {})
            most = int(limits.get("max_rows", talk.ROWS_A_REQUEST))
            self._most[model] = min(most, talk.ROWS_A_REQUEST)
        return self._most[model]


def headers_of(key: str) -> dict[str, str]:
    """The headers that every request carries."""
    return {"authorization": f"Bearer {key}"} if key else {}


def request_headers(asked: Asked, left_s: float) -> dict[str, str]:
    """The headers of one try; left_s: seconds that its caller still waits."""
    headers = {"x-request-timeout": str(max(1, int(left_s * 1000)))}
    return headers if asked.body is None else headers | {"content-type": "application/json"}


def heard(status: int, headers: Mapping[str, str], body: bytes) -> Heard:
    """An answer. Raises Refused for one that says that the server did not take the request."""
    if status not in _AGAIN:
        return Heard(status, headers, body)
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    raise Refused((error_of(status, headers, value), _seconds(headers.get("retry-after"))))


def told(heard: Heard) -> Any:
    """The JSON of an answer. Raises the error that it tells, or AnswerUnreadable."""
    try:
        value: Any = json.loads(heard.body)
    except ValueError:
        raise AnswerUnreadable(
            f"the answer with status {heard.status} is no JSON",
            fix="Check that the address is that of a Fairlead server",
        ) from None
    if heard.status < 400:
        return value
    raise error_of(heard.status, heard.headers, value)


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


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None


def _predict_path(model: str, version: int | None, outputs: Sequence[str]) -> str:
    path = f"/predict/{quote(model, safe='')}"
    if version is not None:
        path += f"/versions/{version}"
    return path + (f"?outputs={quote(','.join(outputs))}" if outputs else "")


def _body_of(rows: Sequence[Any]) -> bytes:
    return json.dumps({"rows": list(rows)}, allow_nan=False, default=str).encode()
