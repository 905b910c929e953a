"""The client for programs that wait for their answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx

from fairlead.client import talk
from fairlead.client.answer import Predictions
from fairlead.client.retry import Budget, Retries, Tries
from fairlead.client.rows import pieces, rows_of


class Client:
    """Asks one server. May be used by many threads; close it, or use it as a context manager.

        with fairlead.Client("http://127.0.0.1:8080", key=KEY) as client:
            print(client.predict("iris", [{"length": 5.1, "width": 3.5}]).labels)

    url: of the server. key: that is shown. timeout: seconds that one call of a method may take,
    over all of its requests and tries. verify: the file of the authority that the server's
    certificate is of, or whether it is checked.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        timeout: float = 60.0,
        retries: Retries | None = None,
        verify: bool | str = True,
    ) -> None:
        self.url = talk.check_url(url)
        self._timeout = timeout
        self._retries = retries or Retries()
        self._budget = Budget(self._retries)
        self._http = httpx.Client(base_url=self.url, headers=talk.headers_of(key), verify=verify)
        self._most: dict[str, int] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the server takes calls."""
        try:
            return self._http.get("/readyz", timeout=self._timeout).status_code == 200
        except httpx.TransportError:
            return False

    def models(self) -> list[str]:
        """The names of the models that the key may know of."""
        return [model["name"] for model in self._get("/models")["models"]]

    def model(self, name: str) -> dict[str, Any]:
        """What a model is: versions, inputs and outputs, columns, limits, an example that works."""
        return self._get(talk.model_path(name))

    def predict(
        self,
        model: str,
        rows: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Predictions:
        """The model's answers to rows, in their order.

        rows: a list of dicts or lists, a dict of columns, an array, a DataFrame, an Arrow table.
        More rows than one request takes go in several. outputs: that are wanted; all by default.
        Raises the server's own errors (`fairlead.errors`), ServerUnreachable, AnswerUnreadable.
        """
        given = rows_of(rows)
        deadline = talk.Deadline(self._timeout if timeout is None else timeout)
        path = talk.predict_path(model, version, outputs)
        parts: list[tuple[dict[str, Any], str]] = []
        for piece in pieces(given, self._rows_a_request(model, len(given))) if given else [given]:
            answer = self._ask("POST", path, talk.body_of(piece), deadline)
            value = talk.told(answer.status_code, answer.headers, answer.content)
            parts.append((value, answer.headers.get(talk.USAGE_ID, "")))
        return talk.joined(model, parts)

    def _rows_a_request(self, model: str, count: int) -> int:
        """How many rows go into one request of a model, which is asked once."""
        if count <= talk.ROWS_A_REQUEST and model not in self._most:
            return talk.ROWS_A_REQUEST
        if model not in self._most:
            most = int(self.model(model).get("limits", {}).get("max_rows", talk.ROWS_A_REQUEST))
            self._most[model] = min(most, talk.ROWS_A_REQUEST)
        return self._most[model]

    def _get(self, path: str) -> Any:
        answer = self._ask("GET", path, None, talk.Deadline(self._timeout))
        return talk.told(answer.status_code, answer.headers, answer.content)

    def _ask(
        self, method: str, path: str, body: bytes | None, deadline: talk.Deadline
    ) -> httpx.Response:
        """An answer, after as many tries as are allowed. Raises ServerUnreachable."""
        tries = Tries(self._retries, self._budget, deadline)
        while True:
            left = deadline.left_s
            headers = talk.request_headers(body, left)
            try:
                answer = self._http.request(
                    method, path, content=body, headers=headers, timeout=left
                )
                refusal = talk.refusal(answer.status_code, answer.headers, answer.content)
                if refusal is None:
                    return answer
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refusal = talk.unreached(self.url, error)
            except httpx.TransportError as error:
                raise talk.broken_off(self.url, error) from None
            time.sleep(tries.pause_s(refusal))
