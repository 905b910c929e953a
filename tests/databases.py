"""Real databases for tests: SQLite files, and a PostgreSQL server that the suite starts by itself.

A test that asks for `place` runs once with each kind. PostgreSQL's programs are the system's (on
the path, or where Debian puts them), or those of the package pgserver.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

_USER, _PASSWORD = "fairlead", "tests-only"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "fatal",
}


class Postgres:
    """One server with a folder of its own, on a port of loopback and a socket in the folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fairlead-postgres-"))
        self.data = self.folder / "data"
        self._programs = _programs()
        # It does not run as root.
        self._as = {} if os.getuid() else {"user": 65534, "group": 65534, "extra_groups": []}
        if self._as:
            os.chown(self.folder, 65534, 65534)
        self._databases = count()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = self.folder / "password"
        password.write_text(_PASSWORD)
        password.chmod(0o644)
        self._call(
            "initdb", "-D", self.data, "-U", _USER, "--auth=scram-sha-256",
            f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        given = [f"-c {name}={value}" for name, value in self._settings().items()]
        options = " ".join(given)
        log = self.folder / "log"
        self._call("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stops it: "fast" ends connections in order, "immediate" like a crash."""
        self._call("pg_ctl", "stop", "-w", "-s", "-D", self.data, "-m", mode)

    def fresh(self) -> str:
        """The address of a new and empty database."""
        name = f"test_{next(self._databases)}"
        with closing(self.connect("postgres")) as connection:
            connection.run(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.address(name)

    def address(self, database: str, port: int | None = None) -> str:
        """The address of a database; port: of something that stands in front."""
        return f"postgresql://{_USER}:{_PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database: str):
        """A plain connection, to look from the outside. `database` may be an address."""
        import pg8000.native  # not everybody who runs some of the tests has it

        name = database.rpartition("/")[2]
        return pg8000.native.Connection(
            _USER, host="127.0.0.1", port=self.port, database=name, password=_PASSWORD,
            ssl_context=False, timeout=30,
        )  # fmt: skip

    def remove(self) -> None:
        """Ends the server and removes its folder."""
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settings(self) -> dict[str, str]:
        own = {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        return _SETTINGS | own

    def _call(self, program: str, *arguments: object) -> None:
        # To a file: a server that inherits a pipe keeps whoever reads it waiting.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [self._programs / program, *map(str, arguments)],
                stdout=said, stderr=said, timeout=60, cwd=self.folder, **self._as,
            )  # fmt: skip
            if done.returncode:
                said.seek(0)
                raise subprocess.CalledProcessError(
                    done.returncode, f"{program}: {said.read().decode(errors='replace')[-2000:]}"
                )


def _programs() -> Path:
    """The folder of initdb, pg_ctl and postgres."""
    found = shutil.which("pg_ctl")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("pgserver")
    if package is not None and package.origin:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    for folder in candidates:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return folder
    pytest.fail("no PostgreSQL is here: install Debian's postgresql, or pip install pgserver")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The suite's PostgreSQL server, for tests that leave it running."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path) -> Path | str:
    """Where a new database is: a file in a folder of its own, or an address."""
    if request.param == "sqlite":
        folder = tmp_path / "state"
        folder.mkdir()
        return folder / "test.sqlite"
    return request.getfixturevalue("postgres").fresh()


def looked_at(place: Path | str, postgres: Postgres | None, sql: str) -> list[tuple[object, ...]]:
    """What a statement answers, asked from the outside of our layer."""
    if isinstance(place, str):
        with closing(postgres.connect(place)) as connection:
            connection.run("SET search_path = fairlead")
            return [tuple(row) for row in connection.run(sql) or ()]
    import sqlite3

    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()
