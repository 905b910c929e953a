"""The kserve Python client, as it is: REST v1 and v2, and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from tests.clients.parts import NUMBERS, check_coverage, elements


@pytest.fixture
def rest(served) -> Callable[..., Any]:
    """Runs a function of (client, base address) with a REST client of a protocol."""

    def runs(protocol: str, test: Callable[..., Any]) -> Any:
        async def inside() -> Any:
            made = InferenceRESTClient(RESTConfig(protocol=protocol, retries=1, timeout=60))
            try:
                return await test(made, f"http://{served.http}")
            finally:
                await made.close()

        return asyncio.run(inside())

    return runs


@pytest.fixture
def grpc(served) -> Callable[..., Any]:
    def runs(test: Callable[..., Any]) -> Any:
        async def inside() -> Any:
            made = InferenceGRPCClient(served.grpc)
            try:
                return await test(made)
            finally:
                await made.close()

        return asyncio.run(inside())

    return runs


def request(datatype: str = "FP32", binary: bool = False, model: str = "") -> InferRequest:
    given = elements(datatype)
    made = InferInput("x", list(given.shape), datatype)
    made.set_data_from_numpy(given, binary_data=binary)
    return InferRequest(model or f"identity_{datatype.lower()}", [made], request_id="7")


@pytest.mark.parametrize("which", [InferenceRESTClient, InferenceGRPCClient])
def test_every_public_method_is_tried_here(which):
    check_coverage(__file__, which, f"kserve.{which.__name__}")


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_health(rest, protocol):
    async def test(client, base):
        assert await client.is_server_live(base)
        if protocol == "v2":
            assert await client.is_server_ready(base)
        assert await client.is_model_ready(base, "total")
        if protocol == "v2":
            assert not await client.is_model_ready(base, "nobody")

    rest(protocol, test)


def test_v1_predicts_rows(rest):
    async def test(client, base):
        rows = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
        answer = await client.infer(base, {"instances": rows}, model_name="identity_fp32")
        assert answer == {"predictions": rows}

    rest("v1", test)


def test_v1_explain_is_refused_clearly(rest):
    async def test(client, base):
        with pytest.raises(Exception, match=r"501|explain"):
            await client.explain(base, "identity_fp32", {"instances": [[1, 2, 3, 4]]})

    rest("v1", test)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_v2_numbers_come_back_as_they_were(rest, datatype, binary):
    if datatype == "FP16" and not binary:
        pytest.skip("kserve itself sends FP16 as binary only")

    async def test(client, base):
        answer = await client.infer(
            base, request(datatype, binary), model_name=f"identity_{datatype.lower()}"
        )
        [output] = answer.outputs
        np.testing.assert_array_equal(
            np.asarray(output.as_numpy()).reshape(2, 4), elements(datatype)
        )
        assert answer.id == "7"

    rest("v2", test)


def test_v2_unknown_models_are_not_found(rest):
    async def test(client, base):
        with pytest.raises(Exception, match="404"):
            await client.infer(base, request(model="nobody"), model_name="nobody")

    rest("v2", test)


def test_grpc_health(grpc):
    async def test(client):
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("total")

    grpc(test)


@pytest.mark.parametrize("datatype", NUMBERS)
def test_grpc_numbers_come_back_as_they_were(grpc, datatype):
    async def test(client):
        answer = await client.infer(request(datatype, binary=True))
        found = np.asarray(answer.outputs[0].as_numpy()).reshape(2, 4)
        np.testing.assert_array_equal(found, elements(datatype))

    grpc(test)
