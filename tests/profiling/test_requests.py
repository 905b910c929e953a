"""One row over every wire: what is sent is answered, and is as long as it is said to be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests import models

from fairlead.core.errors import RowsInvalid
from fairlead.profiling.requests import asked_of, grpc, oip, oip_binary, rest
from fairlead.protos.pool import message
from fairlead.serving.loading import read_example


def asked(package, file=None):
    return asked_of(package, read_example(package), file)


def body_of(request):
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    return head, body


def test_the_packages_own_example_is_asked(tmp_path):
    found = asked(models.total(tmp_path))
    assert found.rows == [{"a": 1.0, "b": 2.0, "c": 3.5}]
    assert (found.arrays, found.of) == ((), "its own example")


def test_without_an_example_rows_of_zeros_are(tmp_path):
    found = asked(models.mixed(tmp_path, example=None))
    assert found.of == "rows of zeros"
    assert found.tensors[0]["data"] == [0.0, 0.0]
    plain = asked(models.grid(tmp_path, example=None))
    assert plain.rows[0] == {"x": [[0.0, 0.0], [0.0, 0.0]]}
    assert asked(models.fixed(tmp_path, example=None)).rows == []


def test_rows_of_a_file_are_asked_in_turn(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b,c\n" + "".join(f"{i},1,2\n" for i in range(400)))
    found = asked(models.total(tmp_path), tmp_path / "rows.csv")
    assert [row["a"] for row in found.rows] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found.arrays[0].shape == (256, 3)
    assert found.of == "rows of rows.csv"


def test_a_file_without_the_models_columns_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("a,c\n1,2\n")
    with pytest.raises(RowsInvalid, match="no column 'b'"):
        asked(models.total(tmp_path), tmp_path / "rows.csv")


def test_each_wire_carries_the_same_row(tmp_path):
    package = models.classifier(tmp_path)
    found = asked(package)
    tensors = [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.0, 1.0, 2.0, 0.5]}]
    head, body = body_of(rest("a b", found.rows[0]))
    assert head.startswith(b"POST /predict/a%20b HTTP/1.1\r\n")
    assert json.loads(body) == {"rows": found.rows}
    head, body = body_of(oip("m", tensors))
    assert json.loads(body) == {"inputs": tensors}
    head, body = body_of(oip_binary("m", package.signature, tensors))
    size = int(head.partition(b"inference-header-content-length: ")[2])
    assert np.frombuffer(body[size:], np.float32).tolist() == tensors[0]["data"]
    told = json.loads(body[:size])
    assert told["inputs"][0]["parameters"] == {"binary_data_size": 16}
    assert "data" not in told["inputs"][0]
    made = message("inference.ModelInferRequest").FromString(grpc("m", package.signature, tensors))
    assert made.raw_input_contents[0] == body[size:]


def test_texts_go_behind_their_lengths(tmp_path):
    package = models.shout(tmp_path)
    tensors = [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["hi"]}]
    _, body = body_of(oip_binary("m", package.signature, tensors))
    assert body.endswith(b"\x02\0\0\0hi")
