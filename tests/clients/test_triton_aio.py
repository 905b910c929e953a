"""tritonclient's asyncio clients, as they are, over HTTP and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc.aio as over_grpc
import tritonclient.http.aio as over_http
from tests.clients.parts import NUMBERS, check_coverage, elements
from tritonclient.utils import InferenceServerException

WIRES = {"http": over_http, "grpc": over_grpc}


@pytest.fixture(params=WIRES)
def wire(request) -> str:
    return request.param


@pytest.fixture
def run(served, wire) -> Callable[..., Any]:
    """Runs a function of (client module, client) on a loop of its own."""

    def runs(test: Callable[..., Any]) -> Any:
        async def inside() -> Any:
            made = WIRES[wire].InferenceServerClient(getattr(served, wire))
            try:
                return await test(WIRES[wire], made)
            finally:
                await made.close()

        return asyncio.run(inside())

    return runs


def tensor(module: Any, name: str, array: np.ndarray, datatype: str) -> Any:
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


@pytest.mark.parametrize("which", WIRES)
def test_every_public_method_is_tried_here(which):
    check_coverage(__file__, WIRES[which].InferenceServerClient, f"tritonclient.{which}.aio")


def test_health_and_metadata(run):
    async def test(module, triton):
        assert await triton.is_server_live()
        assert await triton.is_server_ready()
        assert await triton.is_model_ready("total", "1")
        for told in (
            await triton.get_server_metadata(),
            await triton.get_model_metadata("total"),
            await triton.get_model_config("total"),
            await triton.get_model_repository_index(),
            await triton.get_inference_statistics(),
            await triton.get_trace_settings(),
            await triton.get_log_settings(),
        ):
            assert told
        assert not getattr(await triton.get_system_shared_memory_status(), "regions", [])
        assert not getattr(await triton.get_cuda_shared_memory_status(), "regions", [])

    run(test)


def test_models_come_and_go(run):
    async def test(module, triton):
        await triton.unload_model("logs")
        assert not await triton.is_model_ready("logs")
        await triton.load_model("logs")
        assert await triton.is_model_ready("logs")

    run(test)


def test_settings_may_be_sent(run):
    async def test(module, triton):
        assert await triton.update_trace_settings(settings={"trace_rate": "1000"})
        await triton.update_log_settings({"log_verbose_level": 0})
        await triton.unregister_system_shared_memory()
        await triton.unregister_cuda_shared_memory()
        with pytest.raises(InferenceServerException):
            await triton.register_system_shared_memory("region", "/key", 64)
        with pytest.raises(InferenceServerException):
            await triton.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 64)

    run(test)


def test_a_plugin_may_add_headers(run):
    async def test(module, triton):
        class Plugin(module.InferenceServerClientPlugin):
            def __call__(self, request):
                request.headers["x-request-id"] = "from-a-plugin"

        triton.register_plugin(Plugin())
        assert triton.plugin() is not None
        assert await triton.is_server_live()
        triton.unregister_plugin()

    run(test)


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_back_as_they_were(run, datatype):
    given = elements(datatype)

    async def test(module, triton):
        answer = await triton.infer(
            f"identity_{datatype.lower()}", [tensor(module, "x", given, datatype)], request_id="7"
        )
        np.testing.assert_array_equal(answer.as_numpy("y"), given)

    run(test)


def test_many_at_once(run):
    async def test(module, triton):
        sent = [np.full((1, 4), n, np.float32) for n in range(64)]
        answers = await asyncio.gather(
            *[triton.infer("identity_fp32", [tensor(module, "x", s, "FP32")]) for s in sent]
        )
        for answer, given in zip(answers, sent, strict=True):
            np.testing.assert_array_equal(answer.as_numpy("y"), given)

    run(test)


def test_what_is_wrong_is_said(run):
    async def test(module, triton):
        with pytest.raises(InferenceServerException, match="nobody"):
            await triton.infer("nobody", [tensor(module, "x", elements("FP32"), "FP32")])

    run(test)


def test_bodies_made_and_read_apart():
    made = over_http.InferenceServerClient
    body, size = made.generate_request_body([tensor(over_http, "x", elements("FP32"), "FP32")])
    assert len(body) == size + 32
    raw = b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1.5]}]}'
    assert made.parse_response_body(raw).as_numpy("y").tolist() == [1.5]


def test_a_stream_over_grpc(served):
    async def asks() -> AsyncIterator[dict[str, Any]]:
        for count in (2, 0, 3):
            given = [tensor(over_grpc, "count", np.array([count], np.int64), "INT64")]
            yield {"model_name": "tokens", "inputs": given, "request_id": str(count)}

    async def test() -> list[tuple[str, int]]:
        async with over_grpc.InferenceServerClient(served.grpc) as triton:
            found: list[tuple[str, int]] = []
            async for result, error in triton.stream_infer(asks()):
                assert error is None
                told = result.get_response()
                if told.outputs:
                    found.append((told.id, int(result.as_numpy("token").ravel()[0])))
            return found

    assert sorted(asyncio.run(test())) == [("2", 0), ("2", 1), ("3", 0), ("3", 1), ("3", 2)]
