"""Where the databases are: files of the state folder, or one that a setting refers to.

An address may hold a password, so no setting holds an address: it says where one is read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fairlead.assembly.config import read
from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadUsage, DatabaseAddressInvalid
from fairlead.usage.stores.addresses import parse_address
from fairlead.usage.stores.database import connection

_REFERENCE = re.compile(r"file:(?P<file>/[^\0]+)|env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_LONGEST = 4096


def database_of(settings: Settings) -> str | None:
    """The address of the database of keys and usage; None where files of the state folder hold
    them. It is read anew each time, so that a password may be changed while a server runs.

    Raises DatabaseAddressInvalid, which says nothing of what was read.
    """
    text = referred("state.database", settings.state.database)
    if text is not None:
        parse_address(text)
    return text


def referred(setting: str, reference: str) -> str | None:
    """The address that a setting refers to by file:/PATH or env:NAME; None where it is empty.

    Raises DatabaseAddressInvalid, which says nothing of what was read.
    """
    if not reference:
        return None
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise DatabaseAddressInvalid(
            f"{setting} holds no reference: an address may hold a password, and settings are shown",
            where=setting,
            fix="Write file:/PATH or env:NAME, and put the address there",
        )
    name = found["name"]
    text = _in_file(Path(found["file"])) if not name else os.environ.get(name, "")  # noqa: TID251
    if not text.strip():
        raise DatabaseAddressInvalid(
            "there is no address", where=reference, fix="Put postgresql://… there"
        )
    return text.strip()


def key_at(reference: str) -> str:
    """The key that a reference such as file:PATH or env:NAME points at. Raises BadUsage."""
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        key = os.environ.get(place, "").strip()  # noqa: TID251 - this is assembly
    elif kind == "file" and place:
        try:
            if Path(place).stat().st_mode & 0o077:
                raise BadUsage("others can read the key", where=place, fix="chmod 600 closes it")
            key = Path(place).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadUsage(f"the key cannot be read: {error}", where=place) from None
    else:
        raise BadUsage("a key is named, not written out", fix="Write file:PATH or env:NAME")
    if not key:
        raise BadUsage("there is no key", where=reference)
    return key


def _in_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(_LONGEST)
    except OSError as error:
        raise DatabaseAddressInvalid(
            f"the address cannot be read: {error.strerror}", where=str(file)
        ) from None
    if mode & 0o077:
        raise DatabaseAddressInvalid(
            "others can read or change the address of the database",
            where=str(file),
            fix="Close the file with chmod 600",
        )
    return raw.decode(errors="replace")


def database_here() -> str | None:
    """The same for a command, by the settings of its folder and environment. Raises BadSetting,
    too."""
    return database_of(read({}))


def check_database(settings: Settings) -> None:
    """What can be said before anything starts; the database itself may be away.

    Raises DatabaseAddressInvalid, and MissingExtra without the library.
    """
    place = database_of(settings)
    if place is not None:
        connection(place, "keys").close()
