"""Reads the settings once: flag > environment > fairlead.toml > default.

An unknown name or an impossible value is an error wherever it stands, also where something of
higher rank overrides it. This is the only place that reads the environment.
"""

from __future__ import annotations

import argparse
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from fairlead.assembly.platform import port_of
from fairlead.assembly.settings import KNOWN, SECTIONS, Setting, Settings
from fairlead.core.errors import BadSetting, FileUnreadable

FILE = "fairlead.toml"
"""The file that is read from the working directory when none is named."""

FORMAT = 1
"""Of the file, which may say so: `format = 1`."""

ALSO_SPELT = {
    "server.port": ("--http_port",),
    "server.grpc_port": ("--grpc_port",),
    "server.name": ("--model_name",),
}
"""How KServe spells the flags of a container that serves a model."""

_PREFIX = "FAIRLEAD_"
_MOST_BYTES = 1 << 20


def read(flags: Mapping[str, object], config: str | None = None) -> Settings:
    """The settings of this process: `flags`, its environment, and `config` or ./fairlead.toml.

    Raises BadSetting, or FileUnreadable when `config` is named and cannot be read.
    """
    file = Path(config) if config else Path(FILE)
    present = config is not None or file.exists()
    return load(flags, os.environ, file if present else None)  # noqa: TID251 - the one reader


def load(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None) -> Settings:
    """The settings from exactly these places.

    flags: values by "section.key", None for a flag that was not given.
    Raises BadSetting for an unknown name or an impossible value, FileUnreadable for the file.
    """
    values: dict[str, object] = {name: known.default for name, known in KNOWN.items()}
    origins = dict.fromkeys(KNOWN, "default")
    given = [
        *_by_platform(environ), *_in_file(file), *_in_environment(environ), *_in_flags(flags),
    ]  # fmt: skip
    for known, value, origin in given:
        values[known.name] = _checked(known, value, origin)
        origins[known.name] = origin
    sections = {
        section: cls(**{k.key: values[k.name] for k in KNOWN.values() if k.section == section})
        for section, cls in SECTIONS.items()
    }
    settings = Settings(**sections, origins=origins)
    _check_together(settings)
    return settings


def _by_platform(environ: Mapping[str, str]) -> Iterator[tuple[Setting, object, str]]:
    """The port that a cloud platform has chosen."""
    chosen = port_of(environ)
    if chosen is not None:
        known = KNOWN["server.port"]
        text, name = chosen
        yield known, int(text) if text.isdigit() else text, f"environment {name}"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Gives `parser` the flag of every setting that has one, and --config."""
    for known in KNOWN.values():
        if not known.flag:
            continue
        if known.default is False:
            parser.add_argument(
                known.flag,
                dest=known.name,
                action="store_const",
                const="true",
                help=f"{known.meaning} Default: no.",
            )
            continue
        parser.add_argument(
            known.flag,
            *ALSO_SPELT.get(known.name, ()),
            dest=known.name,
            metavar=known.key.upper(),
            help=f"{known.meaning} Default: {known.default or 'none'}.",
        )
    parser.add_argument("--config", metavar="FILE", help=f"Settings file. Default: ./{FILE}.")


def flags_of(args: argparse.Namespace) -> dict[str, object]:
    """What the flags of `add_flags` were given, by "section.key"."""
    return {name: value for name, value in vars(args).items() if name in KNOWN}


def _in_file(file: Path | None) -> Iterator[tuple[Setting, object, str]]:
    if file is None:
        return
    origin = f"file {file}"
    parsed = _parse(file)
    _check_format(parsed.pop("format", FORMAT), origin)
    for section, content in parsed.items():
        if not isinstance(content, dict):
            raise _unknown_setting(section, origin)
        if section not in SECTIONS:
            raise _unknown(section, list(SECTIONS), origin, "section")
        for key, value in cast("dict[str, object]", content).items():
            yield _known(f"{section}.{key}", origin), value, origin


def _check_format(number: object, origin: str) -> None:
    """Settings that were written for a later release may mean something else there."""
    if number != FORMAT or type(number) is not int:
        raise BadSetting(
            f"the settings are of format {number!r:.20}, this release knows {FORMAT}",
            where=origin,
            fix="Use the release that they were written for, or `fairlead config show` as a start",
        )


def _parse(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as handle:
            facts = os.fstat(handle.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_BYTES:
                raise BadSetting("not a plain file of at most 1 MiB", where=str(file))
            if facts.st_mode & stat.S_IWOTH:
                raise BadSetting(
                    "every user of this machine may change the settings",
                    where=str(file),
                    fix=f"Run `chmod o-w {file}`",
                )
            return tomllib.loads(handle.read().decode())
    except OSError as error:
        raise FileUnreadable(
            f"the settings cannot be read: {error.strerror}",
            where=str(file),
            fix="Name another file with --config, or leave the flag out",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"not valid TOML: {error}", where=str(file)) from error


def _in_environment(environ: Mapping[str, str]) -> Iterator[tuple[Setting, object, str]]:
    """Variables with two underscores between section and key; others are not settings.

    A single underscore in a known name is told apart from what Kubernetes sets by itself for a
    service called fairlead (FAIRLEAD_SERVER_PORT=tcp://...).
    """
    flat = {k.variable.replace("__", "_"): k.variable for k in KNOWN.values()}
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX):
            continue
        origin, text = f"environment {variable}", environ[variable]
        section, two, key = variable[len(_PREFIX) :].lower().partition("__")
        if two:
            known = _known(f"{section}.{key}", origin)
            yield known, _from_text(known, text, origin), origin
        elif variable in flat and not text.startswith("tcp://"):
            raise _unknown(variable, [flat[variable]], origin, "variable")


def _in_flags(flags: Mapping[str, object]) -> Iterator[tuple[Setting, object, str]]:
    for name, value in flags.items():
        if value is None:
            continue
        known = _known(name, f"flag {name}")
        origin = f"flag {known.flag or name}"
        yield known, _from_text(known, value, origin), origin


def _from_text(known: Setting, value: object, origin: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return known.kind.from_text(value)
    except ValueError:
        raise _impossible(known, value, origin) from None


def _checked(known: Setting, value: object, origin: str) -> object:
    if not known.kind.accepts(value):
        raise _impossible(known, value, origin)
    return known.kind.make(value)


def _impossible(known: Setting, value: object, origin: str) -> BadSetting:
    return BadSetting(
        f"{known.name} is {value!r:.80}", where=origin, fix=f"It must be {known.kind.words}"
    )


def _known(name: str, origin: str) -> Setting:
    found = KNOWN.get(name)
    if found is None:
        raise _unknown_setting(name, origin)
    return found


def _unknown_setting(name: str, origin: str) -> BadSetting:
    key = name.rpartition(".")[2]
    same_key = [known.name for known in KNOWN.values() if known.key == key]
    return _unknown(name, same_key or list(KNOWN), origin, "setting")


def _unknown(name: str, candidates: list[str], origin: str, what: str) -> BadSetting:
    near = candidates if len(candidates) == 1 else get_close_matches(name, candidates, 1, 0.5)
    fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(candidates)}"
    return BadSetting(f"there is no {what} {name[:80]}", where=origin, fix=fix)


def _check_together(settings: Settings) -> None:
    limits = settings.limits
    if limits.request_timeout_s > limits.request_timeout_max_s:
        raise BadSetting(
            f"limits.request_timeout_s is {limits.request_timeout_s:g}, above "
            f"limits.request_timeout_max_s, {limits.request_timeout_max_s:g}",
            where=settings.origins["limits.request_timeout_s"],
            fix="Lower the first or raise the second",
        )
