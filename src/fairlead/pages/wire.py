"""The pages of the service: for whoever comes with a browser.

They are a protocol like the others: a table of routes with an operation each. Addresses that
programs ask too answer with a page only to who says that they read HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

from fairlead.core.call import PUBLIC, ErrorReply, Reply, Route
from fairlead.core.errors import (
    AddressNotFound,
    FairleadError,
    MethodNotAllowed,
    ModelNotFound,
    Unauthenticated,
)
from fairlead.core.package import is_name
from fairlead.pages import frame
from fairlead.pages.home import Home
from fairlead.pages.model import ModelPage
from fairlead.pages.playground import Playground, playground_routes
from fairlead.pages.portal import Portal
from fairlead.pages.sign_in import SignIn
from fairlead.pages.visit import Known

_OWN = ("/portal", "/sign-in", "/sign-out", "/assets/")
_TITLES = {401: "Please sign in", 403: "Not allowed", 404: "Not found", 429: "Too much for now"}


class Pages:
    """All pages of the service.

    example: gives a row of a version that works. status: of an error, as our own protocol has it,
    with further header lines. own: whether models are listed below /models here.
    """

    addresses = (
        "GET /models/{model}/playground",
        "POST /models/{model}/playground",
        "GET /portal",
        "POST /portal/rotate",
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
        "GET /assets/{name}",
    )

    def __init__(
        self,
        known: Known,
        described: Callable[..., dict[str, Any]],
        example: Callable[[Any], Any],
        error: Callable[[FairleadError], Reply],
    ) -> None:
        self._known = known
        self._error = error
        self._play = Playground(known, example)
        self._home = Home(known)
        self._model = ModelPage(known, described, example)
        self._portal = Portal(known)
        self._sign_in = SignIn(known)

    def owns(self, path: str) -> bool:
        """Addresses that only people ask."""
        return path.startswith(_OWN) or path.endswith("/playground")

    def error(self, error: FairleadError) -> Reply:
        """An error of an address that no route could answer."""
        return self.page_of_error("/", error)

    def page_of_error(self, path: str, error: FairleadError) -> Reply:
        """What went wrong, and what helps: who is not known is asked to sign in."""
        plain = self._error(error)
        facts = {
            "title": _TITLES.get(plain.status, "This did not work"),
            "status": plain.status,
            "error": error,
            "asks": isinstance(error, Unauthenticated),
            "who": None,
            "here": "",
        }
        made = frame.page("error.html", path, facts, plain.status)
        return Reply(made.status, made.body, made.media_type, (*made.headers, *plain.headers))

    def shared(self, method: str, path: str) -> Route | None:
        """The page at an address that programs ask too. Raises MethodNotAllowed, ModelNotFound."""
        error = partial(self.page_of_error, path)
        match path[1:].split("/"):
            case [""]:
                found = Route(PUBLIC, error, ask=self._home.ask, page=True)
            case ["models"]:
                found = Route("predict", error, ask=self._home.ask, page=True)
            case ["models", name]:
                found = self._model.route(_name(name), error)
            case _:
                return None
        return _only({"GET": found}, method)

    def route(self, method: str, path: str) -> Route | None:
        """The page at an address of its own. Raises as `shared`, and AddressNotFound."""
        error = partial(self.page_of_error, path)
        sign_in, portal = self._sign_in, self._portal
        match path[1:].split("/"):
            case ["models", name, "playground"]:
                found = playground_routes(self._play, _name(name), error)
            case ["portal"]:
                found = {"GET": Route("predict", error, ask=portal.look, page=True)}
            case ["portal", "rotate"]:
                found = {"POST": Route("predict", error, ask=portal.rotate, page=True)}
            case ["sign-in"]:
                found = {
                    "GET": Route(PUBLIC, error, answer=sign_in.look, page=True),
                    "POST": Route(PUBLIC, error, ask=sign_in.enter, page=True),
                }
            case ["sign-out"]:
                found = {"POST": Route(PUBLIC, error, answer=sign_in.leave, page=True)}
            case ["assets", name]:
                found = {"GET": _asset(name, error)}
            case _:
                return None
        return _only(found, method)


def _only(found: dict[str, Route], method: str) -> Route:
    if method not in found:
        raise MethodNotAllowed(method, list(found))
    return found[method]


def _name(text: str) -> str:
    name = unquote(text)
    if not is_name(name):
        raise ModelNotFound("no such model is served here", fix="The first page lists them")
    return name


def _asset(name: str, error: ErrorReply) -> Route:
    if name not in frame.ASSETS:
        raise AddressNotFound("there is no such asset")
    return Route(PUBLIC, error, answer=lambda head, body, caller: frame.asset(name))
