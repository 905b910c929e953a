"""Callers that show no key of ours: a token of an issuer, or a client certificate.

Nothing here fetches anything: the keys of issuers are told (`adopt`), and what is missed is said
(`take_wanted`), so that whoever may wait fetches it. A caller made here is one like any other: it
has an id that stays the same, by which it is limited, watched and journalled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, cast

from fairlead.access.identity_rules import (
    LONGEST_SUBJECT,
    IdentityRules,
    Issuer,
    check_grant,
)
from fairlead.access.tokens import (
    IssuerKeys,
    check_pinned,
    needs_joserfc,
    read,
    untrusted,
    verify,
)
from fairlead.core.access import NAME_LENGTH, Caller, Key, Scope, parse_scope
from fairlead.core.errors import (
    IdentityUnmapped,
    IssuerUnavailable,
    KeyFieldInvalid,
    TokenMalformed,
)

REMEMBERED = 4096
"""Verified tokens that are remembered at least; at most twice as many."""
REMEMBERED_NS = 60 * 1_000_000_000
"""For how long a token is not verified again; less where it ends before."""
STALE_NS = 3600 * 1_000_000_000
"""For how long an issuer's keys are believed after they were fetched."""
CERT = "cert"
"""What the ids of callers with a certificate begin with, before a colon."""

_MOST_SCOPES = 64

_Seen = tuple[Caller, int]
"""A caller, and until when its token is not verified again."""


class Identities:
    """Who may without a key of ours.

    rules:    what the owner's file says.
    compiled: makes a caller of what stands for a key, under the terms of its tenant.
    origins:  every web origin that a rule lists. issues, certifies: whether there are rules for
              tokens, and for certificates. signs_in: names of issuers with which people sign in.
    Raises MissingExtra where there are issuers, and not the library that verifies tokens.
    """

    def __init__(self, rules: IdentityRules, compiled: Callable[[Key], Caller] = Caller.of) -> None:
        self._rules = rules
        if rules.issuers:
            needs_joserfc()
        self._keys: dict[str, IssuerKeys] = {}
        self._wanted: set[str] = set()
        grants = [*rules.certificates.values()]
        for issuer in rules.issuers.values():
            grants += [*issuer.subjects.values(), *([issuer.grant] if issuer.grant else ())]
        self.origins = frozenset(origin for grant in grants for origin in grant.origins)
        self.issues = bool(rules.issuers)
        self.certifies = bool(rules.certificates)
        self.signs_in = tuple(i.name for i in rules.issuers.values() if i.client)
        self.compile(compiled)

    def __bool__(self) -> bool:
        """Whether anybody can be known here."""
        return self.issues or self.certifies

    def compile(self, compiled: Callable[[Key], Caller]) -> None:
        """From now on callers are made like this: the terms of tenants have changed."""
        self._compiled = compiled
        self._forget()
        self._certified = {
            subject: compiled(
                grant.key(_id(CERT, subject), subject[:NAME_LENGTH], grant.tenant, grant.scopes)
            )
            for subject, grant in self._rules.certificates.items()
        }

    def _forget(self) -> None:
        # Two generations, as in the book: what was not shown for a whole one is forgotten.
        self._seen: dict[bytes, _Seen] = {}
        self._before: dict[bytes, _Seen] = {}

    # --- the keys of issuers ----------------------------------------------------------------

    def adopt(self, name: str, keys: IssuerKeys) -> None:
        """From now on these are the keys of an issuer; what was verified by others is forgotten."""
        self._keys[name] = keys
        self._wanted.discard(name)
        self._forget()

    def take_wanted(self) -> list[str]:
        """The names of issuers whose keys were missed since the last time this was asked."""
        wanted = sorted(self._wanted)
        self._wanted.clear()
        return wanted

    # --- tokens -----------------------------------------------------------------------------

    def recall(self, text: str, now_ns: int) -> Caller | None:
        """The caller of a token that was verified a moment ago; None for any other text."""
        digest = sha256(text.encode()).digest()
        known = self._seen.get(digest) or self._before.get(digest)
        return known[0] if known is not None and now_ns < known[1] else None

    def token_caller(self, text: str, now_ns: int) -> Caller:
        """Who shows this token. now_ns: wall clock.

        Raises TokenMalformed, TokenUntrusted, TokenExpired, TokenMisdirected, IdentityUnmapped, and
        IssuerUnavailable where the keys of its issuer are not known, or not known any more.
        """
        return self.recall(text, now_ns) or self.verified_caller(text, now_ns)

    def verified_caller(self, text: str, now_ns: int) -> Caller:
        """As `token_caller`, of a token that `recall` does not know."""
        told = read(text)
        issuer = self._rules.issuers.get(told.issuer)
        if issuer is None:
            raise untrusted()
        check_pinned(told, issuer)
        key = self._known_keys(issuer, now_ns).find(told.key)
        if key is None:
            self._wanted.add(issuer.name)
            raise untrusted()
        ends = verify(text, told, key, issuer, now_ns)
        caller = self._compiled(_key_of(issuer, told.claims))
        if len(self._seen) >= REMEMBERED:
            self._before, self._seen = self._seen, {}
        until = min(ends, now_ns + REMEMBERED_NS)
        self._seen[sha256(text.encode()).digest()] = caller, until
        return caller

    def _known_keys(self, issuer: Issuer, now_ns: int) -> IssuerKeys:
        keys = self._keys.get(issuer.name)
        if keys is None or now_ns - keys.fetched_ns > STALE_NS:
            self._wanted.add(issuer.name)
            raise IssuerUnavailable(
                "the keys of this token's issuer are not known now", fix="Try again in a moment"
            )
        return keys

    # --- certificates -----------------------------------------------------------------------

    def certificate_caller(self, subject: str) -> Caller:
        """Whom a verified certificate of this subject is of. Raises IdentityUnmapped."""
        found = self._certified.get(subject)
        if found is None:
            raise _unmapped("certificate")
        return found


