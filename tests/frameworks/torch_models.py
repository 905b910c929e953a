"""Small torch modules with fixed random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

WORDS = 50


class Perceptron(nn.Module):
    """features [n, 8] to three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))

    def forward(self, features):
        return self.net(features)


class Picture(nn.Module):
    """image [n, 3, 8, 8] to five scores; with or without a reshape by the number of rows."""

    def __init__(self, by_size: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 6 * 6, 5)
        self.by_size = by_size

    def forward(self, image):
        seen = torch.relu(self.norm(self.convolution(image)))
        flat = seen.view(seen.size(0), -1) if self.by_size else seen.flatten(1)
        return self.last(flat).softmax(-1)


class Reader(nn.Module):
    """ids [n, length] and their mask to a dict of logits and the mean id."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.last = nn.Linear(16, 2)

    def forward(self, ids, mask):
        read = self.encoder(self.words(ids), src_key_padding_mask=mask)
        return {"logits": self.last(read.mean(1)), "mean": ids.float().mean(1)}


class Two(nn.Module):
    """Two inputs, two outputs, the second of which is an input."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(5, 3)

    def forward(self, a, b):
        return self.left(a) + self.right(b).mean(1), b


class Scaled(nn.Module):
    """An argument that is no tensor."""

    def forward(self, values, factor: float = 2.0):
        return values * factor


class Centred(nn.Module):
    """Each row's answer depends on the other rows."""

    def forward(self, values):
        return values - values.mean(0)


class Unconvertible(nn.Module):
    """An operator that ONNX has not."""

    def forward(self, values):
        return torch.special.airy_ai(values)


class Choosing(nn.Module):
    """TorchScript with control flow of its own, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, values):
        found = self.last(values)
        if values.shape[1] > 2:
            found = found * 2.0
        return found, values.sum(1)


def made(kind: Any, *arguments: Any) -> Any:
    """A module in evaluation mode, the same every time."""
    torch.manual_seed(0)
    return kind(*arguments).eval()


def exported(module: Any, *examples: Any, free: Any = None, **named: Any) -> Any:
    """The exported program; free: its dynamic shapes, None for none."""
    return torch.export.export(module, examples, named, dynamic_shapes=free)


def rows(*shape: int, seed: int = 1) -> Any:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids(*shape: int, seed: int = 1) -> Any:
    """Numbers of words."""
    return torch.randint(0, WORDS, shape, generator=torch.Generator().manual_seed(seed))


def answers(module: Any, *inputs: Any) -> list[Any]:
    """The module's own answers, as arrays."""
    with torch.no_grad():
        found = module(*inputs)
    found = list(found.values()) if isinstance(found, dict) else found
    return [f.numpy() for f in (found if isinstance(found, list | tuple) else [found])]
