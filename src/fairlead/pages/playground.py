"""Where people try a model: a form of its own, the answer in words and bars, the call as code.

A form is one more way to write a row. It is decoded by our own protocol and walks the same path as
every other call: the same admission, limits, queue, guards and journal. Only the answer is turned
into a page once it is there.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import Call, ErrorReply, Head, Lines, Reply, Route, known_by
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal
from fairlead.pages import answers
from fairlead.pages.control import PREFIX, Control
from fairlead.pages.controls import MOST_CONTROLS, controls, values_of
from fairlead.pages.forms import Form, form_of, row_of
from fairlead.pages.frame import HTML, PAGE_LINES, page
from fairlead.pages.snippets import snippets
from fairlead.pages.visit import Known, base_of, may_see_rows, visitor
from fairlead.serving.log import log
from fairlead.serving.registry import LATEST
from fairlead.serving.served import Served
from fairlead.usage.rating import Used, listed

_TEMPLATE = "playground.html"
_KEPT_BYTES = 1 << 20
"""Of the answers to a file, as many as a page carries for keeping."""


class Playground:
    """The page of one model at which it is tried. example: gives a row that works."""

    def __init__(self, known: Known, example: Any) -> None:
        self._known = known
        self._example = example

    def look(self, head: Head, caller: Caller, name: str) -> Reply:
        """The page before anything was sent. Raises ModelNotFound, ModelNotReady."""
        served = self._known.registry.get(name, LATEST)
        if served is None:
            raise self._known.registry.absence(name, LATEST)
        whole = may_see_rows(served, caller)
        form = _controls(served, self._example(served), None, whole=whole)
        return self._page(head, caller, served, form)

    def decode(self, call: Call, head: Head, body: bytes) -> None:
        """Fills a call from a form, and sees to it that its answer becomes a page.

        Raises what our own protocol raises, and what is wrong with the form.
        """
        served: Served = call.lease
        form = form_of(head, body, self._known.sessions, files=True)
        given = {k.removeprefix(PREFIX): v for k, v in form.texts.items() if k.startswith(PREFIX)}
        whole = may_see_rows(served, call.caller)
        asked = _Asked(head, served, form)
        asked.controls = _controls(served, self._example(served), given or None, whole=whole)
        done = call.done

        def finished(call: Call) -> None:
            try:
                reply = self._answered(call, asked)
            except Exception as error:
                log("route_failed", address=head.path, error=repr(error), **known_by(call.echo))
                reply = call.route.error(Internal("the answer could not be shown"))
            call.reply, call.payload, call.tail = reply, reply.body, ()
            done(call)

        # From here on whatever becomes of the call is shown beside what was entered.
        call.done = finished
        media, sent = "text/csv", form.files.get("csv", b"")
        if "csv" not in form.files:
            asked.row = row_of(form, asked.controls)
            media, sent = "application/json", json.dumps(asked.row).encode()
        route = self._known.api("POST", f"/predict/{served.package.name}")
        assert route is not None
        assert route.decode is not None
        inner = head.on(head.route)
        inner.headers, inner.query = {"content-type": media}, ""
        route.decode(call, inner, sent)

    def _answered(self, call: Call, asked: _Asked) -> Reply:
        """The page of a finished call, whether it has an answer or an error."""
        result: dict[str, Any] = {
            "milliseconds": f"{(now() - call.received) * 1e3:.1f}",
            "model_milliseconds": f"{call.compute_ns / 1e6:.2f}",
            "price": self._price(call),
            "error": _told_error(call.error),
            "one": None,
            "heads": (),
            "rows": (),
            "count": 0,
            "kept": "",
        }
        if call.error is None:
            told = json.loads(call.payload or b"{}")
            rows: list[Mapping[str, Any]] = told["predictions"]
            result["count"] = len(rows)
            if "csv" in asked.form.files:
                result["heads"], result["rows"] = answers.table(rows)
                if len(call.payload or b"") <= _KEPT_BYTES:
                    result["kept"] = b64encode(call.payload or b"").decode()
            else:
                outputs = asked.served.package.signature.outputs
                result["one"] = answers.told(rows[0], outputs)
        status = call.reply.status if call.error is not None and call.reply else 200
        headers: Lines = call.reply.headers if call.error is not None and call.reply else ()
        more = tuple(line for line in headers if line[0] == "retry-after")
        made = self._page(
            asked.head, call.caller, asked.served, asked.controls, result, asked.row, status
        )
        return Reply(made.status, made.body, HTML, (*PAGE_LINES, *more))

    def _price(self, call: Call) -> str:
        """What the call costs by its caller's plan, before any free allowance; "" for nothing."""
        plan = self._known.plan(call.caller)
        if plan is None:
            return ""
        status = "ok" if call.error is None else "failed"
        used = Used(0, "", "", status, 1, call.rows, call.withheld, call.compute_ns)
        charge = listed(plan, used)
        return (
            "" if charge is None else f"{charge.exact:.8f}".rstrip("0") + f" {charge.currency.code}"
        )

    def _page(
        self,
        head: Head,
        caller: Caller,
        served: Served,
        form: Sequence[Control],
        result: Mapping[str, Any] | None = None,
        row: Any = None,
        status: int = 200,
    ) -> Reply:
        known, package = self._known, served.package
        who = visitor(known, head, caller)
        base = base_of(known, head)
        shown = row if row is not None else self._example(served)
        batched = package.signature.batched
        facts: dict[str, Any] = {
            "title": f"Try {package.name}",
            "who": who,
            "here": "playground",
            "model": package.name,
            "number": package.version,
            "words": package.words.get("words", {}),
            "controls": form,
            "values": values_of(served),
            "hints": any(control.hint for control in form),
            "prefix": PREFIX,
            "files": any(control.kind == "picture" for control in form),
            "tabular": bool(package.signature.columns),
            "batched": batched and not package.decoupled,
            "limits": package.limits,
            "result": result,
            "snippets": snippets(base, package.name, shown, keyed=who.keyed) if batched else (),
            "base": base,
        }
        return page(_TEMPLATE, head.path, facts, status)


class _Asked:
    """One form under way: what came, and what the page needs of it when it is answered.

    controls: with what was entered. row: that the form says; None for a file.
    """

    def __init__(self, head: Head, served: Served, form: Form) -> None:
        self.head = head
        self.served = served
        self.form = form
        self.controls: Sequence[Control] = ()
        self.row: Any = None


def _controls(
    served: Served, example: Any, given: Mapping[str, str] | None, *, whole: bool
) -> list[Control]:
    """The controls of a whole row, none of one that nobody fills in."""
    if values_of(served) > MOST_CONTROLS:
        return []
    return controls(served, example, given, whole=whole)


def _told_error(error: FairleadError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"what": error.what, "where": error.where, "fix": error.fix, "id": error.id}


def playground_routes(play: Playground, name: str, error: ErrorReply) -> dict[str, Route]:
    """By method: the page, and what its form brings."""
    return {
        "GET": Route(
            "predict",
            error,
            answer=lambda head, body, caller: play.look(head, caller, name),
            page=True,
            model=name,
        ),
        "POST": Route("predict", error, decode=play.decode, page=True, model=name),
    }
