"""The pages of administration, on its own listener: traffic, models, keys, what happened."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from fairlead.core.access import Operation
from fairlead.core.call import PUBLIC, Answer, Ask, ErrorReply, Reply, Route
from fairlead.core.errors import FairleadError
from fairlead.pages.admin_costs import AdminCosts
from fairlead.pages.admin_keys import AdminKeys
from fairlead.pages.admin_models import AdminModels
from fairlead.pages.admin_trail import AdminTrail
from fairlead.pages.admin_usage import AdminUsage
from fairlead.pages.administered import Administered
from fairlead.pages.errors import page_of_error
from fairlead.pages.frame import moved
from fairlead.pages.routes import asset_route, only
from fairlead.pages.sign_in import SignIn

_FRAME = "admin_base.html"


class AdminPages:
    """All pages of administration. error: an error as programs get it."""

    addresses = (
        "GET /admin",
        "GET /admin/models/{model}",
        "GET /admin/models/{model}/card",
        "GET /admin/models/{model}/costs",
        "POST /admin/models/{model}/load",
        "POST /admin/models/{model}/unload",
        "POST /admin/models/{model}/promote",
        "POST /admin/models/{model}/rollback",
        "GET /admin/keys",
        "POST /admin/keys",
        "POST /admin/keys/{id}/rotate",
        "POST /admin/keys/{id}/revoke",
        "GET /admin/usage",
        "GET /admin/audit",
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
        "GET /assets/{asset}",
    )

    def __init__(self, known: Administered, error: Callable[[FairleadError], Reply]) -> None:
        self._plain = error
        self._models = AdminModels(known)
        self._costs = AdminCosts(known)
        self._keys = AdminKeys(known)
        self._usage = AdminUsage(known)
        self._trail = AdminTrail(known)
        self._sign_in = SignIn(known.sessions, known.whose, secure=known.secure)

    def owns(self, path: str) -> bool:
        """Addresses that only people ask."""
        return path.startswith(("/admin", "/sign-in", "/sign-out", "/assets/"))

    def error(self, error: FairleadError) -> Reply:
        """An error of an address that no route could answer."""
        return self.error_at("/", error)

    def error_at(self, path: str, error: FairleadError) -> Reply:
        """The same, at its address."""
        return page_of_error(self._plain, path, _FRAME)(error)

    def shared(self, method: str, path: str) -> Route | None:
        """The first page leads to the one of administration."""
        if path != "/":
            return None
        error = page_of_error(self._plain, path, _FRAME)
        found = Route(PUBLIC, error, answer=lambda head, body, c: moved("./admin"), page=True)
        return only({"GET": found}, method)

    def route(self, method: str, path: str) -> Route | None:
        """The page at an address. Raises MethodNotAllowed, AddressNotFound."""
        error = page_of_error(self._plain, path, _FRAME)
        match path[1:].split("/"):
            case ["admin"]:
                found = {"GET": _answers("metrics:read", error, self._models.overview)}
            case ["admin", "models", name]:
                found = {"GET": _answers("metrics:read", error, self._models.of(unquote(name)))}
            case ["admin", "models", name, ("card" | "costs") as paper]:
                of = self._models.card if paper == "card" else self._costs.of
                found = {"GET": _asks("metrics:read", error, of(unquote(name)))}
            case ["admin", "models", name, ("load" | "unload" | "promote" | "rollback") as act]:
                change = self._models.change(unquote(name), act)
                found = {"POST": _asks("admin:models", error, change)}
            case ["admin", "keys"]:
                found = {
                    "GET": _asks("admin:keys", error, self._keys.listed),
                    "POST": _asks("admin:keys", error, self._keys.create),
                }
            case ["admin", "keys", key, ("rotate" | "revoke") as act]:
                found = {"POST": _asks("admin:keys", error, self._keys.change(unquote(key), act))}
            case ["admin", ("usage" | "audit") as room]:
                found = {"GET": self._looked_back(room, error)}
            case ["assets", name]:
                found = {"GET": asset_route(name, error)}
            case _:
                found = self._sign_in.route(path, error)
        return only(found, method) if found else None

    def _looked_back(self, room: str, error: ErrorReply) -> Route:
        """What was used, or what was done."""
        if room == "usage":
            return _asks("admin:keys", error, self._usage.look)
        return _asks("admin:audit", error, self._trail.look)


def _answers(operation: Operation, error: ErrorReply, answer: Answer) -> Route:
    return Route(operation, error, answer=answer, page=True)


def _asks(operation: Operation, error: ErrorReply, ask: Ask) -> Route:
    return Route(operation, error, ask=ask, page=True)
