"""The pages of the service: for whoever comes with a browser.

They are a protocol like the others: a table of routes with an operation each. Addresses that
programs ask too answer with a page only to who says that they read HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fairlead.core.call import PUBLIC, ErrorReply, Reply, Route
from fairlead.core.errors import (
    FairleadError,
    ModelNotFound,
)
from fairlead.core.names import is_name, parse_version
from fairlead.pages.errors import page_of_error
from fairlead.pages.home import Home
from fairlead.pages.model import ModelPage
from fairlead.pages.playground import Playground, playground_routes
from fairlead.pages.portal import Portal
from fairlead.pages.routes import asset_route, only
from fairlead.pages.sign_in import SignIn
from fairlead.pages.visit import Known
from fairlead.pages.with_issuer import WithIssuer
from fairlead.serving.registry import LATEST

_OWN = ("/portal", "/sign-in", "/sign-out", "/assets/")


class Pages:
    """All pages of the service.

    described: what our own protocol tells of a model. example: gives a row of a version that
    works. error: an error as our own protocol tells it, for its status and header lines.
    """

    addresses = (
        "GET /models/{model}/playground",
        "POST /models/{model}/playground",
        "GET /portal",
        "POST /portal/rotate",
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
        "GET /sign-in/with/{issuer}",
        "GET /sign-in/back",
        "GET /assets/{asset}",
    )

    def __init__(
        self,
        known: Known,
        described: Callable[..., dict[str, Any]],
        example: Callable[[Any], Any],
        error: Callable[[FairleadError], Reply],
    ) -> None:
        self._known = known
        self._plain = error
        self._play = Playground(known, example)
        self._home = Home(known)
        self._model = ModelPage(known, described, example)
        self._portal = Portal(known)
        self._sign_in = SignIn(
            known.sessions, known.whose, secure=known.secure, issuers=known.issuers
        )
        self._issuers = WithIssuer(known)

    @property
    def public(self) -> list[str]:
        """Addresses beside the usual ones that need no caller."""
        return self._issuers.public

    def owns(self, path: str) -> bool:
        """Addresses that only people ask."""
        return path.startswith(_OWN) or path.endswith("/playground")

    def error(self, error: FairleadError) -> Reply:
        """An error of an address that no route could answer."""
        return self.error_at("/", error)

    def error_at(self, path: str, error: FairleadError) -> Reply:
        """The same, at its address."""
        return self._page_of_error(path)(error)

    def shared(self, method: str, path: str) -> Route | None:
        """The page at an address that programs ask too. Raises MethodNotAllowed, ModelNotFound."""
        error = self._page_of_error(path)
        match path[1:].split("/"):
            case [""]:
                found = Route(PUBLIC, error, ask=self._home.ask, page=True)
            case ["models"]:
                found = Route("predict", error, ask=self._home.ask, page=True)
            case ["models", name]:
                found = self._model.route(_name(name), error)
            case ["models", name, "card"]:
                found = self._model.card(_name(name), LATEST, error)
            case ["models", name, "versions", version, "card"]:
                found = self._model.card(_name(name), parse_version(version), error)
            case _:
                return None
        return only({"GET": found}, method)

    def route(self, method: str, path: str) -> Route | None:
        """The page at an address of its own. Raises as `shared`, and AddressNotFound."""
        error = self._page_of_error(path)
        portal = self._portal
        match path[1:].split("/"):
            case ["models", name, "playground"]:
                found = playground_routes(self._play, _name(name), error)
            case ["portal"]:
                found = {"GET": Route("predict", error, ask=portal.look, page=True)}
            case ["portal", "rotate"]:
                found = {"POST": Route("predict", error, ask=portal.rotate, page=True)}
            case ["assets", name]:
                found = {"GET": asset_route(name, error)}
            case _:
                found = self._sign_in.route(path, error) or self._issuers.route(path, error)
        return only(found, method) if found else None

    def _page_of_error(self, path: str) -> ErrorReply:
        return page_of_error(self._plain, path, "base.html", self._known.issuers)


def _name(text: str) -> str:
    name = unquote(text)
    if not is_name(name):
        raise ModelNotFound("no such model is served here", fix="The first page lists them")
    return name
