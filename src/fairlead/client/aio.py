"""The client for programs on asyncio; it has the same methods as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from fairlead.client import rest, talk
from fairlead.client.answer import Predictions
from fairlead.client.retry import Budget, Retries, Tries
from fairlead.client.talk import Asked, Deadline, Heard, Refused, Speech, Steps
from fairlead.core.errors import FairleadError

if TYPE_CHECKING:
    from fairlead.client.grpc_lines import AsyncGrpcLine

T = TypeVar("T")


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
        self._speech: Speech
        self._line: AsyncGrpcLine | AsyncHttpLine
        if talk.is_grpc(self.url):
            from fairlead.client.grpc_lines import AsyncGrpcLine
            from fairlead.client.oip import Oip

            self._speech, self._line = Oip(), AsyncGrpcLine(self.url, key, verify)
        else:
            self._speech, self._line = rest.Rest(), AsyncHttpLine(self.url, key, verify)

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
        await self._line.close()

    async def ready(self) -> bool:
        """Whether the server takes calls."""
        asked = self._speech.readiness
        try:
            return self._speech.is_ready(await self._line.once(asked, self._timeout))
        except (Refused, FairleadError):
            return False

    async def models(self) -> list[str]:
        """The names of the models that the key may know of."""
        return await self._run(self._speech.models())

    async def model(self, name: str) -> dict[str, Any]:
        """What a model is: versions, inputs and outputs, columns, limits, an example that works."""
        return await self._run(self._speech.model(name))

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
        steps = self._speech.predict(model, rows, version, outputs)
        return await self._run(steps, timeout)

    async def _run(
        self,
        steps: Steps[T],
        timeout: float | None = None,  # noqa: ASYNC109 - over several requests, as in Client
    ) -> T:
        """What comes of the steps, each of which is asked."""
        deadline = Deadline(self._timeout if timeout is None else timeout)
        try:
            asked = next(steps)
            while True:
                try:
                    heard = await self._ask(asked, deadline)
                except FairleadError as error:
                    asked = steps.throw(error)
                else:
                    asked = steps.send(heard)
        except StopIteration as done:
            return done.value

    async def _ask(self, asked: Asked, deadline: Deadline) -> Heard:
        """An answer, after as many tries as are allowed. Raises ServerUnreachable."""
        tries = Tries(self._retries, self._budget, deadline)
        while True:
            try:
                return await self._line.once(asked, deadline.left_s)
            except Refused as refused:
                pause = tries.pause_s(refused.refusal)
            await asyncio.sleep(pause)


class AsyncHttpLine:
    """The connections to one server over HTTP."""

    def __init__(self, url: str, key: str, verify: bool | str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, headers=rest.headers_of(key), verify=verify)

    async def close(self) -> None:
        """Closes them."""
        await self._http.aclose()

    async def once(self, asked: Asked, left_s: float) -> Heard:
        """The answer to one try. Raises Refused, ServerUnreachable."""
        headers = rest.request_headers(asked, left_s)
        method = "GET" if asked.body is None else "POST"
        try:
            answer = await self._http.request(
                method, asked.path, content=asked.body, headers=headers, timeout=left_s
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise talk.unreached(self._url, error) from None
        except httpx.TransportError as error:
            raise talk.broken_off(self._url, type(error).__name__) from None
        return rest.heard(answer.status_code, answer.headers, answer.content)
