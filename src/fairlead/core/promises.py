"""The promises that plug-ins keep. Ours ride them too.

`Guard`, `Target` and `Store` join when their second user does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fairlead.core.call import Reply, Route
from fairlead.core.errors import FairleadError
from fairlead.core.package import Package
from fairlead.core.tensor import Array


class LoadedModel(Protocol):
    """A version in memory, ready to predict."""

    def predict(self, inputs: Sequence[Array], outputs: Sequence[int]) -> list[Array]:
        """The outputs at positions `outputs` of the signature, for `inputs` in signature order.

        Called from one thread at a time per concurrency slot. Raises ModelError when the model
        raises, ModelHung or ModelCrashed when its process had to be ended; it must be able to
        predict again after any of these.
        """
        ...

    def interrupt(self, thread: int) -> None:
        """Asks the predict that runs on `thread` to end; its call then raises ModelHung.

        Called from another thread when the time budget is over. A runtime that bounds itself
        does nothing here.
        """
        ...

    def close(self) -> None:
        """Gives the memory back. Called once, after the last lease."""
        ...


class Answers(Protocol):
    """The answers to one call, fetched one by one, from one thread at a time."""

    def next(self) -> list[Array] | None:
        """The next answer, None when there is none left. Raises as `LoadedModel.predict` does."""
        ...

    def close(self) -> None:
        """Ends the answers before their end: the model makes no more of them."""
        ...


class ToldModel(LoadedModel, Protocol):
    """A version that is told more than tensors, or gives many answers to a call."""

    def ask(
        self, inputs: Sequence[Array], outputs: Sequence[int], said: Mapping[str, Any]
    ) -> Answers:
        """The answers to a call; nothing is asked of the model before the first is fetched.

        said: {"parameters": {...}, "sequence": [id, start, end]}, each where it is taken.
        """
        ...


class Runtime(Protocol):
    """Loads packages of one kind."""

    name: str

    def load(self, package: Package, read: Callable[[str], bytes]) -> LoadedModel:
        """Loads a package; `read(relative path)` gives the verified bytes of one of its files.

        Raises MissingExtra when its library is absent, LoadFailed otherwise.
        """
        ...


class Wire(Protocol):
    """One protocol over HTTP or gRPC."""

    @property
    def addresses(self) -> Sequence[str]:
        """All that it answers, as the reference writes them: "POST /v2/models/{model}/infer"."""
        ...

    def owns(self, path: str) -> bool:
        """Whether an address belongs to this wire also when no route answers it: then its error
        has this wire's shape."""
        ...

    def route(self, method: str, path: str) -> Route | None:
        """The route for this address, None when the address is not this wire's.

        Raises MethodNotAllowed, ModelNotFound and the like when it is.
        """
        ...

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table, for errors of its addresses that no route could answer."""
        ...
