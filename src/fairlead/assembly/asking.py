"""How a command reaches what a state folder holds: through its bookkeeper, or itself without one.

While no server runs the folder is the command's own; its lock keeps others out meanwhile.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import BindRefused, FileUnreadable, ServerUnreachable, StateUnavailable

if TYPE_CHECKING:
    from fairlead.core.audit import By
    from fairlead.serving.postponed import Postponed

_PATIENCE_S = 60.0
"""Seconds that a bookkeeper may take: it waits for its database."""
_STARTS_S, _LOOK_S = 10.0, 0.05
"""Seconds in which a server that holds the folder must have a bookkeeper that answers."""


def managed(
    folder: Path, kind: str, given: Mapping[str, Any], *, make: bool = False
) -> Mapping[str, Any]:
    """Does an administrative act (serving/acts.py) and returns its answer.

    make: the folder may be made. Raises what the act raises, FileUnreadable without a folder,
    BindRefused when somebody else holds it, StateUnavailable when the bookkeeper does not answer.
    """
    if not make and not folder.is_dir():
        raise FileUnreadable(
            "there is no such state folder",
            where=str(folder),
            fix="Name the one of the server with --state",
        )
    message = {"kind": kind, "id": 1, "given": given}
    return _either(folder, message, lambda: _done_here(folder, kind, given))["done"]


def every_page(folder: Path, kind: str, given: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Everything that an act lists under `name`, page by page. Raises as `managed`."""
    after: Any = None
    while True:
        more = {} if after is None else {"after": after}
        page = managed(folder, kind, {**given, **more})
        yield from page[name]
        after = page["next"]
        if after is None:
            return


def asked(folder: Path, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The guards' answer to a message, as a command asks them.

    Raises FileUnreadable when nothing has been watched there, and as `managed`.
    """
    from fairlead.serving.guard_state import FILE

    if not (folder / FILE).exists():
        raise FileUnreadable(
            "no server has watched anything here yet",
            where=str(folder),
            fix="Name the state folder of the server with --state",
        )
    return _either(folder, message, lambda: _guards_here(folder, message))


def told_by_server(folder: Path, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a running server answers.

    Raises FileUnreadable without a folder, ServerUnreachable where no server holds it, or one whose
    bookkeeper does not answer.
    """
    if not folder.is_dir():
        raise FileUnreadable(
            "there is no such state folder",
            where=str(folder),
            fix="Name the one of the server with --state",
        )
    end = now() + _STARTS_S
    while True:
        with suppress(_Unheard):
            answer = _of_bookkeeper(folder, message)
            if answer is not None:
                return answer
        if now() > end or not _is_held(folder):
            raise ServerUnreachable(
                "no server with this state folder answers",
                where=str(folder),
                fix="Start one with `fairlead serve`, or name its folder with --state",
            )
        sleep(_LOOK_S)  # its bookkeeper is about to start


def _is_held(folder: Path) -> bool:
    """Whether a server, or a command, holds a state folder."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _of_bookkeeper(folder: Path, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The bookkeeper's answer, None where there is no bookkeeper."""
    from fairlead.serving.exchange import ask

    try:
        return ask(folder, message, _PATIENCE_S)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return None
    except PermissionError:
        raise FileUnreadable("this state folder is not yours", where=str(folder)) from None
    except OSError as error:
        raise _Unheard(str(error)) from None


class _Unheard(Exception):
    """The bookkeeper took a message and gave no answer."""


def _unheard(error: _Unheard) -> StateUnavailable:
    return StateUnavailable(
        f"the bookkeeper has not answered, and may have done it: {error}",
        fix="fairlead audit shows what was done",
    )


def _only_reads(message: Mapping[str, Any]) -> bool:
    from fairlead.serving.acts import READING

    return message["kind"] in READING or message["kind"] == "suspects"


def _either(
    folder: Path, message: Mapping[str, Any], here: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The bookkeeper's answer, or ours where nobody holds the folder."""
    from fairlead.assembly.restore import check_whole
    from fairlead.assembly.server import take_state

    end = now() + _STARTS_S
    while True:
        try:
            answer = _of_bookkeeper(folder, message)
        except _Unheard as error:
            if not _only_reads(message) or now() > end:
                raise _unheard(error) from None
            continue  # one that was killed meanwhile; another is about to start
        if answer is not None:
            return answer
        try:
            handle = take_state(str(folder))
        except BindRefused:
            if now() > end:
                raise
            continue  # its bookkeeper is about to start
        try:
            check_whole(folder)
            return here()
        finally:
            os.close(handle)


def _done_here(folder: Path, kind: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Does an act on the stores themselves."""
    from fairlead.assembly.places import database_here
    from fairlead.assembly.rooms import open_room
    from fairlead.serving.acts import do
    from fairlead.serving.clerk import write_all
    from fairlead.serving.postponed import Postponed

    postponed = Postponed(folder)
    try:
        with closing(open_room(folder, database_here())) as room:
            write_all(room, postponed)
            return {"done": do(room, kind, given, _by())}
    except StateUnavailable as error:
        if kind != "keys.revoke":
            raise
        return {"done": _postpone(postponed, given, error)}


def _postpone(
    postponed: Postponed, given: Mapping[str, Any], error: StateUnavailable
) -> Mapping[str, Any]:
    """Keeps the revocation of one key until the database is back. Raises `error` for a pattern:
    nobody here knows which keys fit it."""
    from fairlead.core.access import is_key_id
    from fairlead.serving.clerk import revocation_to_json
    from fairlead.serving.key_acts import told_revoked

    key_id = str(given.get("pattern"))
    if not is_key_id(key_id) or given.get("dry_run"):
        raise error
    postponed.add(revocation_to_json([key_id], wall_ns(), _by()))
    return told_revoked([], postponed=True)


def _guards_here(folder: Path, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answers for the guards, and puts what was changed into the audit trail."""
    from fairlead.serving.guard_state import FILE
    from fairlead.serving.judging import ACTS, about
    from fairlead.serving.standing import Standing

    standing = Standing(folder / FILE)
    try:
        answer = standing.answer(message)
    finally:
        standing.close()
    if message["kind"] in ACTS:
        record(folder, ACTS[message["kind"]], about(message))
    return answer


def record(folder: Path, act: str, about: str, after: Mapping[str, Any] | None = None) -> None:
    """Puts what a command has done to a state folder that it holds into the audit trail.

    after: what has changed, as JSON without secrets. Raises as `open_room`.
    """
    from fairlead.assembly.places import database_here
    from fairlead.assembly.rooms import open_room
    from fairlead.serving.acting import acting

    with closing(open_room(folder, database_here())) as room:
        doing = acting(room, _by())
        with doing.changing() as acts:
            acts.append(doing.act(act, about, None, after))


def _by() -> By:
    from fairlead.core.audit import By

    return By(f"uid {os.getuid()}", "command line")
