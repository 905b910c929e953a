"""A body is what its pieces are, one after the other."""

from __future__ import annotations

import pytest

from fairlead.edge.body import Body


@pytest.mark.parametrize(
    "sizes", [[], [5], [1, 2, 3], [700_000] * 4, [3 << 20], [1 << 20, 1]], ids=str
)
def test_a_body_is_its_pieces_in_order_and_then_empty(sizes):
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    body = Body()
    for _ in range(2):
        for piece in pieces:
            body.append(piece)
        assert body.take() == b"".join(pieces)
    assert body.take() == b""
