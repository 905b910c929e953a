"""A real server under plans: what a key may follows its tenant's plan, and each call its price."""

from collections import Counter
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests import models
from tests.processes import server, until

from fairlead.assembly.asking import managed
from fairlead.assembly.ledgers import opened
from fairlead.assembly.rooms import open_room
from fairlead.usage.costs import Prices, statement
from fairlead.usage.query import totals

PLAN = """
[plan]
name = "gold"
currency = "EUR"
scopes = ["predict:{model}", "usage:read"]
[price]
request = "{price}"
row = "0.001"
[free]
rows = 2
"""
ROWS = {"rows": [{"a": 1, "b": 2, "c": 3}] * 2}


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    models.total(folder)
    models.total(folder, "other")
    return folder


def put(state, model: str, price: str) -> str:
    return managed(state, "plans.put", {"text": PLAN.format(model=model, price=price)}, make=True)[
        "title"
    ]


def test_calls_are_priced_by_the_plan_that_their_tenant_had(repository, tmp_path):
    state = tmp_path / "state"
    first = put(state, "total", "0.01")
    managed(state, "tenants.create", {"name": "acme", "plan": "gold", "zone": "Asia/Kathmandu"})
    given = {"name": "shop", "tenant": "acme", "scopes": ["predict:*"]}
    key = managed(state, "keys.create", given)["key"]
    answered = Counter[str]()
    with server(repository, state=state, workers=2) as running:

        def ask(model: str) -> int:
            status = running.asked(f"/predict/{model}", key, ROWS)[0]
            answered[model] += status == 200
            return status

        assert [ask("total") for _ in range(5)] == [200] * 5
        assert ask("other") == 404
        second = put(state, "other", "7")
        assert ask("total") == 200
        managed(state, "tenants.change", {"name": "acme", "plan": "gold"})
        until(lambda: ask("other") == 200, 10, "a key did not follow its plan")
        until(lambda: ask("total") == 404, 10, "a worker did not follow the plan")
        assert running.stop() == 0
    # Whoever reaches one model is under the first plan, and under the second with the other.
    old, new = answered["total"], answered["other"]
    with opened(state) as ledger, closing(open_room(state)) as room:
        counted = {row["price"]: row["requests"] for row in totals(ledger.store, ["price"])}
        assert counted == {first: old, second: new}
        prices = Prices.of(room.database)
        today = datetime.now(ZoneInfo("Asia/Kathmandu")).date()
        lines = statement(ledger.store, prices, "acme", today)
        told = {(line.price, line.unit): (line.counted, line.free) for line in lines}
        assert told == {
            (first, "request"): (old, 0),
            (first, "row"): (2 * old, 2),
            (second, "request"): (new, 0),
            (second, "row"): (2 * new, 0),
        }
        assert [line.amount.minor for line in lines if line.unit == "request"] == [old, 700 * new]
        managed(state, "plans.put", {"text": PLAN.format(model="total", price="9")})
        later = Prices.of(room.database)
        assert len(later.plans) == 3
        assert statement(ledger.store, later, "acme", today) == lines
