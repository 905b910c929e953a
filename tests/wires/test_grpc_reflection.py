"""Services described by the server itself, on a real server, as grpcurl asks for them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from tests.processes import server

from fairlead.protos.pool import methods
from fairlead.wires.oip_grpc import SERVICE

REFLECTION = "grpc.reflection.v1.ServerReflection"
METHOD = "ServerReflectionInfo"


@pytest.fixture(scope="module")
def channel(small_models, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    with (
        server(small_models, state=state, workers=1) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as made,
    ):
        yield made


def asked(channel, *questions: dict[str, str], service: str = REFLECTION) -> list[Any]:
    takes, gives = methods(REFLECTION)[METHOD]
    call = channel.stream_stream(
        f"/{service}/{METHOD}",
        request_serializer=takes.SerializeToString,
        response_deserializer=gives.FromString,
    )
    return [*call(iter([takes(**q) for q in questions]), timeout=30)]


@pytest.mark.parametrize("service", [REFLECTION, "grpc.reflection.v1alpha.ServerReflection"])
def test_services_are_listed_under_both_names_of_reflection(channel, service):
    (answer,) = asked(channel, {"list_services": ""}, service=service)
    named = {s.name for s in answer.list_services_response.service}
    assert named >= {SERVICE, service, "grpc.health.v1.Health"}


def test_files_that_are_told_make_a_pool_with_every_service(channel):
    (told,) = asked(channel, {"list_services": ""})
    pool = descriptor_pool.DescriptorPool()
    for one in told.list_services_response.service:
        name = one.name.replace("v1alpha", "v1")
        (answer,) = asked(channel, {"file_containing_symbol": one.name})
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            pool.AddSerializedFile(raw)
        assert pool.FindServiceByName(name).methods
    (answer,) = asked(channel, {"file_containing_symbol": "inference.ModelInferRequest"})
    files = answer.file_descriptor_response.file_descriptor_proto
    assert "inference" in {descriptor_pb2.FileDescriptorProto.FromString(f).package for f in files}


def test_a_question_about_nothing_is_answered_and_the_next_one_too(channel):
    questions = [{"file_containing_symbol": "no.Such"}, {"file_by_filename": "no.proto"}]
    answers = asked(channel, *questions, {"list_services": ""})
    assert [a.error_response.error_code for a in answers] == [5, 5, 0]
    assert answers[0].original_request.file_containing_symbol == "no.Such"
    with pytest.raises(grpc.RpcError) as error:
        asked(channel, {})
    assert error.value.code().name == "INVALID_ARGUMENT"
