"""A page for every error: what went wrong, and what helps; who is not known is asked to sign in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fairlead.core.call import ErrorReply, Reply
from fairlead.core.errors import FairleadError, Unauthenticated
from fairlead.pages import frame

_TITLES = {401: "Please sign in", 403: "Not allowed", 404: "Not found", 429: "Too much for now"}


def page_of_error(
    plain: Callable[[FairleadError], Reply], path: str, base: str, issuers: tuple[str, ...] = ()
) -> ErrorReply:
    """The error table of one page.

    plain: the error as programs get it, for its status and header lines. path: where the page is.
    base: the frame, which differs between the service and the administration. issuers: with which
    people may sign in.
    """
    return partial(_page, plain, path, base, issuers)


def _page(
    plain: Callable[[FairleadError], Reply],
    path: str,
    base: str,
    issuers: tuple[str, ...],
    error: FairleadError,
) -> Reply:
    told = plain(error)
    facts = {
        "title": _TITLES.get(told.status, "This did not work"),
        "base_page": base,
        "status": told.status,
        "error": error,
        "asks": isinstance(error, Unauthenticated),
        "issuers": issuers,
        "who": None,
        "here": "",
    }
    made = frame.page("error.html", path, facts, told.status)
    return Reply(made.status, made.body, made.media_type, (*made.headers, *told.headers))
