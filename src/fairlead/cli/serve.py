"""`fairlead serve`: a repository, a package or a trained file becomes a service."""

from __future__ import annotations

import argparse

SUMMARY = "Serve a repository, a package or a trained file over HTTP"

_LATER = {
    "server.grpc_port": "gRPC is not there yet: it comes with the wires; --grpc-port does nothing",
    "server.admin": "the admin listener is not there yet; --admin does nothing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Paths, and a flag for every setting that has one."""
    from fairlead.assembly.config import add_flags

    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a repository, a package or a trained file (which is packed into a cache first)",
    )
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Checks everything, then becomes the server; returns only by an error."""
    from fairlead.assembly.config import flags_of, read
    from fairlead.assembly.server import become, prepare

    settings = read(flags_of(args), args.config)
    notes = [
        f"  note: {note}"
        for name, note in _LATER.items()
        if settings.origins.get(name, "default") != "default"
    ]
    become(prepare(args.paths, settings), notes)
