"""`/invocations` with whole files as bodies: Parquet, archives of arrays, bare bytes."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import models
from tests.processes import server as started

PARQUET, NPZ, RAW = (
    "application/vnd.apache.parquet",
    "application/x-npz",
    "application/octet-stream",
)
ANSWER = {"predictions": [{"value": 6.0}, {"value": 15.0}]}
COLUMNS = {"a": [1.0, 4.0], "b": [2.0, 5.0], "c": [3.0, 6.0]}


@pytest.fixture(scope="module")
def server(serving, tmp_path_factory) -> httpx.Client:
    folder = tmp_path_factory.mktemp("one")
    models.total(folder)
    return serving(folder)


@pytest.fixture(scope="module")
def several(serving, tmp_path_factory) -> httpx.Client:
    folder = tmp_path_factory.mktemp("mixed")
    models.mixed(folder)
    return serving(folder)


def ask(server, body: bytes, media: str, accept: str = "") -> httpx.Response:
    headers = {"content-type": media} | ({"accept": accept} if accept else {})
    return server.post("/invocations", content=body, headers=headers)


def parquet(columns: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, file, **how)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.asarray(array) for name, array in arrays.items()})
    return file.getvalue()


def test_a_table_is_read_by_the_names_of_its_columns(server):
    turned = {name: COLUMNS[name] for name in ("c", "a", "b")}
    index = turned | {"__index_level_0__": [7, 8]}
    for body in (parquet(COLUMNS), parquet(turned), parquet(index)):
        assert ask(server, body, PARQUET).json() == ANSWER
    narrow = parquet({name: np.array(cells, "f4") for name, cells in COLUMNS.items()})
    assert ask(server, narrow, "application/x-parquet").json() == ANSWER


def test_a_table_of_texts_and_numbers_answers_as_rows_do(several):
    cells = {"left": [1.0, 2, 3], "right": [1, 2, 3], "count": [1, 2, 3], "colour": ["x", "y", "x"]}
    rows = [{name: cells[name][i] for name in cells} for i in range(3)]
    wanted = several.post("/invocations", json={"instances": rows})
    told = ask(several, parquet(cells), PARQUET)
    assert (wanted.status_code, told.status_code) == (200, 200), told.text
    assert told.json() == wanted.json()
    assert ask(several, npz(**cells), NPZ).json() == wanted.json()


def test_arrays_are_found_by_the_names_of_inputs_or_columns_or_alone(server):
    table = [[1, 2, 3], [4, 5, 6]]
    for body in (npz(x=table), npz(arr_0=table), npz(**COLUMNS)):
        assert ask(server, body, NPZ).json() == ANSWER


def test_every_output_is_given_as_an_array_by_name(server):
    told = ask(server, npz(x=[[1, 2, 3]]), NPZ, NPZ)
    assert told.headers["content-type"] == NPZ
    archive = np.load(io.BytesIO(told.content))
    assert {name: archive[name].ravel().tolist() for name in archive} == {"value": [6.0]}


def test_bare_bytes_are_as_many_rows_as_they_fill(server):
    rows = np.array([[1, 2, 3], [4, 5, 6]], "<f4")
    assert ask(server, rows.tobytes(), RAW).json() == ANSWER
    told = ask(server, rows.tobytes(), RAW, RAW)
    assert np.frombuffer(told.content, "<f4").tolist() == [6.0, 15.0]
    assert ask(server, rows.tobytes()[:-1], RAW).status_code == 400
    assert ask(server, b"", RAW).status_code == 400


def test_bare_bytes_for_several_inputs_are_no_media_type_of_the_model(several):
    answer = ask(several, bytes(8), RAW)
    assert (answer.status_code, answer.json()["error_code"]) == (415, "BAD_REQUEST")


def large_archive() -> bytes:
    """A few kilobytes that unpack to gigabytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(80 << 20))
    return file.getvalue()


def lying_archive() -> bytes:
    """An archive whose member is longer than it is said to be."""
    whole = npz(x=np.zeros((1, 300)))
    at = whole.rindex(b"PK\x01\x02") + 24
    return whole[:at] + (10).to_bytes(4, "little") + whole[at + 4 :]


