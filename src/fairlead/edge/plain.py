"""Answers that need no model, as they wait for their turn on a connection."""

from __future__ import annotations

from dataclasses import replace

from fairlead.access.origins import ORIGIN
from fairlead.core.access import Caller
from fairlead.core.call import Call, Head, Lines, Reply
from fairlead.core.errors import BadRequestHead, FairleadError
from fairlead.edge.coding import coded
from fairlead.edge.cors import granted

_FOR_READERS = ("text/html", "text/css", "text/javascript", "image/svg")


class Plain:
    """An answer that needs no model, waiting to be known or for its turn on the connection."""

    __slots__ = ("bare", "keep_alive", "payload", "reply")
    usage = -1
    told = b""
    tail = ()

    def __init__(self, reply: Reply | None, keep_alive: bool, bare: bool) -> None:
        self.reply = reply
        self.payload = None if reply is None else reply.body
        self.keep_alive = keep_alive
        self.bare = bare


def echoing(reply: Reply, echo: Lines) -> Reply:
    """The reply with what its caller knows the request by, if there is anything."""
    return replace(reply, headers=(*reply.headers, *echo)) if echo else reply


def for_page(reply: Reply, head: Head, caller: Caller) -> Reply:
    """The reply with what a page in a browser needs to read it, where its caller allows that."""
    if ORIGIN not in head.headers:
        return reply
    return replace(reply, headers=(*reply.headers, *granted(head.headers, caller)))


def for_reader(reply: Reply, head: Head) -> Reply:
    """A page or what belongs to one, compressed where the reader's browser takes that.

    Answers to programs are left as they are: there are clients that ask for it always and undo it
    for predictions only.
    """
    if not head.accepts or not reply.media_type.startswith(_FOR_READERS):
        return reply
    return coded(reply, head.accepts) or reply


def dress(call: Call, head: Head) -> None:
    """Makes of a call's answer what its head asks for: for a page, compressed, with its id.

    Answers that are no predictions are not compressed: there are clients that ask for it always and
    undo it for predictions only.
    """
    reply: Reply | None = call.reply
    if ORIGIN in head.headers:
        reply = for_page(reply or Reply(200, call.payload or b""), head, call.caller)
    if head.accepts:
        whole = replace(reply or Reply(200, b""), body=call.payload or b"")
        squeezed = coded(whole, head.accepts, call.tail)
        if squeezed is not None:
            reply, call.payload, call.tail = squeezed, squeezed.body, ()
    if head.echo:
        reply = echoing(reply or Reply(200, b""), head.echo)
    call.reply = reply


def malformed(error: Exception) -> FairleadError:
    """What the parser could not read, as an error of ours."""
    text = " ".join(str(error).split())[:120]
    return BadRequestHead(f"this is not valid HTTP/1.1: {text}", where="request")
