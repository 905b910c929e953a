"""Writes the generated pages of docs/reference: settings.md and cli.md.

`make reference` runs it; a test fails when a page is not what it would write.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from fairlead.assembly.settings import KNOWN, SECTIONS
from fairlead.cli.main import COMMANDS, command_parser

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

SETTINGS_HEAD = """# Settings

<!-- Written by `make reference` from src/fairlead/assembly/settings.py. -->

Settings are read once, when a command starts. Where a setting is given twice, the higher wins:
a flag, an environment variable `FAIRLEAD_SECTION__KEY` (two underscores), `fairlead.toml` (in the
working directory, or named by `--config`), the default. An unknown name or an impossible value is
an error wherever it stands. A settings file that every user of the machine may write is refused.

`fairlead config show --origin` prints every setting with the place that its value comes from.
In the environment and in a flag, a list is written with commas. The file may begin with
`format = 1`, which a release that means something else by its settings refuses.
"""

CLI_HEAD = """# Command line

<!-- Written by `make reference` from src/fairlead/cli. -->

Exit status: 0 done; 1 what was checked is not in order; 2 an error, said in one line on standard
error with its [id](errors.md); 130 interrupted; 141 the reader of the output has gone.
`python -m fairlead` is the same command.
"""


def settings_page() -> str:
    """docs/reference/settings.md."""
    lines = [SETTINGS_HEAD]
    for section, cls in SECTIONS.items():
        lines += [f"## [{section}]", "", (cls.__doc__ or "").strip(), ""]
        for known in KNOWN.values():
            if known.section != section:
                continue
            flag = f" · flag `{known.flag}`" if known.flag else ""
            lines += [
                f"### {known.name}",
                "",
                known.meaning,
                "",
                f"Default `{json.dumps(known.default)}` · {known.kind.words} · "
                f"environment `{known.variable}`{flag}",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


def cli_page() -> str:
    """docs/reference/cli.md."""
    lines = [CLI_HEAD]
    for name, summary in COMMANDS.items():
        lines += [f"## fairlead {name}", "", f"{summary}.", ""]
        for action in arguments(command_parser(name)):
            lines += [f"### {heading(action)}", "", explained(action), ""]
    return "\n".join(lines).rstrip() + "\n"


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Everything that a command takes, --help apart, in order."""
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:
            yield action


def heading(action: argparse.Action) -> str:
    """`--port PORT` or `FILE`, as it is typed."""
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"`{metavar}`"
    value = "" if action.nargs == 0 else f" {metavar}"
    return f"`{', '.join(action.option_strings)}{value}`"


def explained(action: argparse.Action) -> str:
    """The help of an argument, and whether it is required, as a sentence."""
    text = (action.help or "").replace("%%", "%").strip()
    text = text[:1].upper() + text[1:]
    text += "" if text.endswith(".") else "."
    return f"{text} Required." if action.option_strings and action.required else text


PAGES = {"settings.md": settings_page, "cli.md": cli_page}

if __name__ == "__main__":
    for file, write in PAGES.items():
        (FOLDER / file).write_text(write(), encoding="utf-8")
        print(f"docs/reference/{file}")
