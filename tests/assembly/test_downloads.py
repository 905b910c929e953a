"""A model in a bucket, from a local server that speaks Cloud Storage's documented JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests import models
from tests.processes import server as started

from fairlead.assembly.downloads import downloaded
from fairlead.core.errors import BadUsage, FileUnreadable

pytestmark = pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")


@contextmanager
def storage(objects: Mapping[str, bytes]) -> Iterator[str]:
    """A server of the bucket `shop` with these objects, at the address that is given."""

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            prefix = query.get("prefix", [""])[0]
            if parts.path == "/storage/v1/b/shop/o":
                items = [
                    {"kind": "storage#object", "name": n, "bucket": "shop", "size": str(len(raw))}
                    for n, raw in objects.items()
                    if n.startswith(prefix)
                ]
                self.give(200, json.dumps({"kind": "storage#objects", "items": items}).encode())
                return
            raw = objects.get(unquote(parts.path.removeprefix("/download/storage/v1/b/shop/o/")))
            self.give(404, b"{}") if raw is None else self.give(200, raw)

        def give(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def bucket(monkeypatch) -> Iterator[dict[str, bytes]]:
    """The objects of the bucket, to be filled."""
    objects: dict[str, bytes] = {}
    with storage(objects) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop")
        yield objects


def test_everything_below_the_address_is_there_and_nothing_beside_it(bucket, tmp_path):
    bucket |= {"m/": b"", "m/a.txt": b"a", "m/b/c.txt": b"c", "m2/d.txt": b"d", "e.txt": b"e"}
    folder = downloaded("gs://shop/m", tmp_path)
    found = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    assert found == {"a.txt": b"a", "b/c.txt": b"c"}
    del bucket["m/a.txt"]
    assert not (downloaded("gs://shop/m/", tmp_path) / "a.txt").exists()
    assert [f.name for f in downloaded("gs://shop/m/b/c.txt", tmp_path).iterdir()] == ["c.txt"]
    assert (downloaded("gs://shop", tmp_path) / "e.txt").read_bytes() == b"e"


@pytest.mark.parametrize("name", ["m/../../x", "m/a/../../../x"])
def test_no_object_is_written_outside_the_folder(bucket, tmp_path, name):
    bucket[name] = b"x"
    with pytest.raises(BadUsage):
        downloaded("gs://shop/m", tmp_path)
    assert not [*tmp_path.rglob("x")]


def test_an_address_with_nothing_is_said_and_one_that_fails_leaves_nothing(bucket, tmp_path):
    with pytest.raises(BadUsage):
        downloaded("gs://shop/absent", tmp_path)
    with pytest.raises(FileUnreadable):
        downloaded("gs://other/m", tmp_path)
    assert not [*tmp_path.rglob("*.part")]


def test_a_server_on_vertex_ai_fetches_the_model_that_it_is_told_of(tmp_path):
    models.total(tmp_path / "models")
    objects = {
        f"models/7/{file.relative_to(tmp_path / 'models')}": file.read_bytes()
        for file in (tmp_path / "models").rglob("*")
        if file.is_file()
    }
    with storage(objects) as address:
        environ = {
            "STORAGE_EMULATOR_HOST": address,
            "GOOGLE_CLOUD_PROJECT": "shop",
            "AIP_STORAGE_URI": "gs://shop/models/7",
        }
        with started(state=tmp_path / "state", environ=environ) as running:
            told = running.asked("/invocations", body={"instances": [[1, 2, 3]]})
            assert told[:2] == (200, {"predictions": [{"value": 6.0}]})


def test_without_googles_library_the_extra_is_named(tmp_path):
    folder: Path = tmp_path / "hidden"
    (folder / "google" / "cloud" / "storage").mkdir(parents=True)
    (folder / "google" / "cloud" / "storage" / "__init__.py").write_text("raise ImportError")
    (folder / "google" / "__init__.py").write_text("")
    (folder / "google" / "cloud" / "__init__.py").write_text("")
    environ = {"PYTHONPATH": str(folder), "AIP_STORAGE_URI": "gs://shop/models/7"}
    with pytest.raises(AssertionError, match=r"fairlead\[gcs\]"):  # noqa: SIM117
        with started(state=tmp_path / "state", environ=environ):
            pass
