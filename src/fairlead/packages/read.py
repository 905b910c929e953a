"""Reading a package so that what was checked is what is used.

A file is opened once, below the package folder, through no link, with one name only; the bytes
that are handed on are the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, cast

from fairlead.core.allowance import Limit, parse_limits
from fairlead.core.errors import KeyFieldInvalid, PackageInvalid
from fairlead.core.names import is_name
from fairlead.core.package import (
    DISCLOSURES,
    RESPONSES,
    CardChoice,
    Feedback,
    FileFact,
    GuardChoice,
    Limits,
    Package,
    Payloads,
)
from fairlead.core.signature import Signature
from fairlead.packages import manifest
from fairlead.packages.expect import expectation_of
from fairlead.packages.preparations import (
    check_preparations,
    meanings_of,
    poolings_of,
    preparations_of,
)
from fairlead.packages.rollout import rollout_of
from fairlead.packages.section import Known, section
from fairlead.packages.signatures import graph_of, with_signatures

_AMEND = "A version never changes: use `fairlead amend` to make the next one"
WORDS = (
    "words", "card", "labels", "units", "limits", "guards", "feedback", "payloads", "expect",
    "rollout", "inputs", "outputs",
)  # fmt: skip
"""The sections of a model.toml."""

_LIMIT_NAMES = {
    "max_rows": int,
    "time_budget_s": float,
    "max_batch": int,
    "max_body_mib": int,
    "threads": int,
}
_MOST_THREADS = 256


def open_package(folder: Path) -> Package:
    """The package at `folder`. Raises PackageInvalid when it is not whole."""
    where = folder.name if not folder.parent.name else f"{folder.parent.name}/{folder.name}"
    try:
        raw = _read_file(folder, manifest.NAME, manifest.MOST_BYTES)
    except FileNotFoundError:
        raise PackageInvalid(
            "no manifest: the version was never finished",
            where=where,
            fix="Pack it again; a folder counts as a version only once its manifest is there",
        ) from None
    data = manifest.parse(raw, where)
    files: dict[str, FileFact] = data["files"]
    try:
        signature = Signature.from_json(json.loads(_checked(folder, files, "signature.json")))
        words, limits = read_words(_checked(folder, files, "model.toml"), where)
        preparations = preparations_of(words, where)
        check_preparations(preparations, signature, where, files)
        package = Package(
            name=_name(data["name"]),
            version=_version(data["version"]),
            folder=folder,
            runtime=str(data["runtime"]),
            isolated=bool(data["isolated"]),
            graph=graph_of(data["graph"], files),
            signature=signature,
            files=files,
            trained=dict(data.get("trained", {})),
            environment=dict(data.get("environment", {})),
            reason=str(data.get("reason", "")),
            words=words,
            limits=limits,
            guards=guards_of(words, where),
            feedback=feedback_of(words, where),
            payloads=payloads_of(words, signature, where),
            card=card_choice_of(words, where),
            expect=expectation_of(words, where),
            rollout=rollout_of(words, where),
            preparations=preparations,
        )
        return with_signatures(package, data.get("signatures", {}))
    except manifest.UNREADABLE as error:
        raise PackageInvalid(
            f"the package cannot be read: {type(error).__name__}: {error}", where=where
        ) from error


def _name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name[:80]!r} cannot name a model")
    return name


def _version(version: object) -> int:
    if type(version) is not int or not 0 <= version < 10**18:
        raise ValueError(f"{version!r:.40} is not a version")
    return version


def read_verified(package: Package, relative: str) -> bytes:
    """The bytes of one file, equal to what the manifest says. Raises PackageInvalid."""
    return _checked(package.folder, package.files, relative)


def verify(package: Package) -> None:
    """Checks that the package holds the files of its manifest, unchanged, and no other.

    Raises PackageInvalid.
    """
    for relative in package.files:
        _checked(package.folder, package.files, relative)
    for relative in manifest.names_below(package.folder):
        if relative not in package.files:
            raise PackageInvalid(
                f"{relative} is not in the manifest", where=package.folder.name, fix=_AMEND
            )


def _checked(folder: Path, files: dict[str, FileFact], relative: str) -> bytes:
    fact = files.get(relative)
    if fact is None:
        raise PackageInvalid(f"{relative} is not in the manifest", where=folder.name)
    try:
        raw = _read_file(folder, relative, fact.size)
    except FileNotFoundError:
        raise PackageInvalid(f"{relative} is missing", where=folder.name) from None
    if len(raw) != fact.size or hashlib.sha256(raw).hexdigest() != fact.sha256:
        raise PackageInvalid(
            f"{relative} is not what the manifest says: it was edited or damaged",
            where=folder.name,
            fix=_AMEND,
        )
    return raw


def _read_file(folder: Path, relative: str, most: int) -> bytes:
    """Reads folder/relative through no symbolic link and no second name.

    Of a file that is longer than `most`, one byte more: enough to tell.
    """
    parts = relative.split("/")
    if any(p in ("", ".", "..") for p in parts):
        raise PackageInvalid(f"{relative!r} leaves the package", where=folder.name)
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (NotADirectoryError, PermissionError) as error:
        raise PackageInvalid(
            f"the package cannot be opened: {error.strerror}", where=folder.name
        ) from None
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            handle = _step(handle, part, flags, folder)
        handle = _step(handle, parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, folder)
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise PackageInvalid(
                f"{relative} is a link or not a plain file",
                where=folder.name,
                fix="Copy the file itself into the package",
            )
        with os.fdopen(os.dup(handle), "rb") as reader:
            return reader.read(min(most, facts.st_size) + 1)
    finally:
        os.close(handle)


def _step(parent: int, name: str, flags: int, folder: Path) -> int:
    try:
        child = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PackageInvalid(
            f"{name} cannot be opened: {error.strerror}", where=folder.name
        ) from None
    os.close(parent)
    return child


def read_words(raw: bytes, where: str) -> tuple[dict[str, Any], Limits]:
    """The owner's words in a model.toml, and the limits among them. Raises PackageInvalid."""
    try:
        words = tomllib.loads(raw.decode())
    except manifest.UNREADABLE as error:
        raise PackageInvalid(f"model.toml is not valid TOML: {error}", where=where) from error
    for title in WORDS:
        if not isinstance(words.get(title, {}), dict):
            raise PackageInvalid(f"model.toml: [{title}] must be a table", where=where)
    guards_of(words, where)
    feedback_of(words, where)
    payloads_of(words, None, where)
    card_choice_of(words, where)
    expectation_of(words, where)
    rollout_of(words, where)
    preparations_of(words, where)
    poolings_of(words, where)
    meanings_of(words, where)
    return words, _limits(words, where)


