"""The next version of a packed model: other words, the same graph.

A version never changes, so what the owner edits becomes a version of its own; every other file is
copied as it was verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, FileUnreadable, ModelNotFound, PackageInvalid
from fairlead.core.names import check_name, parse_version
from fairlead.core.package import Package
from fairlead.core.preparation import FOLDER, Text
from fairlead.costs.profiles import PACKED
from fairlead.guards.contract import Contract
from fairlead.guards.files import CONTRACT
from fairlead.packages.preparations import check_preparations, preparations_of
from fairlead.packages.read import WORDS, guards_of, open_package, read_verified, read_words
from fairlead.packages.repository import committed
from fairlead.packages.signatures import listed
from fairlead.packing import write
from fairlead.packing.card import renewed
from fairlead.packing.declared import tokenizers_of
from fairlead.packing.examples import FILE as EXAMPLES
from fairlead.packing.examples import usual_value, without
from fairlead.packing.statistics import FILE as CARD
from fairlead.packing.words import FILE

_MOST_BYTES = 1 << 20


def amend(
    repository: Path,
    model: str,
    words: Path | None = None,
    contract: Path | None = None,
    profile: Mapping[str, Any] | None = None,
) -> Package:
    """Writes the version after the newest of `model` ("name" or "name@version").

    words: the new model.toml; contract: the new contract.toml; profile: what was measured of it.
    Raises ModelNotFound, FileUnreadable, or PackageInvalid for what cannot be served; then nothing
    is written.
    """
    package = find(repository, model)
    files: dict[str, bytes | Path] = {
        relative: read_verified(package, relative) for relative in package.files
    }
    before = dict(files)
    if words is not None:
        files[FILE] = _read_words(words, package)
        files |= _tokenizers(words, package)
    if contract is not None:
        files[CONTRACT] = _read_contract(contract, package)
        _hide(files, package)
    if profile is not None:
        files[PACKED] = write.json_bytes(profile)
    if CARD in files:
        card = renewed(package, before, files)
        files |= {} if card is None else {CARD: card}
    facts = {
        "runtime": package.runtime,
        "isolated": package.isolated,
        "graph": package.graph,
        "reason": package.reason,
        "trained": package.trained,
        "environment": package.environment,
        "amended": package.version,
        **({"signatures": listed(package.signatures)} if package.signatures else {}),
    }
    if files == before:
        raise BadUsage("the files are those of that version already", fix="Edit them first")
    return write.commit(repository, package.name, None, facts, files)


def _tokenizers(words: Path, package: Package) -> dict[str, bytes | Path]:
    """The tokenizers that the new words name and the package does not hold.

    Raises FileUnreadable, PackageInvalid where the words do not fit the model.
    """
    sections, _ = read_words(_read(words), str(words))
    declared = preparations_of(sections, str(words))
    wanted = [
        one
        for one in declared
        if isinstance(one, Text) and f"{FOLDER}/{one.tokenizer}" not in package.files
    ]
    found = tokenizers_of(wanted, words.parent)
    check_preparations(declared, package.signature, str(words), {*package.files, *found})
    return dict(found)


def _hide(files: dict[str, bytes | Path], package: Package) -> None:
    """Takes what the contract calls private out of the example rows."""
    contract, shown = files[CONTRACT], files.get(EXAMPLES)
    assert isinstance(contract, bytes)
    rules = [rule for rule in Contract.from_toml(contract.decode()).rules if rule.private]
    if not rules or not isinstance(shown, bytes):
        return
    try:
        usual = {rule.name: usual_value(rule) for rule in rules}
    except (ValueError, TypeError, AttributeError):
        raise PackageInvalid(
            "contract: `seen` of a private column is not as it was learnt",
            where=CONTRACT,
            fix="Leave `seen` as it stands in the package",
        ) from None
    told = without(json.loads(shown), package.signature, usual)
    files[EXAMPLES] = write.json_bytes(told)


def find(repository: Path, model: str) -> Package:
    """The version that "name" (the newest) or "name@version" means. Raises ModelNotFound."""
    name, at, number = model.partition("@")
    check_name(name)
    found = [f for f in committed(repository) if f.name == name]
    wanted = parse_version(number) if at else max((f.version for f in found), default=-1)
    for version in found:
        if version.version == wanted:
            return open_package(version.folder)
    known = ", ".join(str(f.version) for f in found)
    raise ModelNotFound(
        f"there is no {model} in {repository}",
        fix=f"Versions of {name}: {known}" if known else "Pack it first",
    )


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            raw = handle.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileUnreadable(f"{file} cannot be read: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise FileUnreadable(f"{file} is larger than 1 MiB")
    return raw


def _read_contract(file: Path, package: Package) -> bytes:
    raw = _read(file)
    try:
        contract = Contract.from_toml(raw.decode())
    except ValueError as error:
        raise PackageInvalid(f"contract: {error}", where=str(file)) from None
    wanted = [column.name for column in package.signature.columns]
    given = [rule.name for rule in contract.rules]
    if given != wanted:
        raise PackageInvalid(
            "the contract's columns are not the model's, in order",
            where=str(file),
            fix=f"The model's columns: {', '.join(wanted[:20])}",
        )
    return raw


def _read_words(words: Path, package: Package) -> bytes:
    raw = _read(words)
    sections, _ = read_words(raw, str(words))
    embedding = guards_of(sections, str(words)).embedding
    if embedding not in ("", package.guards.embedding):
        raise PackageInvalid(
            f"the novelty guard has not learnt from the output {embedding!r}",
            where=str(words),
            fix=f"Pack the model again with --embedding {embedding}",
        )
    if sections.get("outputs", {}) != package.words.get("outputs", {}):
        raise PackageInvalid(
            "model.toml: [outputs] belongs to the graph, which an amended version keeps",
            where=str(words),
            fix="Pack the model again with --model-toml",
        )
    for name in sections:
        if name not in WORDS:
            raise PackageInvalid(
                f"model.toml: [{name}] is not known",
                where=str(words),
                fix=f"Known: {', '.join(WORDS)}",
            )
    return raw
