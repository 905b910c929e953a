"""Builds the documentation site: `python -m scripts.site [FOLDER] [--base PATH]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.site.book import ROOT, SiteError
from scripts.site.build import build


def main() -> int:
    """The exit status: 1 with what is wrong, when a link leads nowhere."""
    parser = argparse.ArgumentParser(prog="python -m scripts.site", description=__doc__)
    parser.add_argument("folder", nargs="?", default=ROOT / "site", type=Path)
    parser.add_argument("--base", default="/", help="where a host shows the site, for its 404 page")
    given = parser.parse_args()
    try:
        pages = build(given.folder, base=given.base)
    except SiteError as error:
        print(f"no site was made: {error}", file=sys.stderr)
        return 1
    print(f"{len(pages)} pages: {given.folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