def _key_of(issuer: Issuer, claims: Mapping[str, Any]) -> Key:
    """What the caller of a verified token is made of. Raises IdentityUnmapped, TokenMalformed."""
    subject = claims.get(issuer.subject_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise TokenMalformed("this token does not say who its caller is")
    grant = issuer.subjects.get(subject, issuer.grant)
    if grant is None:
        raise _unmapped("token")
    tenant, scopes = grant.tenant, grant.scopes
    if grant.tenant_claim:
        tenant = claims.get(grant.tenant_claim)
    if grant.scopes_claim:
        scopes = _scopes(claims.get(grant.scopes_claim))
    try:
        check_grant(grant, cast("str", tenant), scopes)
    except (KeyFieldInvalid, TypeError):
        raise _unmapped("token") from None
    name = subject if subject.isprintable() else "?"
    return grant.key(_id(issuer.name, subject), name[:NAME_LENGTH], cast("str", tenant), scopes)


def _scopes(told: object) -> tuple[Scope, ...]:
    """The scopes in a claim: a list, or a text with blanks between. Others' words are ignored."""
    words = told.split() if isinstance(told, str) else told
    if not isinstance(words, list):
        return ()
    found: list[Scope] = []
    for word in cast("list[object]", words):
        try:
            scope = parse_scope(word) if isinstance(word, str) else None
        except KeyFieldInvalid:
            continue
        if scope is not None and scope not in found:
            found.append(scope)
    return tuple(found[:_MOST_SCOPES])


def _id(kind: str, subject: str) -> str:
    """What a caller is called for ever: readable where its subject is plain, else by its hash."""
    if subject.isascii() and subject.isprintable() and " " not in subject and subject[:1] != "#":
        return f"{kind}:{subject}"
    return f"{kind}:#{sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _unmapped(what: str) -> IdentityUnmapped:
    return IdentityUnmapped(
        f"this {what} is genuine, and nothing here says what its caller may",
        fix="Ask the operator for a rule",
    )
