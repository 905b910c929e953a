"""ModelStreamInfer of a model that gives many answers to a request, by a real grpcio."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from tests.functions import packed
from tests.processes import server

from fairlead.protos.pool import methods
from fairlead.wires.oip_grpc import SERVICE

SOURCE = """
    import numpy as np

    def numbers(count):
        for number in range(int(count[0])):
            yield {"number": np.array([number])}
"""
TAKES, GIVES = methods(SERVICE)["ModelStreamInfer"]


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    repository = packed(tmp_path_factory.mktemp("decoupled"), SOURCE, "numbers")
    with (
        server(repository, state=tmp_path_factory.mktemp("state"), workers=1) as made,
        grpc.insecure_channel(f"127.0.0.1:{made.grpc_port}") as channel,
    ):
        yield channel


def request(count: int, *, empty_final: bool = False, identity: str = "a"):
    made = TAKES(
        model_name="numbers",
        id=identity,
        inputs=[{"name": "count", "datatype": "INT64", "shape": [1]}],
        raw_input_contents=[np.array([count], dtype=np.int64).tobytes()],
    )
    if empty_final:
        made.parameters["triton_enable_empty_final_response"].bool_param = True
    return made


def stream(channel, *requests):
    call = channel.stream_stream(
        f"/{SERVICE}/ModelStreamInfer",
        request_serializer=TAKES.SerializeToString,
        response_deserializer=GIVES.FromString,
    )
    return call(iter(requests), timeout=30)


def is_final(answer) -> bool:
    return answer.infer_response.parameters["triton_final_response"].bool_param


def number(answer) -> int:
    return int(np.frombuffer(answer.infer_response.raw_output_contents[0], dtype=np.int64)[0])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_there_are_as_many_answers_as_the_model_gives(channel, count):
    found = [*stream(channel, request(count))]
    assert [number(answer) for answer in found] == [*range(count)]
    assert [answer.infer_response.id for answer in found] == ["a"] * count
    assert not any(is_final(answer) for answer in found)


@pytest.mark.parametrize("count", [0, 2])
def test_an_empty_last_answer_comes_for_who_asks_for_it(channel, count):
    *found, last = stream(channel, request(count, empty_final=True))
    assert len(found) == count
    assert is_final(last)
    assert not last.infer_response.raw_output_contents
    assert last.infer_response.id == "a"


def test_a_unary_call_is_refused(channel):
    takes, gives = methods(SERVICE)["ModelInfer"]
    call = channel.unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    with pytest.raises(grpc.RpcError) as refused:
        call(request(1), timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_that_is_cancelled_leaves_the_model_free(channel):
    left = stream(channel, request(10**9))
    assert number(next(left)) == 0
    left.cancel()
    assert [number(answer) for answer in stream(channel, request(3))] == [0, 1, 2]


def test_two_streams_take_turns(channel):
    long = stream(channel, request(10**9))
    assert number(next(long)) == 0
    assert len([*stream(channel, request(50))]) == 50
    assert number(next(long)) == 1
    long.cancel()
