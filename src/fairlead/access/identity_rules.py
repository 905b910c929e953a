"""The file of issuers and client certificates: who is trusted, and what their callers may.

    [[issuer]]
    name = "shop"
    issuer = "https://login.example.org"
    audience = "fairlead"
    algorithms = ["RS256"]
    discovery = true
    tenant = "shop"
    scopes = ["predict:iris"]

    [[certificate]]
    subject = "spiffe://example.org/checkout"
    tenant = "shop"
    scopes = ["predict:iris"]

An unknown field is an error, and so is a file that every user of the machine may write: it decides
who may.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from fairlead.core.access import Key, Scope, check, parse_scopes
from fairlead.core.allowance import Limit, parse_limits
from fairlead.core.errors import FairleadError, IdentitiesInvalid

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
)  # fmt: skip
"""Signatures by a private key. One that is made with a shared secret is never accepted."""

LONGEST_SUBJECT = 255
WELL_KNOWN = "/.well-known/openid-configuration"

_MOST_BYTES, _MOST_RULES = 1 << 20, 4096
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_GIVEN = frozenset({"tenant", "scopes", "limits", "disclosure", "origins"})
_CLAIMED = frozenset({"tenant_claim", "scopes_claim"})
_ISSUER = _GIVEN | _CLAIMED | {
    "name", "issuer", "audience", "algorithms", "jwks", "discovery", "ca", "bearer_file",
    "subject_claim", "subject", "client", "client_secret_file",
}  # fmt: skip
_SUBJECT = _GIVEN | {"subject"}
_TEXTS = frozenset({"audience", "algorithms", "scopes", "limits", "origins"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller gets who is proven to be somebody.

    tenant, scopes:             as they stand in the file; "" and () where a claim gives them.
    tenant_claim, scopes_claim: names of the claims that give them, "" where the file does.
    """

    tenant: str = ""
    scopes: tuple[Scope, ...] = ()
    tenant_claim: str = ""
    scopes_claim: str = ""
    limits: tuple[Limit, ...] = ()
    disclosure: str = ""
    origins: tuple[str, ...] = ()

    def key(self, key_id: str, name: str, tenant: str, scopes: tuple[Scope, ...]) -> Key:
        """What a caller is made of, as if it had shown a key. Its id stays the same for ever."""
        return Key(
            id=key_id,
            name=name,
            tenant=tenant,
            scopes=scopes,
            created_ns=0,
            lineage=key_id,
            ending="",
            limits=self.limits,
            disclosure=self.disclosure,
            origins=self.origins,
        )


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens are accepted.

    name:      how it is called in the journal: its callers are NAME:SUBJECT.
    issuer:    what its tokens say in `iss`. audience: one of these stands in their `aud`.
    jwks:      the address or the file of its keys; "" where discovery tells it.
    discovery: the address of its description; "" where `jwks` is given.
    ca, bearer_file: files with the authority of its web server, and with a token to show it.
    subject_claim: the claim that says who the caller is.
    client:    the id under which the issuer knows this server, so that people may sign in at pages;
               "" where they may not. client_secret_file: holds what it is proven by.
    grant:     for callers of whom `subjects` says nothing; None to refuse them.
    """

    name: str
    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    jwks: str = ""
    discovery: str = ""
    ca: str = ""
    bearer_file: str = ""
    subject_claim: str = "sub"
    client: str = ""
    client_secret_file: str = ""
    grant: Grant | None = None
    subjects: Mapping[str, Grant] = field(default_factory=dict[str, Grant])


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """What the file says: issuers by what their tokens say, grants by subjects of certificates."""

    issuers: Mapping[str, Issuer] = field(default_factory=dict[str, Issuer])
    certificates: Mapping[str, Grant] = field(default_factory=dict[str, Grant])


def read_identities(file: Path) -> IdentityRules:
    """The rules in a file. Raises IdentitiesInvalid, which says where and how they are wrong."""
    return parse_identities(read_text(file), file)


def read_text(file: Path) -> str:
    """What a file of rules holds. Raises IdentitiesInvalid."""
    try:
        with file.open("rb") as opened:
            facts = os.fstat(opened.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_BYTES:
                raise IdentitiesInvalid("not a plain file of at most 1 MiB", where=str(file))
            if facts.st_mode & stat.S_IWOTH:
                raise IdentitiesInvalid(
                    "every user of this machine may change who may",
                    where=str(file),
                    fix=f"Run `chmod o-w {file}`",
                )
            return opened.read().decode()
    except OSError as error:
        raise IdentitiesInvalid(f"it cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError:
        raise IdentitiesInvalid("it is not UTF-8", where=str(file)) from None


def parse_identities(text: str, file: Path) -> IdentityRules:
    """The rules in a text. file: where it stands; the files that it names lie beside it."""
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise IdentitiesInvalid(f"not valid TOML: {error}", where=str(file)) from None
    _known(content, {"issuer", "certificate"}, str(file))
    issuers: dict[str, Issuer] = {}
    for number, table in enumerate(_tables(content, "issuer", str(file)), 1):
        made = _issuer(table, f"{file}: issuer {table.get('name', number)}"[:200], file.parent)
        names = {one.name for one in issuers.values()}
        if made.issuer in issuers or made.name in names:
            raise IdentitiesInvalid("an issuer or its name stands there twice", where=str(file))
        issuers[made.issuer] = made
    where = f"{file}: certificate"
    return IdentityRules(issuers, _grants(_tables(content, "certificate", str(file)), where))


def _issuer(table: dict[str, Any], where: str, folder: Path) -> Issuer:
    _known(table, _ISSUER, where)
    name = _text(table, "name", where)
    if not _NAME.fullmatch(name) or name == "cert":
        raise _wrong("name", where, "lower-case letters, digits and -, 32 at most, and not `cert`")
    issuer = _text(table, "issuer", where)
    algorithms = _texts(table, "algorithms", where)
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise _wrong("algorithms", where, f"a list of some of {', '.join(ALGORITHMS)}")
    audience = _texts(table, "audience", where)
    if not audience or "" in audience:
        raise _wrong("audience", where, "what tokens for this server say in `aud`")
    subjects = _grants(_tables(table, "subject", where), f"{where}: subject")
    grant = _grant(table, where) if (_GIVEN | _CLAIMED) & set(table) else None
    if grant is None and not subjects:
        raise _wrong("tenant", where, "a tenant and scopes, or [[issuer.subject]] tables")
    return Issuer(
        name=name,
        issuer=issuer,
        audience=audience,
        algorithms=algorithms,
        ca=_file(table, "ca", where, folder),
        bearer_file=_file(table, "bearer_file", where, folder),
        subject_claim=_text(table, "subject_claim", where, "sub"),
        client=_client(table, audience, where),
        client_secret_file=_file(table, "client_secret_file", where, folder),
        grant=grant,
        subjects=subjects,
        **_keys_from(table, issuer, where, folder),
    )


def _client(table: dict[str, Any], audience: tuple[str, ...], where: str) -> str:
    """The id of this server at an issuer, which its tokens must name."""
    client = _text(table, "client", where, "")
    if client and client not in audience:
        raise _wrong("client", where, "one of the audience, since tokens are made out to it")
    if client and "discovery" not in table:
        raise _wrong("client", where, "discovery too: it says where people sign in")
    if not client and "client_secret_file" in table:
        raise _wrong("client_secret_file", where, "the client whose secret it is")
    return client


def _keys_from(table: dict[str, Any], issuer: str, where: str, folder: Path) -> dict[str, str]:
    """Where an issuer's keys come from: exactly one of `jwks` and `discovery`."""
    if ("jwks" in table) == ("discovery" in table):
        raise _wrong("jwks", where, "either `jwks` or `discovery`")
    if "jwks" in table:
        jwks = _text(table, "jwks", where)
        if not jwks.startswith(("https://", "http://")):
            return {"jwks": str(folder / jwks)}
        return {"jwks": _address(jwks, "jwks", where)}
    told = table["discovery"]
    address = issuer.rstrip("/") + WELL_KNOWN if told is True else told
    if not isinstance(address, str):
        raise _wrong("discovery", where, "true, or the address of the issuer's description")
    return {"discovery": _address(address, "discovery", where)}


