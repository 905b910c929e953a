"""The Python client over gRPC against a real server: what it answers over HTTP, and no less."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import pytest
from tests import models
from tests.client.parts import ask as ask
from tests.client.test_client import GIVEN, ROWS
from tests.inputs import prepared_models
from tests.processes import Running, free_port, until
from tests.processes import server as started
from tests.serving.test_guarding import packed as packed
from tests.serving.test_preparing import PNG, SENT, TEXT64

import fairlead
from fairlead.core.errors import (
    BadParameter,
    ContractBroken,
    DtypeMismatch,
    MissingField,
    ModelNotFound,
    NotFinite,
    PictureUnreadable,
    ShapeInvalid,
    UnknownName,
)
from fairlead.core.signature import Signature


@pytest.fixture(scope="module")
def running(small_models, tmp_path_factory):
    with started(small_models, state=tmp_path_factory.mktemp("state")) as made:
        until(made.ready)
        yield made


@pytest.fixture(scope="module")
def url(running) -> str:
    return f"grpc://127.0.0.1:{running.grpc_port}"


def near(value: Any) -> Any:
    """An answer whose numbers may differ as FP32 written in few digits does."""
    if isinstance(value, dict):
        return {name: near(one) for name, one in value.items()}
    if isinstance(value, list):
        return [near(one) for one in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def beside(running: Running) -> str:
    return f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize("kind", [k for k in GIVEN if k != "reader"])
def test_rows_come_as_people_have_them(ask, url, kind):
    found = ask(url, "predict", "total", GIVEN[kind])
    assert found.values == [6.0, 15.0]
    assert (found.model, found.version, len(found)) == ("total", 1, 2)
    assert len(found.usage_ids) == 1


def test_every_model_answers_as_it_does_over_http(running, url):
    with fairlead.Client(beside(running)) as http, fairlead.Client(url) as grpc:
        assert grpc.models() == http.models()
        answered = 0
        for name in http.models():
            about = http.model(name)
            assert grpc.model(name) == about
            if "rows" in about["example"]:
                rows = about["example"]["rows"] * 3
                over_http = http.predict(name, rows)
                assert grpc.predict(name, rows).rows == near(over_http.rows), name
                answered += 1
        assert answered > 10


def test_what_is_missing_goes_in_and_comes_out_as_none(ask, url, tmp_path):
    assert ask(url, "predict", "gaps", [{"a": 1, "b": None, "c": 2}]).values == [3.0]
    signature = Signature(
        (models.spec("x", "FP32", (-1, 1)),), (models.spec("y", "FP32", (-1, 1), missing=True),)
    )
    nodes = [models.node("Log", "x", "y")]
    models.commit(tmp_path / "models", "loose", signature, nodes, example={"x": 1.0})
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        address = f"grpc://127.0.0.1:{running.grpc_port}"
        found = ask(address, "predict", "loose", [[-1.0], [0.0], [1.0]]).column("y")
        assert found == [None, None, 0.0]
        assert ask(beside(running), "predict", "loose", [[-1.0], [0.0]]).column("y") == [None] * 2


def test_outputs_and_versions_are_chosen(ask, url):
    rows = [dict.fromkeys(models.FEATURES, 0.0) | {"length": 9.0}]
    found = ask(url, "predict", "classifier", rows, outputs=["label"], version=1)
    assert found.rows == [{"label": "red", "decision": "serve", "reasons": ["unguarded"]}]
    with pytest.raises(UnknownName):
        ask(url, "predict", "classifier", rows, outputs=["nothing"])
    with pytest.raises(ModelNotFound):
        ask(url, "predict", "classifier", rows, version=9)


def test_more_rows_than_a_request_takes_go_in_several(ask, url):
    found = ask(url, "predict", "total", [{"a": n, "b": 0, "c": 0} for n in range(2_500)])
    assert found.values == [float(n) for n in range(2_500)]
    assert len(found.usage_ids) == 3


def test_a_row_is_counted_over_all_requests(ask, url):
    rows: list[Any] = [[n, 0, 0] for n in range(2_500)]
    rows[2_003] = [1, 2]
    with pytest.raises(ShapeInvalid, match="row 2003 has 2 values") as short:
        ask(url, "predict", "total", rows)
    assert short.value.row == 2_003


def test_an_array_of_the_models_own_type_goes_as_it_is(ask, url):
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    for given in (array, array[::-1][::-1], np.asfortranarray(array), array.astype(np.float64)):
        assert ask(url, "predict", "total", given).values == [3.0, 12.0, 21.0, 30.0]
    assert ask(url, "predict", "total", array[:, ::-1][:1]).values == [3.0]
    many = np.zeros((2_500, 3), np.float32)
    assert len(ask(url, "predict", "total", many)) == 2_500
    many[2_003, 1] = np.nan
    with pytest.raises(NotFinite) as bad:
        ask(url, "predict", "total", many)
    assert bad.value.row == 2_003
    with pytest.raises(ShapeInvalid):
        ask(url, "predict", "total", array[:, :2])
    with pytest.raises(MissingField):
        ask(url, "predict", "total", array[:0])


def test_large_answers_come_whole(ask, url):
    found = ask(url, "predict", "wide", [[float(n)] for n in range(20)])
    assert np.array(found.column("y")).shape == (20, 100_000)


def test_a_server_says_whether_it_is_ready(ask, url):
    assert ask(url, "ready")
    assert not ask(f"grpc://127.0.0.1:{free_port()}", "ready")


def test_errors_are_the_servers_own(ask, url):
    with pytest.raises(ModelNotFound) as unknown:
        ask(url, "predict", "nobody", ROWS)
    assert unknown.value.grpc_status == 5
    with pytest.raises(UnknownName) as column:
        ask(url, "predict", "total", [ROWS[0], {"a": 1, "b": 2, "d": 3}])
    assert (column.value.row, column.value.column) == (1, "d")
    with pytest.raises(DtypeMismatch) as text:
        ask(url, "predict", "total", [{"a": 1, "b": 2, "c": date(2026, 1, 1)}])
    assert (text.value.row, text.value.column) == (0, "c")
    with pytest.raises(MissingField):
        ask(url, "predict", "total", [])
    with pytest.raises(BadParameter, match="whole tensors"):
        ask(url, "predict", "fixed", [[1.0]])


def test_the_same_error_is_raised_over_http(running, url, ask):
    told = []
    for address in (url, beside(running)):
        with pytest.raises(ModelNotFound) as error:
            ask(address, "predict", "nobody", ROWS)
        told.append((error.value.id, error.value.what, error.value.where, error.value.fix))
    assert told[0] == told[1]


def test_guarded_rows_carry_decisions_and_reasons_as_over_http(ask, packed, tmp_path):
    with started(packed, state=tmp_path) as running:
        grpc, http = f"grpc://127.0.0.1:{running.grpc_port}", beside(running)
        good = running.asked("/models/tumour")[1]["example"]["rows"][0]
        rows = [good, good | {"mean area": good["mean area"] * 1000}, good]
        over_http = ask(http, "predict", "tumour", rows)
        found = ask(grpc, "predict", "tumour", rows)
        assert found.decisions == ["serve", "reject", "serve"]
        assert found.rows == near(over_http.rows)
        assert [*map(list, found.rows)] == [*map(list, over_http.rows)]
        label = ask(grpc, "predict", "tumour", rows, outputs=["label"])
        assert label.rows == near(ask(http, "predict", "tumour", rows, outputs=["label"]).rows)
        row = {"age": 40, "sex": "female", "bmi": 25.0, "bp": 90.0}
        value = ask(grpc, "predict", "sugar", [row])
        assert value.rows == near(ask(http, "predict", "sugar", [row]).rows)
        with pytest.raises(ContractBroken) as broken:
            ask(grpc, "predict", "sugar", [row, row | {"sex": "other"}])
        assert (broken.value.row, broken.value.column) == (1, "sex")
        assert broken.value.what == "sex = 'other' is none of: female, male"


def test_pictures_and_texts_are_sent_as_people_have_them(ask, tmp_path):
    prepared_models.colours(tmp_path / "models")
    prepared_models.sentences(tmp_path / "models")
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        grpc, http = f"grpc://127.0.0.1:{running.grpc_port}", beside(running)
        pictures = [body["rows"] for body in SENT.values()]
        pictures += [[TEXT64], [{"b64": TEXT64}], [{"image": PNG}], [PNG]]
        for rows in pictures:
            found = ask(grpc, "predict", "colours", rows).rows
            assert found == near(ask(http, "predict", "colours", rows).rows)
        for rows in ([{"text": "calm"}, {"text": {"b64": "Y2FsbQ=="}}], ["calm"]):
            found = ask(grpc, "predict", "sentences", rows).rows
            assert found == near(ask(http, "predict", "sentences", rows).rows)
        with pytest.raises(PictureUnreadable) as other:
            ask(grpc, "predict", "colours", [{"image": TEXT64}, {"image": "?"}])
        assert "row 1" in other.value.what


def test_many_callers_share_one_client(url):
    async def asked() -> Any:
        async with fairlead.AsyncClient(url) as client:
            found = await asyncio.gather(*[client.predict("total", ROWS) for _ in range(20)])
            return [one.values for one in found]

    assert asyncio.run(asked()) == [[6.0, 15.0]] * 20
    with fairlead.Client(url) as client, ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda _: client.predict("total", ROWS).values, range(20))]
    assert found == [[6.0, 15.0]] * 20


def weighted(repository, columns: str) -> None:
    """value = the first column + 10 times the second one."""
    signature = Signature(
        (models.spec("x", "FP32", (-1, len(columns)), columns=tuple(columns)),),
        (models.spec("value", "FP32", (-1, 1), role="value"),),
    )
    weights = np.array([[1], [10], [100]][: len(columns)], np.float32)
    nodes = [models.node("MatMul", "x weights", "value")]
    models.commit(repository, "weighted", signature, nodes, {"weights": weights})


def test_a_version_of_other_columns_is_asked_in_its_own_order(tmp_path):
    repository, row = tmp_path / "models", {"a": 1.0, "b": 2.0}
    weighted(repository, "ab")
    with started(repository, state=tmp_path / "state") as running:

        def add(columns: str) -> None:
            weighted(repository, columns)
            assert running.asked("/v2/repository/models/weighted/load", body={})[0] == 200

        with fairlead.Client(f"grpc://127.0.0.1:{running.grpc_port}") as client:
            assert client.predict("weighted", [row]).values == [21.0]
            add("ba")
            found = client.predict("weighted", [row])
            assert (found.version, found.values) == (2, [12.0])
            add("abc")
            pair = np.array([[1, 2]], np.float32)
            with pytest.raises(ShapeInvalid):
                client.predict("weighted", pair)
            assert client.predict("weighted", [{**row, "c": 3.0}]).values == [321.0]
            with pytest.raises(MissingField) as missing:
                client.predict("weighted", [row])
            assert missing.value.column == "c"
