"""SageMaker's contract of several models in one container: loaded, asked and ended below /models.

The platform names a model by an opaque text and says where its files lie. Which models are in
memory is its choice: it is told 507 when there is no room, ends one and asks again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply, Route
from fairlead.core.errors import (
    AlreadyLoaded,
    BadParameter,
    Code,
    FairleadError,
    MethodNotAllowed,
    MissingField,
    ModelNotFound,
    NoRoom,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name
from fairlead.inputs.strict_json import loads
from fairlead.serving.admission import known_models
from fairlead.serving.choosing import Choice
from fairlead.serving.control import Control
from fairlead.serving.registry import LATEST, Registry, Source
from fairlead.wires.invocations import Invocations, error_reply

_PAGE = 100
_LONGEST_NAME = 1024
_LARGER = 2
"""Times that a model may be larger in memory than its files are, while it is loaded."""


def own_name(called: str) -> str:
    """The name here of a model that the platform calls so."""
    if is_name(called):
        return called
    return f"model-{hashlib.sha256(called.encode()).hexdigest()[:32]}"


def size_of(place: Path) -> int:
    """Bytes of the files at a place."""
    if place.is_file():
        return place.stat().st_size
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


class MultiModel:
    """The routes below /models.

    asking: answers the invocations. control: loads and ends models. room: tells the bytes of memory
    that can still be had.
    """

    addresses = (
        "POST /models",
        "DELETE /models/{model}",
        "POST /models/{model}/invoke",
    )

    def __init__(
        self,
        registry: Registry,
        control: Control,
        asking: Invocations,
        room: Callable[[], int],
        limits: BodyLimits = STANDARD,
    ) -> None:
        self._registry = registry
        self._control = control
        self._asking = asking
        self._room = room
        self._limits = limits

    def owns(self, path: str) -> bool:
        """/models and everything below it."""
        return path == "/models" or path.startswith("/models/")

    def error(self, error: FairleadError) -> Reply:
        """As that of invocations, but that a lack of memory is 507."""
        return _error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for an address. Raises MethodNotAllowed."""
        if not self.owns(path):
            return None
        parts = path.split("/")[2:]
        methods: dict[str, Route]
        if not parts:
            methods = {
                "GET": Route("predict", _error_reply, answer=self._list),
                "POST": Route("admin:models", _error_reply, ask=self._load),
            }
        elif len(parts) == 1:
            methods = self._of_one(unquote(parts[0]))
        elif len(parts) == 2 and parts[1] == "invoke":
            name = own_name(unquote(parts[0]))

            def resolve(head: Head, body: bytes) -> Route:
                return self._asking.asked(name, head)

            methods = {"POST": Route("predict", _error_reply, resolve=resolve)}
        else:
            return None
        if method not in methods:
            raise MethodNotAllowed(method, [*methods])
        return methods[method]

    def _of_one(self, called: str) -> dict[str, Route]:
        """What is asked of one model."""
        name = own_name(called)

        def tell(head: Head, body: bytes, caller: Caller) -> Reply:
            return _json(_told(self._loaded(name, called)))

        def end(
            head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
        ) -> None:
            source = self._loaded(name, called)

            def ended(error: FairleadError | None) -> None:
                later(_json(_told(source)) if error is None else _error_reply(error))

            self._control.unload(name, ended)

        return {
            "GET": Route("predict", _error_reply, answer=tell, model=name),
            "DELETE": Route("admin:models", _error_reply, ask=end),
        }

    def _loaded(self, name: str, called: str) -> Source:
        source = self._registry.sources.get(name)
        if source is None:
            raise ModelNotFound(f"no model {called[:80]!r} is loaded", fix="POST /models loads one")
        return source

    def _list(self, head: Head, body: bytes, caller: Caller) -> Reply:
        """A page of the models that are loaded."""
        text = parse_qs(head.query).get("next_page_token", ["0"])[0]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadParameter("next_page_token is none that was given", where="next_page_token")
        start = int(text)
        known = [n for n in known_models(self._registry, caller) if n in self._registry.sources]
        page = known[start : start + _PAGE]
        told: dict[str, Any] = {"models": [_told(self._registry.sources[n]) for n in page]}
        if start + _PAGE < len(known):
            told["nextPageToken"] = str(start + _PAGE)
        return _json(told)

    def _load(
        self,
        head: Head,
        body: bytes,
        caller: Caller,
        peer: Peer,
        later: Callable[[Reply], None],
    ) -> None:
        """Loads a model. Raises AlreadyLoaded, NoRoom, ModelNotFound, and what the body lacks."""
        asked: Any = loads(body, self._limits)
        called, path = _field(asked, "model_name"), _field(asked, "url")
        name, place = own_name(called), Path(path.removeprefix("file://"))
        if self._registry.get(name, LATEST) is not None or name in self._registry.versions:
            raise AlreadyLoaded(f"a model {called[:80]!r} is loaded already")
        if not place.is_absolute() or not place.exists():
            raise ModelNotFound(f"there is nothing at {path[:200]}", where="url")
        wanted, left = size_of(place) * _LARGER, self._room()
        if wanted > left:
            raise NoRoom(
                f"the model may need {wanted >> 20} MiB of memory, and {left >> 20} MiB are left"
            )

        def told(error: FairleadError | None) -> None:
            source = Source(called, path)
            later(_json(_told(source)) if error is None else _error_reply(error))

        self._control.load(name, told, Choice(source=str(place), called=called))


def _field(asked: Any, name: str) -> str:
    """A text of a body. Raises MissingField, BadParameter."""
    value: Any = asked.get(name) if asked.__class__ is dict else None
    if value is None:
        raise MissingField(f"the body must be an object with `{name}`", where=name)
    if value.__class__ is not str or not 0 < len(value) <= _LONGEST_NAME or "\0" in value:
        raise BadParameter(f"`{name}` must be a text", where=name)
    return value


def _told(source: Source) -> dict[str, str]:
    return {"modelName": source.called, "modelUrl": source.path}


def _error_reply(error: FairleadError) -> Reply:
    """As that of invocations, but for a lack of memory, and for files that are no model."""
    if isinstance(error, NoRoom):
        return error_reply(error, 507)
    return error_reply(error, 400 if error.code is Code.SETUP else 0)


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())
