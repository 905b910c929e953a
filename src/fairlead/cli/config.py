"""`fairlead config show`: every setting as it would be used, as a valid fairlead.toml or JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from fairlead.assembly import config
from fairlead.assembly.settings import SECTIONS, Settings
from fairlead.cli.main import COMMANDS

SUMMARY = COMMANDS["config"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["show"], help="show: print every setting")
    parser.add_argument("--origin", action="store_true", help="say where each value comes from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    config.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    settings = config.read(config.flags_of(args), args.config)
    print(as_json(settings) if args.json else as_toml(settings, origin=args.origin))
    return 0


def as_json(settings: Settings) -> str:
    """{"section.key": {"value": ..., "origin": ...}} as one JSON text."""
    shown = {
        name: {"value": asdict(settings)[section][key], "origin": origin}
        for name, origin in settings.origins.items()
        for section, _, key in [name.partition(".")]
    }
    return json.dumps(shown, indent=2)


def as_toml(settings: Settings, *, origin: bool) -> str:
    """The settings as TOML that means the same when read again; origins are comments."""
    lines: list[str] = []
    for section in SECTIONS:
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in asdict(getattr(settings, section)).items():
            # JSON writes text, numbers and lists of text exactly as TOML does.
            line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            comment = f"  # {settings.origins[f'{section}.{key}']}"
            lines.append(f"{line:<32}{comment}" if origin else line)
    return "\n".join(lines)
