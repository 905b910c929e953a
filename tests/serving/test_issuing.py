"""The keys of issuers travel from the bookkeeper to the workers, and what is missed back."""

import asyncio
import json

import pytest
from tests.access.issuing import RULES, public, signed
from tests.access.parts import NOW

from fairlead.access.identities import Identities
from fairlead.access.identity_rules import parse_identities
from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import IssuerUnavailable, TokenUntrusted
from fairlead.serving import exchange, issuing
from fairlead.serving.issuing import KIND, IssuerNews, Issuing
from fairlead.serving.office import Office


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": public("ES256")}))
    return parse_identities(RULES, tmp_path / "identities.toml")


async def until(true, seconds=20.0):
    """Waits until something is true."""
    end = now() + seconds
    while not true():
        assert now() < end
        await asyncio.sleep(0.01)


class Worker:
    """A worker's side: its line, and what it knows."""

    def __init__(self, rules):
        self.identities = Identities(rules)
        self.line = None
        self.news = IssuerNews(self.identities, lambda message: self.line.send(message))

    async def join(self, folder):
        self.line = await exchange.connect(folder, self.hear, lambda line: None)
        self.line.send({"kind": "hello"})

    def hear(self, line, message):
        assert message["kind"] == KIND
        self.news.hear(message)

    def knows(self, *kinds):
        found = self.identities._keys.get("shop")
        return found is not None and [key.kid for key in found._keys] == list(kinds)


def at_an_office(rules, folder, act):
    """Runs `act` beside an office with the desk of issuers."""

    async def run():
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        desk = Issuing(rules, loop.call_soon_threadsafe, wanted_s=0.05)
        office = asyncio.create_task(Office(folder, [desk]).run(over))
        try:
            await act(desk)
        finally:
            over.set()
            await office
            for source in desk._sources._sources.values():
                await asyncio.to_thread(source.join, 20)

    asyncio.run(run())


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


def test_every_worker_hears_of_the_keys_whether_it_came_before_them_or_after(rules, folder):
    async def act(desk):
        early, late = Worker(rules), Worker(rules)
        await until(lambda: (folder / exchange.SOCKET).exists())
        await early.join(folder)
        await until(lambda: early.knows("ES256"))
        await late.join(folder)
        await until(lambda: late.knows("ES256"))
        for worker in (early, late):
            worker.line.close()

    at_an_office(rules, folder, act)


def test_keys_that_a_worker_misses_are_fetched_for_all_of_them(rules, folder, tmp_path):
    async def act(desk):
        one, other = Worker(rules), Worker(rules)
        await until(lambda: (folder / exchange.SOCKET).exists())
        for worker in (one, other):
            await worker.join(folder)
            await until(lambda worker=worker: worker.knows("ES256"))
        new = {"keys": public("ES384", "ES256")}
        (tmp_path / "keys.json").write_text(json.dumps(new))
        with pytest.raises(TokenUntrusted):
            one.identities.token_caller(signed(algorithm="ES384"), wall_ns())
        one.news.beat()
        await until(lambda: one.knows("ES384", "ES256"))
        await until(lambda: other.knows("ES384", "ES256"))
        for worker in (one, other):
            worker.line.close()

    at_an_office(rules, folder, act)


def test_a_worker_that_misses_nothing_says_nothing(rules):
    sent = []
    identities = Identities(rules)
    news = IssuerNews(identities, lambda message: bool(sent.append(message)))
    news.beat()
    assert sent == []
    with pytest.raises(IssuerUnavailable):
        identities.token_caller(signed(), NOW)
    news.beat()
    news.beat()
    assert sent == [{"kind": KIND, "wanted": ["shop"]}]


def test_an_issuer_that_cannot_be_reached_is_told_in_the_log(rules, folder, tmp_path, capsys):
    (tmp_path / "keys.json").unlink()

    async def act(desk):
        said = []
        await until(
            lambda: said.append(capsys.readouterr().err) or "issuer_unreachable" in said[-1]
        )
        (line,) = [json.loads(one) for one in said[-1].splitlines() if "issuer" in one]
        assert (line["issuer"], line["level"]) == ("shop", "warning")
        assert str(tmp_path) not in line["why"]

    at_an_office(rules, folder, act)


def test_a_message_about_nobody_harms_nothing(rules, folder):
    async def act(desk):
        worker = Worker(rules)
        await until(lambda: (folder / exchange.SOCKET).exists())
        await worker.join(folder)
        worker.line.send({"kind": issuing.KIND, "wanted": ["nobody"]})
        await until(lambda: worker.knows("ES256"))
        worker.line.close()

    at_an_office(rules, folder, act)