def _address(text: str, name: str, where: str) -> str:
    if not is_safe_address(text):
        raise _wrong(name, where, "an https:// address")
    return text


def is_safe_address(text: str) -> bool:
    """Whether keys may be fetched from an address: by https, or from this machine."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or not text.isascii() or not text.isprintable() or " " in text or "@" in text:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _grants(tables: Iterable[dict[str, Any]], where: str) -> dict[str, Grant]:
    """Grants by exact subject."""
    found: dict[str, Grant] = {}
    for number, table in enumerate(tables, 1):
        place = f"{where} {number}"
        _known(table, _SUBJECT, place)
        subject = _text(table, "subject", place)
        if subject in found or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
            raise _wrong("subject", place, f"each subject once, {LONGEST_SUBJECT} characters")
        found[subject] = _grant(table, place)
    return found


def _grant(table: dict[str, Any], where: str) -> Grant:
    for given, claimed in (("tenant", "tenant_claim"), ("scopes", "scopes_claim")):
        if (given in table) == (claimed in table):
            other = "" if "subject" in table else f" or {claimed}"
            raise _wrong(given, where, f"{given}{other}, exactly once")
    try:
        made = Grant(
            tenant=_text(table, "tenant", where, ""),
            scopes=parse_scopes(_texts(table, "scopes", where)),
            tenant_claim=_text(table, "tenant_claim", where, ""),
            scopes_claim=_text(table, "scopes_claim", where, ""),
            limits=parse_limits(_texts(table, "limits", where)),
            disclosure=_text(table, "disclosure", where, ""),
            origins=_texts(table, "origins", where),
        )
        # What a claim gives is checked when a token comes.
        scopes = parse_scopes(["predict:*"]) if made.scopes_claim else made.scopes
        check_grant(made, "t" if made.tenant_claim else made.tenant, scopes)
    except IdentitiesInvalid:
        raise
    except FairleadError as error:
        raise IdentitiesInvalid(
            error.what, where=f"{where}, {error.where}" if error.where else where, fix=error.fix
        ) from None
    return made


_PROBE = "key_" + "0" * 16


def check_grant(grant: Grant, tenant: str, scopes: tuple[Scope, ...]) -> None:
    """Raises KeyFieldInvalid for what may not stand in a key either."""
    check(replace(grant.key(_PROBE, "name", tenant, scopes), ending="0000"))


# --- reading tables ---------------------------------------------------------------------------


def _tables(table: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    found = table.get(name, [])
    tables: list[Any] = cast("list[Any]", found) if isinstance(found, list) else [found]
    if len(tables) > _MOST_RULES or not all(isinstance(one, dict) for one in tables):
        raise _wrong(name, where, f"tables that begin with [[...{name}]], {_MOST_RULES} at most")
    return tables


def _known(table: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    known = sorted(names)
    for name in table:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
            raise IdentitiesInvalid(f"there is no field {name[:80]!r}", where=where, fix=fix)


def _text(table: Mapping[str, Any], name: str, where: str, otherwise: str | None = None) -> str:
    found = table.get(name, otherwise)
    if not isinstance(found, str) or (not found and name in table) or not found.isprintable():
        raise _wrong(name, where, "a text that is not empty")
    return found


def _texts(table: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A list of texts, or one text alone; () where there is none."""
    found = table.get(name, [])
    texts: list[Any] = cast("list[Any]", found) if isinstance(found, list) else [found]
    if not all(isinstance(text, str) for text in texts) or len(texts) > _MOST_RULES:
        raise _wrong(name, where, "a list of texts")
    return tuple(texts)


def _file(table: Mapping[str, Any], name: str, where: str, folder: Path) -> str:
    return str(folder / _text(table, name, where)) if name in table else ""


def _wrong(name: str, where: str, wanted: str) -> IdentitiesInvalid:
    return IdentitiesInvalid(f"{name} cannot be this", where=where, fix=f"Give {wanted}")
