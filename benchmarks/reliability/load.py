"""Open-loop load on REST and gRPC alike: each call has its moment, whatever became of the others.

Every answer is compared with what its own request must give, so that a mix-up is seen. A call is
tried again once, by the rule that the promise allows; what still failed is kept with its moment.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from typing import Any

import grpc

from fairlead.protos.pool import message

PATIENCE_S = 10.0
"""A call without an answer after so long hangs."""

_ADDRESS = "/inference.GRPCInferenceService/ModelInfer"
_PAUSE_S = 0.05
"""Before a further attempt, where the first one was not merely on a stale connection."""
_SOON_S = 0.0015
"""Within which a caller gives up: about as long as an answer takes."""
_MOST_OPEN = 2000
_LARGEST = 1 << 22


class Stale(Exception):
    """A connection that was used before ended before the first byte of the answer came."""


class Failed(Exception):
    """A call that was not answered well; the word says how."""


def never(how: str) -> bool:
    """No call is tried again, but for those on a stale connection (of HTTP/1.1)."""
    return how == "stale"


def once(how: str) -> bool:
    """A call is tried again once whatever became of it, unless it hangs."""
    return how != "hung"


@dataclass(slots=True)
class Seen:
    """What became of the calls.

    failed: (protocol, how, moment, seconds it took) of each that failed in the end. tries: how the
    first attempts failed, as a count. mismatched: answers that belong to another request.
    """

    sent: int = 0
    answered: int = 0
    cancelled: int = 0
    mismatched: int = 0
    failed: list[tuple[str, str, float, float]] = field(default_factory=list[Any])
    tries: Counter[str] = field(default_factory=Counter[str])
    waits: list[float] = field(default_factory=list[float])

    @property
    def hung(self) -> int:
        """Calls that had no answer at all."""
        return sum(how == "hung" for _, how, *_ in self.failed)


class Load(Thread):
    """Calls to model `total` or another of its signature, at random moments.

    rate: calls a second, half of them over each protocol. again: whether a call whose first
    attempt failed in this way is tried again. cancels: the share that is given up on the way.
    spoil:  changes what came, for a negative control.
    """

    def __init__(
        self,
        port: int,
        grpc_port: int,
        rate: float,
        seed: int,
        *,
        model: str = "total",
        again: Callable[[str], bool] = once,
        cancels: float = 0.0,
        spoil: Callable[[float], float] = lambda value: value,
        protocols: tuple[str, ...] = ("rest", "grpc"),
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(daemon=True)
        self.seen = Seen()
        self._port, self._grpc_port, self._rate = port, grpc_port, rate
        self._chance = random.Random(seed)
        self._model, self._again, self._cancels = model, again, cancels
        self._spoil, self._protocols, self._patience_s = spoil, protocols, patience_s
        self._over = False
        self._pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._channel: Any = None

    def stop(self) -> Seen:
        """Sends nothing more, waits for what is under way, and gives what was seen."""
        self._over = True
        self.join(60 + 2 * self._patience_s)
        assert not self.is_alive(), "the load does not end"
        return self.seen

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        open_: set[asyncio.Task[None]] = set()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._grpc_port}") as channel:
            self._channel = channel.unary_unary(_ADDRESS)
            due = time.perf_counter()
            while not self._over:
                due += self._chance.expovariate(self._rate)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                assert len(open_) < _MOST_OPEN, "calls pile up"
                number, self.seen.sent = self.seen.sent, self.seen.sent + 1
                task = asyncio.create_task(self._call(number, due))
                open_.add(task)
                task.add_done_callback(open_.discard)
            await asyncio.gather(*open_)
        for _, writer in self._pool:
            writer.close()

    async def _call(self, number: int, due: float) -> None:
        """One call, with its one further attempt."""
        protocol = self._protocols[number % len(self._protocols)]
        attempt = self._rest if protocol == "rest" else self._grpc
        given_up = self._chance.random() < self._cancels
        how = ""
        for turn in range(2):
            try:
                value = await self._tried(attempt(number, turn > 0), given_up)
            except asyncio.CancelledError:
                self.seen.cancelled += 1
                return
            except Failed as error:
                how = str(error)
                self.seen.tries[f"{protocol} {how}"] += turn == 0
                if turn or not self._again(how):
                    break
                if how != "stale":
                    await asyncio.sleep(_PAUSE_S * (0.5 + self._chance.random()))
            else:
                self.seen.answered += 1
                self.seen.mismatched += self._spoil(value) != wanted(number)
                self.seen.waits.append(time.perf_counter() - due)
                return
        self.seen.failed.append((protocol, how, due, time.perf_counter() - due))

    async def _tried(self, attempt: Any, given_up: bool) -> float:
        task = asyncio.ensure_future(attempt)
        if given_up:
            await asyncio.sleep(self._chance.random() * _SOON_S)
            task.cancel()
        try:
            return await asyncio.wait_for(task, self._patience_s)
        except TimeoutError:
            raise Failed("hung") from None
        except Stale:
            raise Failed("stale") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Failed(type(error).__name__) from error

    # --- HTTP/1.1 -----------------------------------------------------------------------------

    async def _rest(self, number: int, again: bool) -> float:
        used = bool(self._pool) and not again
        reader, writer = (
            self._pool.pop() if used else await asyncio.open_connection("127.0.0.1", self._port)
        )
        kept = False
        try:
            writer.write(self._request(number))
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError) as error:
                if used and not getattr(error, "partial", b""):
                    raise Stale from error
                raise
            status, length, closes = _told(head)
            body = await reader.readexactly(length)
            kept = not closes
        finally:
            if kept:
                self._pool.append((reader, writer))
            else:
                writer.close()
        if status != 200:
            raise Failed(f"{status} {_code_in(body)}")
        return float(json.loads(body)["predictions"][0]["value"])

    def _request(self, number: int) -> bytes:
        a, b, c = row(number)
        body = b'{"a": %d, "b": %d, "c": %d}' % (a, b, c)
        return (
            b"POST /predict/%b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (self._model.encode(), len(body), body)
        )

    # --- gRPC -----------------------------------------------------------------------------------

    async def _grpc(self, number: int, again: bool) -> float:
        request, found = message("inference.ModelInferRequest"), _answers()
        asked = request(model_name=self._model)
        asked.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        asked.raw_input_contents.append(struct.pack("<3f", *row(number)))
        try:
            raw = await self._channel(asked.SerializeToString(), timeout=2 * self._patience_s)
        except grpc.aio.AioRpcError as error:
            raise Failed(f"{error.code().name} {(error.details() or '')[:60]}") from error
        answer = found.FromString(raw)
        return struct.unpack("<f", answer.raw_output_contents[0][:4])[0]


@cache
def _answers() -> Any:
    return message("inference.ModelInferResponse")


def row(number: int) -> tuple[int, int, int]:
    """The columns of a call: no two calls within 4,000,000 have the same sum, exact in FP32."""
    unique = number % 4_000_000
    return 2 * unique, unique % 2, unique - unique % 2


def wanted(number: int) -> float:
    """What the model answers to that row."""
    return float(sum(row(number)))


def _told(head: bytes) -> tuple[int, int, bool]:
    """Status, bytes of the body, and whether the connection ends."""
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    assert length < _LARGEST
    return int(lines[0][9:12]), length, b"connection: close" in lines


def _code_in(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    return str(told.get("id") or told.get("code") or "")
