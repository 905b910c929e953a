"""The connections to one server over gRPC, for both clients. The one place that knows grpcio."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.client import grpc_errors
from fairlead.client.talk import Asked, Heard
from fairlead.core.errors import BadUsage, FileUnreadable, MissingExtra

_OPTIONS = (
    ("grpc.enable_retries", 0),  # tries are ours to count
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),  # the server's own limits hold
    # A connection that could not be made fails every call until it is tried anew.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class GrpcLine:
    """The connection that waits for its answers."""

    def __init__(self, url: str, key: str, verify: bool | str) -> None:
        """Raises MissingExtra, BadUsage, FileUnreadable."""
        self._url = url
        self._metadata = metadata_of(key)
        self._errors = library().RpcError
        self._channel = channel(library(), url, credentials(library(), url, verify))

    def close(self) -> None:
        """Closes it."""
        self._channel.close()

    def once(self, asked: Asked, left_s: float) -> Heard:
        """The answer to one try. Raises Refused, ServerUnreachable, the error that is told."""
        call = self._channel.unary_unary(asked.path)
        try:
            body, done = call.with_call(asked.body, timeout=left_s, metadata=self._metadata)
        except self._errors as error:
            raise failed(self._url, error) from None
        return Heard(200, headers_of(done.initial_metadata()), body)


class AsyncGrpcLine:
    """The same for asyncio; it belongs to the loop in which it is first asked."""

    def __init__(self, url: str, key: str, verify: bool | str) -> None:
        """Raises MissingExtra, BadUsage, FileUnreadable."""
        self._url = url
        self._metadata = metadata_of(key)
        self._errors = library().RpcError
        self._credentials = credentials(library(), url, verify)
        self._channel: Any = None

    async def close(self) -> None:
        """Closes it."""
        if self._channel is not None:
            await self._channel.close()

    async def once(self, asked: Asked, left_s: float) -> Heard:
        """The answer to one try. Raises Refused, ServerUnreachable, the error that is told."""
        if self._channel is None:
            self._channel = channel(library().aio, self._url, self._credentials)
        call = self._channel.unary_unary(asked.path)(
            asked.body, timeout=left_s, metadata=self._metadata
        )
        try:
            body = await call
            return Heard(200, headers_of(await call.initial_metadata()), body)
        except self._errors as error:
            raise failed(self._url, error) from None


def library() -> Any:
    """grpcio. Raises MissingExtra."""
    try:
        import_module("grpc.aio")
        return import_module("grpc")
    except ImportError:
        raise MissingExtra(
            "an address of gRPC needs grpcio", fix="pip install 'fairlead[grpc]'"
        ) from None


def metadata_of(key: str) -> tuple[tuple[str, str], ...]:
    """What every call carries beside its message."""
    return (("authorization", f"Bearer {key}"),) if key else ()


def credentials(grpc: Any, url: str, verify: bool | str) -> Any:
    """How the server's certificate is checked, None for an address without TLS.

    Raises BadUsage where it is not to be, FileUnreadable.
    """
    if not url.startswith("grpcs:"):
        return None
    if verify is False:
        raise BadUsage(
            "gRPC does not leave certificates unchecked",
            fix="Name the file of the authority: verify='ca.pem'",
        )
    if verify is True:
        return grpc.ssl_channel_credentials()
    try:
        return grpc.ssl_channel_credentials(Path(verify).read_bytes())
    except OSError as error:
        raise FileUnreadable(f"it cannot be read: {error.strerror}", where=verify) from error


def channel(grpc: Any, url: str, trust: Any) -> Any:
    """A channel of grpcio or of its part for asyncio. trust: None for one without TLS."""
    place = url.partition("://")[2]
    if trust is None:
        return grpc.insecure_channel(place, options=_OPTIONS)
    return grpc.secure_channel(place, trust, options=_OPTIONS)


def headers_of(metadata: Any) -> dict[str, str]:
    """The metadata of an answer that are texts."""
    return {name: value for name, value in metadata or () if isinstance(value, str)}


def failed(url: str, error: Any) -> Exception:
    """What to raise for an error of the library."""
    trailers = error.trailing_metadata() or ()
    return grpc_errors.ended(url, error.code().value[0], error.details() or "", trailers)