_ACTIONS = ("reject", "abstain", "warn", "shadow", "off")
_GUARDS: Known = {
    "novelty": (f"one of {', '.join(_ACTIONS)}", lambda v: v in _ACTIONS),
    "false_alarm_rate": ("between 0 and 1", lambda v: _share(v)),
    "assured": ("true or false", lambda v: isinstance(v, bool)),
    "error_goal": ("between 0 and 1", lambda v: _share(v)),
    "assurance": ("from 0.5 up to 1", lambda v: _share(v) and v >= 0.5),
    "unsure": ("one of abstain, warn, shadow", lambda v: v in ("abstain", "warn", "shadow")),
    "rows": ("refuse or mask", lambda v: v in ("refuse", "mask")),
    "disclosure": (f"one of {', '.join(DISCLOSURES)}", lambda v: v in DISCLOSURES),
    "misuse": (f"one of {', '.join(RESPONSES)}", lambda v: v in RESPONSES),
    "embedding": ("the name of an output", lambda v: isinstance(v, str)),
}
"""The keys of [guards]: what each must be, in words, and whether a value is."""
_FEEDBACK: Known = {
    "outcomes": ("true or false", lambda v: isinstance(v, bool)),
    "days": ("a whole number from 1 to 366", lambda v: type(v) is int and 1 <= v <= 366),
}
"""The keys of [feedback], likewise."""
_HOW = ("plain", "hash")
_PAYLOADS: Known = {
    "sample": ("from 0 to 1", lambda v: type(v) in (int, float) and 0 <= v <= 1),
    "fields": (
        'a table such as { age = "plain", name = "hash" }',
        lambda v: isinstance(v, dict) and all(how in _HOW for how in cast("Any", v).values()),
    ),
    "days": _FEEDBACK["days"],
}
"""The keys of [payloads], likewise."""
_CARD: Known = {
    "required": ("from 0 to 1", lambda v: type(v) in (int, float) and 0 <= v <= 1),
    "groups": (
        'a list of columns such as ["sex"]',
        lambda v: isinstance(v, list) and all(isinstance(one, str) for one in cast("Any", v)),
    ),
    "favourable": ("a label in quotes", lambda v: isinstance(v, str)),
}
"""The keys of [card], likewise."""


