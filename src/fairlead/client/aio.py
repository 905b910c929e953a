"""The client for programs on asyncio; it has the same methods as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx

from fairlead.client import talk
from fairlead.client.answer import Predictions
from fairlead.client.retry import Budget, Retries, Tries
from fairlead.client.rows import pieces, rows_of


class AsyncClient:
    """Asks one server. Close it, or use it as an asynchronous context manager.

    The arguments are those of `Client`.
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
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=talk.headers_of(key), verify=verify
        )
        self._most: dict[str, int] = {}

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Whether the server takes calls."""
        try:
            return (await self._http.get("/readyz", timeout=self._timeout)).status_code == 200
        except httpx.TransportError:
            return False

    async def models(self) -> list[str]:
        """The names of the models that the key may know of."""
        return [model["name"] for model in (await self._get("/models"))["models"]]

    async def model(self, name: str) -> dict[str, Any]:
        """What a model is: versions, inputs and outputs, columns, limits, an example that works."""
        return await self._get(talk.model_path(name))

    async def predict(
        self,
        model: str,
        rows: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - over several requests, as in Client
    ) -> Predictions:
        """The model's answers to rows, in their order; see `Client.predict`."""
        given = rows_of(rows)
        deadline = talk.Deadline(self._timeout if timeout is None else timeout)
        path = talk.predict_path(model, version, outputs)
        size = await self._rows_a_request(model, len(given))
        parts: list[tuple[dict[str, Any], str]] = []
        for piece in pieces(given, size) if given else [given]:
            answer = await self._ask("POST", path, talk.body_of(piece), deadline)
            value = talk.told(answer.status_code, answer.headers, answer.content)
            parts.append((value, answer.headers.get(talk.USAGE_ID, "")))
        return talk.joined(model, parts)

    async def _rows_a_request(self, model: str, count: int) -> int:
        if count <= talk.ROWS_A_REQUEST and model not in self._most:
            return talk.ROWS_A_REQUEST
        if model not in self._most:
            limits = (await self.model(model)).get("limits", {})
            most = int(limits.get("max_rows", talk.ROWS_A_REQUEST))
            self._most[model] = min(most, talk.ROWS_A_REQUEST)
        return self._most[model]

    async def _get(self, path: str) -> Any:
        answer = await self._ask("GET", path, None, talk.Deadline(self._timeout))
        return talk.told(answer.status_code, answer.headers, answer.content)

    async def _ask(
        self, method: str, path: str, body: bytes | None, deadline: talk.Deadline
    ) -> httpx.Response:
        """An answer, after as many tries as are allowed. Raises ServerUnreachable."""
        tries = Tries(self._retries, self._budget, deadline)
        while True:
            left = deadline.left_s
            headers = talk.request_headers(body, left)
            try:
                answer = await self._http.request(
                    method, path, content=body, headers=headers, timeout=left
                )
                refusal = talk.refusal(answer.status_code, answer.headers, answer.content)
                if refusal is None:
                    return answer
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refusal = talk.unreached(self.url, error)
            except httpx.TransportError as error:
                raise talk.broken_off(self.url, error) from None
            await asyncio.sleep(tries.pause_s(refusal))
