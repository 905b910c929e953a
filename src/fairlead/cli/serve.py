"""`fairlead serve`: a repository, a package or a trained file becomes a service."""

from __future__ import annotations

import argparse

SUMMARY = "Serve a repository, a package or a trained file over HTTP"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Paths, and a flag for every setting that has one."""
    from fairlead.assembly.config import add_flags

    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a repository, a package or a trained file (which is packed into a cache first); "
        "without one, the folder in which a cloud platform puts its model",
    )
    parser.add_argument(
        "--model_dir", metavar="PATH", help="one more path, as KServe names the folder of a model"
    )
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Checks everything, then becomes the server; returns only by an error."""
    from fairlead.assembly.asked import Asked
    from fairlead.assembly.config import flags_of, read
    from fairlead.assembly.given import given_sockets
    from fairlead.assembly.server import become, prepare, served_by_platform
    from fairlead.assembly.versions import pack_apart

    flags = {name: value for name, value in flags_of(args).items() if value is not None}
    given = given_sockets()
    settings = given.told(read(flags, args.config))
    paths = [*args.paths, *([args.model_dir] if args.model_dir else [])]
    paths = paths or served_by_platform(settings)
    pack = pack_apart if args.alone else None
    become(prepare(paths, settings, given, pack), [], Asked(paths, flags, args.config, given.facts))