def _share(value: Any) -> bool:
    return type(value) in (int, float) and 0.0 < value < 1.0


def guards_of(words: dict[str, Any], where: str) -> GuardChoice:
    """What the owner wants of the guards. Raises PackageInvalid."""
    return GuardChoice(**section(words, "guards", _GUARDS, where))


def feedback_of(words: dict[str, Any], where: str) -> Feedback:
    """What the owner lets be kept for true labels that come later. Raises PackageInvalid."""
    return Feedback(**section(words, "feedback", _FEEDBACK, where))


def card_choice_of(words: dict[str, Any], where: str) -> CardChoice:
    """What the owner wants of the model card. Raises PackageInvalid."""
    given: dict[str, Any] = {**section(words, "card", _CARD, where)}
    groups: tuple[str, ...] = tuple(given.pop("groups", ()))
    return CardChoice(groups=groups, **given)


def payloads_of(words: dict[str, Any], signature: Signature | None, where: str) -> Payloads:
    """What the owner lets be kept of rows. Raises PackageInvalid.

    signature: its columns are those that may be named; None where they are not known yet.
    """
    found = Payloads(**section(words, "payloads", _PAYLOADS, where))
    if signature is not None and found.sample:
        known = {c.name for c in signature.columns} if signature.batched else set[str]()
        for name in found.fields:
            if name not in known:
                raise PackageInvalid(
                    f"model.toml: [payloads] fields: there is no column {name[:80]!r}",
                    where=where,
                    fix=f"Columns: {', '.join(sorted(known)[:20]) or 'none, it takes no table'}",
                )
    return found


def _limits(words: dict[str, Any], where: str) -> Limits:
    given: dict[str, Any] = words.get("limits", {})
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key == "usage":
            found[key] = _usage(value, where)
            continue
        kind = _LIMIT_NAMES.get(key)
        if kind is None:
            raise PackageInvalid(
                f"model.toml: [limits] {key} is not known",
                where=where,
                fix=f"Known: {', '.join((*_LIMIT_NAMES, 'usage'))}",
            )
        if type(value) is not int and (kind is int or type(value) is not float):
            number = "a whole number" if kind is int else "a number"
            raise PackageInvalid(f"model.toml: [limits] {key} must be {number}", where=where)
        if not 0 < value < 1e9:
            raise PackageInvalid(
                f"model.toml: [limits] {key} must be above 0 and below 1e9", where=where
            )
        if key == "threads" and value > _MOST_THREADS:
            raise PackageInvalid(
                f"model.toml: [limits] threads must be at most {_MOST_THREADS}",
                where=where,
                fix="As many as the machine has cores, or fewer",
            )
        found[key] = kind(value)
    return Limits(**found)


def _usage(value: Any, where: str) -> tuple[Limit, ...]:
    """What all callers of the model together may use."""
    texts: list[Any] = cast("list[Any]", value) if isinstance(value, list) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise PackageInvalid(
            "model.toml: [limits] usage must be a list of limits",
            where=where,
            fix='usage = ["rows=100000/minute"]',
        )
    try:
        return parse_limits(texts)
    except KeyFieldInvalid as error:
        raise PackageInvalid(
            f"model.toml: [limits] usage: {error.what}", where=where, fix=error.fix
        ) from None
