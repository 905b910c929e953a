"""The desk of limits: its answers reach a worker to which much else is on its way."""

from __future__ import annotations

import asyncio

from tests.serving.test_exchange import Heard

from fairlead.access.metering import OwnMeters
from fairlead.serving import exchange
from fairlead.serving.exchange import connect, listen
from fairlead.serving.lending import Lender
from fairlead.usage.stores.meters import open_meters

WANTED = ['["key","a","","requests-per-day"]', "requests=5/day", "UTC", 1, 1]


def test_units_are_lent_to_a_worker_that_is_being_told_a_long_book(tmp_path, monkeypatch):
    """An answer that were dropped would be waited for until the line breaks, perhaps for ever."""
    monkeypatch.setattr(exchange, "_MOST_UNSENT", 1 << 20)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        opened = asyncio.Event()

        def tell(done) -> None:
            loop.call_soon_threadsafe(lambda: (done(), opened.set()))

        lender = Lender(lambda b: (OwnMeters(open_meters(tmp_path), b), True), tell)
        lender.beat()
        await asyncio.wait_for(opened.wait(), 10)

        def heard(line, message) -> None:
            while line.send({"kind": "book", "filler": "x" * (1 << 18)}):
                pass
            lender.take(line, message)

        worker = Heard()
        server = await listen(tmp_path, heard, lender.lost)
        line = await connect(tmp_path, worker.heard, worker.gone)
        line.send({"kind": "lease", "worker": "w", "wants": [[WANTED]]})
        await worker.until(lambda: any(m["kind"] == "lent" for m in worker.messages))
        lent = next(m for m in worker.messages if m["kind"] == "lent")
        assert lent["lent"][0][:2] == [WANTED[0], 1]
        line.close()
        server.close()
        await worker.until(lambda: worker.lost)
        lender.close()

    asyncio.run(run())