WRONG = {
    "no parquet": (b"PAR1" + bytes(20) + b"PAR1", PARQUET, 400),
    "an empty body": (b"", PARQUET, 400),
    "a column too few": (parquet({"a": [1.0], "b": [1.0]}), PARQUET, 400),
    "a column too many": (parquet({**COLUMNS, "d": [1.0, 2.0]}), PARQUET, 400),
    "a column of lists": (parquet({**COLUMNS, "c": [[1.0], [2.0]]}), PARQUET, 400),
    "text for a number": (parquet({**COLUMNS, "c": ["x", "y"]}), PARQUET, 400),
    "a null": (parquet({**COLUMNS, "c": [None, 1.0]}), PARQUET, 400),
    "too many rows": (parquet({n: [1.0] * 10_001 for n in COLUMNS}), PARQUET, 413),
    "a million rows": (parquet({n: np.ones(1_000_000) for n in COLUMNS}), PARQUET, 413),
    "no archive": (b"PK\x03\x04", NPZ, 400),
    "an empty archive": (npz(), NPZ, 400),
    "an unknown name": (npz(x=[[1, 2, 3]], y=[1]), NPZ, 400),
    "a wrong shape": (npz(x=[[1, 2]]), NPZ, 400),
    "objects": (npz(x=np.array([object()])), NPZ, 400),
    "a bomb": (large_archive(), NPZ, 413),
    "a lie": (lying_archive(), NPZ, 400),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said(server, name):
    body, media, status = WRONG[name]
    answer = ask(server, body, media)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


def test_a_long_text_that_occurs_often_counts_each_time(several):
    """Ten thousand times a text of a megabyte: ten gigabytes, were each a cell of its own."""
    cells = {name: np.ones(10_000) for name in ("left", "right", "count")}
    words = pa.DictionaryArray.from_arrays(np.zeros(10_000, "i4"), ["x" * (1 << 20)])
    body = parquet(pa.table(cells | {"colour": words}), compression="zstd")
    assert len(body) < 1 << 20
    assert ask(several, body, PARQUET).status_code == 413


def test_who_accepts_any_media_type_gets_the_one_that_the_platform_names(tmp_path):
    models.total(tmp_path / "models")
    environ = {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    with (
        started(tmp_path / "models", state=tmp_path, environ=environ) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}") as client,
    ):
        for accept in ("*/*", ""):
            headers = {"accept": accept, "content-type": "text/csv"}
            assert client.post("/invocations", content="1,2,3\n", headers=headers).text == "6.0\n"
        told = client.post("/invocations", json=[[1, 2, 3]], headers={"accept": "application/json"})
        assert told.json() == {"predictions": [{"value": 6.0}]}


def test_vertex_ai_forwards_what_is_no_json_and_other_addresses(tmp_path):
    models.total(tmp_path / "models")
    route = "/v1/endpoints/7/deployedModels/8:predict"
    environ = {"AIP_PREDICT_ROUTE": route}
    with (
        started(tmp_path / "models", state=tmp_path, environ=environ) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}") as client,
    ):
        raw = np.array([[1, 2, 3]], "<f4").tobytes()
        assert ask_at(client, route, raw).json() == {"predictions": [{"value": 6.0}]}
        tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
        for where in ("v2/models/total/infer", "/v2/models/total/versions/1/infer"):
            told = client.post(
                route, json={"inputs": [tensor]}, headers={"X-Vertex-Ai-Triton-Redirect": where}
            )
            assert told.json()["outputs"][0]["data"] == [6.0]
        for where in ("predict/total", "v2/nothing", "v2/models/absent/infer", "v2/health/live"):
            headers = {"X-Vertex-Ai-Triton-Redirect": where}
            assert client.post(route, json={}, headers=headers).status_code in (404, 405)


def ask_at(client: httpx.Client, path: str, body: bytes) -> httpx.Response:
    return client.post(path, content=body, headers={"content-type": RAW})
