"""The Python client over gRPC where things go wrong: keys, limits, time, servers that are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests import models
from tests.certificates import Authority
from tests.client.parts import ask as ask
from tests.client.test_client import ROWS
from tests.processes import Running, free_port, until
from tests.processes import server as started
from tests.serving.test_keys_served import Keyed

import fairlead
from fairlead.client.retry import Retries
from fairlead.core.errors import (
    BadUsage,
    DeadlineExceeded,
    FileUnreadable,
    KeyMalformed,
    ResourceExhausted,
    ServerUnreachable,
    Unauthenticated,
)

PATIENT = Retries(attempts=1000, share=1.0, free=1000.0)
ONCE = Retries(attempts=1)


def test_a_key_is_shown_and_without_one_nothing_is_told(ask, small_models, tmp_path):
    with started(small_models, state=tmp_path) as running:
        key = Keyed(running, tmp_path).key("k", "predict:total")
        address = f"grpc://127.0.0.1:{running.grpc_port}"
        assert ask(address, "models", settings={"key": key}) == ["total"]
        assert ask(address, "predict", "total", ROWS, settings={"key": key}).values == [6.0, 15.0]
        for words in (("models",), ("model", "total"), ("predict", "total", ROWS)):
            with pytest.raises(Unauthenticated):
                ask(address, *words)
        assert ask(address, "ready")
        with pytest.raises(KeyMalformed):
            ask(address, "models", settings={"key": "no key"})


def test_time_that_is_over_is_said(ask, tmp_path):
    models.steps(tmp_path / "models", words="[limits]\ntime_budget_s = 60\n")
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        address = f"grpc://127.0.0.1:{running.grpc_port}"
        with pytest.raises(DeadlineExceeded):
            ask(address, "predict", "steps", [{"count": 10_000_000}], timeout=0.5)
        with pytest.raises(DeadlineExceeded):
            ask(address, "predict", "steps", [{"count": 1}], timeout=1e-9)


def test_a_limit_says_when_to_ask_again_and_a_short_one_is_waited_for(ask, small_models, tmp_path):
    with started(small_models, state=tmp_path) as running:
        keyed = Keyed(running, tmp_path)
        address = f"grpc://127.0.0.1:{running.grpc_port}"
        long = {"key": keyed.key("long", "predict:*", limits=["requests=1/hour"])}
        assert ask(address, "predict", "total", ROWS, settings=long).values == [6.0, 15.0]
        with pytest.raises(ResourceExhausted) as used:
            ask(address, "predict", "total", ROWS, settings=long)
        assert used.value.retry_after >= 1
        assert used.value.grpc_status == 8
        short = {"key": keyed.key("short", "predict:*", limits=["requests=1/second"])}
        short["retries"] = PATIENT
        for _ in range(3):
            assert ask(address, "predict", "total", ROWS, settings=short).values == [6.0, 15.0]


def test_a_server_that_is_gone_is_said_and_one_that_comes_back_is_found(
    ask, small_models, tmp_path
):
    port = free_port()
    flags = ["--port", "0", "--grpc-port", str(port), "--workers", "1", "--state", str(tmp_path)]
    address = f"grpc://127.0.0.1:{port}"
    with pytest.raises(ServerUnreachable) as gone:
        ask(address, "predict", "total", ROWS, settings={"retries": ONCE})
    assert str(port) in gone.value.what
    with ThreadPoolExecutor() as pool:
        words = partial(ask, settings={"retries": PATIENT})
        asked = pool.submit(words, address, "predict", "total", ROWS)
        running = Running(small_models, *flags)
        try:
            running.greeted()
            assert asked.result(60).values == [6.0, 15.0]
        finally:
            running.end()


def test_one_client_outlives_the_server_that_it_asked(small_models, tmp_path):
    port = free_port()
    flags = ["--port", "0", "--grpc-port", str(port), "--workers", "1", "--state", str(tmp_path)]
    with fairlead.Client(f"grpc://127.0.0.1:{port}", retries=PATIENT) as client:
        for _ in range(2):
            running = Running(small_models, *flags)
            try:
                running.greeted()
                assert client.predict("total", ROWS).values == [6.0, 15.0]
                assert running.stop() == 0
            finally:
                running.end()


def test_a_call_that_breaks_off_is_said_and_not_made_again(ask, tmp_path):
    models.steps(tmp_path / "models", words="[limits]\ntime_budget_s = 60\n")
    with started(tmp_path / "models", state=tmp_path / "state") as running:
        key = Keyed(running, tmp_path / "state").key("k", "predict:*", limits=["concurrency=1"])
        address = f"grpc://127.0.0.1:{running.grpc_port}"
        settings = {"key": key, "retries": PATIENT}
        words = partial(ask, address, "predict", "steps", settings=settings)

        def under_way() -> bool:
            return running.asked("/predict/steps", key, {"count": 1})[0] == 429

        with ThreadPoolExecutor() as pool:
            asked = pool.submit(words, [{"count": 20_000_000}])
            until(under_way)
            os.kill(running.workers[0], signal.SIGKILL)
            error = asked.exception(60)
        assert type(error) is ServerUnreachable
        assert "It may have been made" in error.fix


def test_certificates_are_checked_by_the_authority_that_is_named(ask, small_models, tmp_path):
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("server")
    flags = ["--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]
    with started(small_models, *flags, state=tmp_path / "state") as running:
        address = f"grpcs://127.0.0.1:{running.grpc_port}"
        found = ask(address, "predict", "total", ROWS, settings={"verify": str(authority.file)})
        assert found.values == [6.0, 15.0]
        with pytest.raises(ServerUnreachable):
            ask(address, "predict", "total", ROWS, settings={"retries": ONCE})


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(BadUsage):
        fairlead.Client("grpcs://127.0.0.1:1", verify=False)
    with pytest.raises(FileUnreadable):
        fairlead.AsyncClient("grpcs://127.0.0.1:1", verify="/absent.pem")
    with pytest.raises(BadUsage):
        fairlead.Client("grpc://127.0.0.1:1/path")


def test_without_its_library_the_extra_is_named_and_http_goes_on():
    program = """
import sys
sys.modules["grpc"] = None
import fairlead
fairlead.Client("http://127.0.0.1:1").close()
for kind in (fairlead.Client, fairlead.AsyncClient):
    try:
        kind("grpc://127.0.0.1:1")
    except fairlead.errors.MissingExtra as error:
        print(error.fix)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["pip install 'fairlead[grpc]'"] * 2


def test_a_client_of_http_carries_nothing_of_grpc():
    program = (
        "import sys, fairlead; fairlead.Client('http://127.0.0.1:1').close(); "
        "print({'grpc', 'google.protobuf', 'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
