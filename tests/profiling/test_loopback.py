"""A real server of one version: started on a free port, asked over every wire, and ended."""

from __future__ import annotations

import os

import pytest
from tests import models
from tests.processes import alive

from fairlead.core.errors import LoadFailed
from fairlead.packages.repository import Found
from fairlead.profiling import processes
from fairlead.profiling.callers import NotAnswered, ask_once
from fairlead.profiling.grpc_call import grpc_call
from fairlead.profiling.loopback import loopback
from fairlead.profiling.requests import grpc, oip, rest


def test_a_server_is_there_while_it_is_measured_and_gone_afterwards(tmp_path):
    package = models.total(tmp_path)
    tensors = [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 4.0]}]
    hostile = {"FAIRLEAD_SERVER__PORT": "1", "FAIRLEAD_NO_SUCH__THING": "x"}
    found = Found("renamed", 1, package.folder)
    with loopback(found, {**os.environ, **hostile}) as running:
        (worker,) = running.worker
        before = processes.held([worker])
        asked = ask_once(running.port, rest("renamed", {"a": 1, "b": 2, "c": 4}))
        assert b'"value":7.0' in asked
        assert b"7.0" in ask_once(running.port, oip("renamed", tensors))
        assert processes.held([worker]) > before > 0, "it slept until it was asked"
        assert processes.most_held([worker]) >= processes.held([worker])
        assert processes.spent([worker]) > 0

        small, answered = grpc_call(running.grpc_port, grpc("renamed", package.signature, tensors))
        request = len(grpc("renamed", package.signature, tensors))
        assert request < small < request + 60
        assert answered > 40
        with pytest.raises(NotAnswered, match="over gRPC was refused"):
            grpc_call(running.grpc_port, grpc("nobody", package.signature, tensors))
    assert not alive(worker)


def test_a_large_call_over_grpc_goes_in_pieces(tmp_path):
    package = models.open_width(tmp_path)
    count = 400_000
    tensors = [{"name": "x", "shape": [1, count], "datatype": "FP32", "data": [1.0] * count}]
    with loopback(Found("open", 1, package.folder), os.environ) as running:
        sent, answered = grpc_call(running.grpc_port, grpc("open", package.signature, tensors))
    assert 4 * count < sent < 4 * count + 3000
    assert 4 * count < answered < 4 * count + 3000


def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path):
    package = models.total(tmp_path)
    (package.folder / "manifest.json").write_text("{}")
    with (
        pytest.raises(LoadFailed, match=r"does not start: .*FRL-"),
        loopback(Found("total", 1, package.folder), os.environ),
    ):
        pass


def test_a_process_that_is_gone_holds_and_spends_nothing():
    gone = [2**22 + 1]
    assert (processes.held(gone), processes.most_held(gone), processes.spent(gone)) == (0, 0, 0)
    assert processes.below(gone[0]) == {}
