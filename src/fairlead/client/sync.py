"""The client for programs that wait for their answers."""

from __future__ import annotations

import time
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
    from fairlead.client.grpc_lines import GrpcLine

T = TypeVar("T")


class Client:
    """Asks one server. May be used by many threads; close it, or use it as a context manager.

        with fairlead.Client("http://127.0.0.1:8080", key=KEY) as client:
            print(client.predict("iris", [{"length": 5.1, "width": 3.5}]).labels)

    url: of the server; `http://` and `https://` speak HTTP, `grpc://` and `grpcs://` speak gRPC,
    for which the extra `grpc` is needed. key: that is shown. timeout: seconds that one call of a
    method may take, over all of its requests and tries. verify: the file of the authority that the
    server's certificate is of, or whether it is checked; gRPC always checks it.
    Raises BadUsage, and MissingExtra without that extra.
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
        self._line: GrpcLine | HttpLine
        if talk.is_grpc(self.url):
            from fairlead.client.grpc_lines import GrpcLine
            from fairlead.client.oip import Oip

            self._speech, self._line = Oip(), GrpcLine(self.url, key, verify)
        else:
            self._speech, self._line = rest.Rest(), HttpLine(self.url, key, verify)

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
        self._line.close()

    def ready(self) -> bool:
        """Whether the server takes calls."""
        try:
            return self._speech.is_ready(self._line.once(self._speech.readiness, self._timeout))
        except (Refused, FairleadError):
            return False

    def models(self) -> list[str]:
        """The names of the models that the key may know of."""
        return self._run(self._speech.models())

    def model(self, name: str) -> dict[str, Any]:
        """What a model is: versions, inputs and outputs, columns, limits, an example that works."""
        return self._run(self._speech.model(name))

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
        steps = self._speech.predict(model, rows, version, outputs)
        return self._run(steps, timeout)

    def _run(self, steps: Steps[T], timeout: float | None = None) -> T:
        """What comes of the steps, each of which is asked."""
        deadline = Deadline(self._timeout if timeout is None else timeout)
        try:
            asked = next(steps)
            while True:
                try:
                    heard = self._ask(asked, deadline)
                except FairleadError as error:
                    asked = steps.throw(error)
                else:
                    asked = steps.send(heard)
        except StopIteration as done:
            return done.value

    def _ask(self, asked: Asked, deadline: Deadline) -> Heard:
        """An answer, after as many tries as are allowed. Raises ServerUnreachable."""
        tries = Tries(self._retries, self._budget, deadline)
        while True:
            try:
                return self._line.once(asked, deadline.left_s)
            except Refused as refused:
                pause = tries.pause_s(refused.refusal)
            time.sleep(pause)


class HttpLine:
    """The connections to one server over HTTP."""

    def __init__(self, url: str, key: str, verify: bool | str) -> None:
        self._url = url
        self._http = httpx.Client(base_url=url, headers=rest.headers_of(key), verify=verify)

    def close(self) -> None:
        """Closes them."""
        self._http.close()

    def once(self, asked: Asked, left_s: float) -> Heard:
        """The answer to one try. Raises Refused, ServerUnreachable."""
        headers = rest.request_headers(asked, left_s)
        method = "GET" if asked.body is None else "POST"
        try:
            answer = self._http.request(
                method, asked.path, content=asked.body, headers=headers, timeout=left_s
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise talk.unreached(self._url, error) from None
        except httpx.TransportError as error:
            raise talk.broken_off(self._url, type(error).__name__) from None
        return rest.heard(answer.status_code, answer.headers, answer.content)
