"""The secret of a key: how it looks, how it is made, and what is kept of it.

    frl_live_ + 30 characters + 6 characters of checksum

The thirty are random letters and digits (178 bits); the six are the CRC-32 of all that stands
before them. So whoever finds such a text, a scanner of leaked secrets or this server, knows
without a look-up whether it can be a key at all. What is kept is a digest under a random pepper
that lies in a file of its own: the database alone tells nobody whether a key is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import string
from pathlib import Path
from typing import NoReturn
from zlib import crc32

from fairlead.core.access import Kind
from fairlead.core.errors import FileUnreadable, KeyMalformed

PEPPER = "pepper"
"""The file of the pepper in a state folder."""

LONGEST = 128
"""Characters of a presented text that are looked at; a longer one is no key."""

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY, _CHECK, _ID, _ENDING = 30, 6, 16, 4
_PEPPER_BYTES = 32
PATTERN = r"frl_(?:live|test|admin)_[0-9A-Za-z]{36}"
"""What scanners of leaked secrets look for."""
_FORM = re.compile(PATTERN, re.ASCII)
_ANYWHERE = re.compile(r"frl_(?:live|test|admin)_[0-9A-Za-z]{8,36}", re.ASCII)


class Secret:
    """A secret that does not get into logs: it shows only its kind and its last characters."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, to be shown once to the person that it was made for."""
        return self._text

    @property
    def ending(self) -> str:
        """The last four characters, by which people recognise it."""
        return self._text[-_ENDING:]

    def __repr__(self) -> str:
        return f"Secret(...{self.ending})"

    def __eq__(self, other: object) -> bool:
        """Takes as long whatever differs."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def new_secret(kind: Kind = "live") -> Secret:
    """A secret that nobody has seen before."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(_BODY))
    text = f"frl_{kind}_{body}"
    return Secret(text + checksum(text))


def new_id() -> str:
    """The id of a new key: it is no secret, and tells nothing."""
    return "key_" + "".join(secrets.choice(_LETTERS) for _ in range(_ID))


def checksum(text: str) -> str:
    """The CRC-32 of a key without its checksum, as six letters and digits, highest first."""
    rest = crc32(text.encode("ascii"))
    found = ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_LETTERS))
        found = _LETTERS[digit] + found
    return found


def is_key(text: str) -> bool:
    """Whether a text can be a key: its length, its form and its checksum; nothing is hashed."""
    if len(text) > LONGEST or _FORM.fullmatch(text) is None:
        return False
    return checksum(text[:-_CHECK]) == text[-_CHECK:]


def without_secrets(text: str) -> str:
    """A text that may come from anybody, as it may be written down: people paste keys anywhere."""
    return _ANYWHERE.sub(lambda found: f"frl_...{found[0][-_ENDING:]}", text)


def presented(header: str) -> str:
    """The key in the value of an `Authorization` or `X-API-Key` header.

    Raises KeyMalformed, always with the same words: what was sent is in no answer and no log.
    """
    if len(header) <= LONGEST:
        text = header.strip(" \t")
        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "bearer":
            text = rest.strip(" \t")
        if is_key(text):
            return text
    raise KeyMalformed(
        "this is no key: its form or its checksum is wrong",
        fix="Send Authorization: Bearer KEY once, with the key as it was shown when it was made",
    )


class Digester:
    """Makes the digest under which a secret is kept and found: HMAC-SHA-256 with the pepper.

    A secret of 178 random bits needs no slow hash: nobody can try them all, and a slow one would
    let anybody occupy the server with wrong keys.
    """

    __slots__ = ("_pepper",)

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) < _PEPPER_BYTES:
            raise ValueError(f"a pepper has at least {_PEPPER_BYTES} bytes")
        self._pepper = pepper

    def digest(self, text: str) -> bytes:
        """The 32 bytes that are kept of a secret."""
        return hmac.digest(self._pepper, text.encode("ascii"), hashlib.sha256)

    def __repr__(self) -> str:
        return "Digester(...)"


def read_pepper(folder: Path) -> bytes:
    """The pepper of a state folder; made there, for the owner's eyes only, when it has none.

    Raises FileUnreadable for one that is cut short, that others may read or change, or that
    cannot be read.
    """
    file = folder / PEPPER
    try:
        _make(file)
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            pepper = opened.read()
    except OSError as error:
        raise FileUnreadable(
            f"the pepper of the keys cannot be read: {error.strerror}", where=PEPPER
        ) from None
    if mode & 0o077:
        raise FileUnreadable(
            "others can read or change the pepper of the keys",
            where=PEPPER,
            fix="Close it with chmod 600, and rotate the keys if somebody may have read it",
        )
    if len(pepper) != _PEPPER_BYTES:
        raise FileUnreadable(
            "the pepper of the keys is not whole: no key of this folder can be recognised",
            where=PEPPER,
            fix="Restore the file from a backup of the state folder",
        )
    return pepper


def _make(file: Path) -> None:
    """Makes a whole file or none: it is written beside its place, and linked there once."""
    if file.exists():
        return
    part = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(secrets.token_bytes(_PEPPER_BYTES))
            opened.flush()
            os.fsync(opened.fileno())
        os.link(part, file)
    except FileExistsError:
        pass  # another process was first; its pepper is the one
    finally:
        part.unlink()
