"""`fairlead prices` on real sockets: a server here answers as the providers document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.costs.refresh.shapes import (
    GCP_PARTS,
    azure_item,
    azure_page,
    ec2_csv,
    ec2_row,
    sagemaker_json,
)

from fairlead.cli.main import main
from fairlead.costs.prices import packaged, prices_in

PRICES = packaged()
AZURE = "/api/retail/prices"
TODAY = date.today().isoformat()


class Services:
    """What is answered, by the beginning of the path; and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[str], tuple[int, bytes, dict[str, str]]]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def say(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = lambda _: (status, raw, headers)

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append((path, headers))
        for begin, reply in self.answers.items():
            if path.startswith(begin):
                return reply(path)
        return 404, b"", {}


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = made.answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def aws_says(services: Services, region: str = "us-east-1", times: float = 1.1) -> None:
    rows = [
        ec2_row(m.name, m.hourly.usd * times)
        for m in PRICES.in_reach("aws")
        if m.name != "g6f.large"
    ]
    windows = [ec2_row(m.name, 9.0, **{"Operating System": "Windows"}) for m in PRICES.machines]
    offers = "/offers/v1.0/aws"
    services.say(
        f"{offers}/AmazonEC2/current/{region}/index.csv", ec2_csv(*rows, *windows).encode()
    )
    hosted = [
        (f"USE1-Host:ml.{m.name}", "Hrs", m.hosting.usd * times)
        for m in PRICES.in_reach("aws")
        if m.hosting
    ]
    services.say(f"{offers}/AmazonSageMaker/current/{region}/index.json", sagemaker_json(*hosted))


def azure_says(services: Services) -> None:
    """Two pages for each question: the first machine of it on the second page."""

    def reply(path: str) -> tuple[int, bytes, dict[str, str]]:
        asked = parse_qs(urlsplit(path).query)["$filter"][0]
        items = [
            azure_item(m.name, m.hourly.usd, armRegionName=m.region)
            for m in PRICES.in_reach("azure")
            if f"'{m.name}'" in asked and f"'{m.region}'" in asked
        ]
        if "$skip" in unquote(path):
            return 200, json.dumps(azure_page(*items[:1])).encode(), {}
        following = f"{services.url}{path}&$skip=100"
        return 200, json.dumps(azure_page(*items[1:], following=following)).encode(), {}

    services.answers[AZURE] = reply


def refresh(services: Services, state: Path, *words: str) -> int:
    addresses = [f"--address={cloud}={services.url}" for cloud in ("aws", "azure", "gcp")]
    return main(["prices", "refresh", "--state", str(state), *addresses, *words])


def test_prices_of_today_are_kept_where_later_commands_take_them(services, tmp_path, capsys):
    aws_says(services)
    azure_says(services)
    assert refresh(services, tmp_path) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path / 'prices.csv'}: prices of ")
    assert "gcp: its catalog needs a key" in err
    assert "no single price, left as it was: g6f.large" in err
    found = prices_in(tmp_path)
    large = found.machine("aws/m5.large")
    assert large.hourly.usd == pytest.approx(0.096 * 1.1)
    assert (large.hourly.date, large.hosting and large.hosting.date) == ("2026-11-20", "2026-11-21")
    assert found.machine("azure/Standard_D2s_v5").hourly.date == TODAY
    assert found.machine("aws/g6f.large") == PRICES.machine("aws/g6f.large")
    assert found.machine("gcp/n2-standard-2") == PRICES.machine("gcp/n2-standard-2")


def test_another_region_is_added_and_stays_when_others_are_fetched(services, tmp_path):
    aws_says(services, "eu-central-1", 1.2)
    assert refresh(services, tmp_path, "--from", "aws", "--region", "aws/eu-central-1") == 0
    aws_says(services)
    assert refresh(services, tmp_path, "--from", "aws") == 0
    found = prices_in(tmp_path)
    assert found.machine("aws/m5.large", "eu-central-1").hourly.usd == pytest.approx(0.096 * 1.2)
    assert found.machine("aws/m5.large", "us-east-1").hourly.usd == pytest.approx(0.096 * 1.1)


def test_what_was_fetched_gives_way_to_a_newer_table(services, tmp_path):
    aws_says(services)
    services.say(
        "/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.csv",
        ec2_csv(ec2_row("m5.large", 0.09), published="2025-01-01T00:00:00Z").encode(),
    )
    assert refresh(services, tmp_path, "--from", "aws") == 0
    assert prices_in(tmp_path).machines == PRICES.machines


def test_google_is_asked_with_a_key_that_is_in_no_address(services, tmp_path, capsys):
    services.say("/v1/services/6F81-5844-456A/skus", {"skus": GCP_PARTS})
    key = tmp_path / "key"
    key.write_text("a-secret-key\n")
    assert refresh(services, tmp_path, "--from", "gcp", "--gcp-key", str(key)) == 0
    ((path, headers),) = services.asked
    assert "secret" not in path
    assert headers["X-Goog-Api-Key"] == "a-secret-key"
    assert "secret" not in "".join(capsys.readouterr())
    assert prices_in(tmp_path).machine("gcp/n2-standard-2").hourly.date == TODAY


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda s: s.answers.pop(AZURE), "answered 404"),
        (lambda s: s.say(AZURE, b"<html>"), "this is no JSON"),
        (lambda s: s.say(AZURE, {"Items": 1}), "'Items' is no list"),
        (lambda s: s.say(AZURE, azure_page()), "not one known machine"),
        (lambda s: s.say(AZURE, b"", 302, Location="/elsewhere"), "answered 302"),
        (
            lambda s: s.say(AZURE, azure_page(following="http://127.0.0.1:9/x")),
            "is on another host",
        ),
        (
            lambda s: s.say(AZURE, azure_page(following=s.url + AZURE)),
            "more than 200 pages",
        ),
        (lambda s: s.say(AZURE, b"{", 200, **{"Content-Length": "9"}), "FRL-2508"),
    ],
)
def test_a_service_that_fails_changes_nothing(break_it, why, services, tmp_path, capsys):
    aws_says(services)
    assert refresh(services, tmp_path, "--from", "aws") == 0
    before = (tmp_path / "prices.csv").read_bytes()
    aws_says(services, times=1.3)
    azure_says(services)
    break_it(services)
    assert refresh(services, tmp_path, "--from", "aws,azure") == 2
    assert why in capsys.readouterr().err
    assert (tmp_path / "prices.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["prices.csv"]


def test_a_service_that_is_not_there_is_said(tmp_path, capsys):
    words = ["--from", "aws", "--address", "aws=http://127.0.0.1:9", "--state", str(tmp_path)]
    assert main(["prices", "refresh", *words]) == 2
    assert "FRL-2508" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--address", "aws=http://prices.example.org"], "no address by https"),
        (["--address", "aws=file:///etc/passwd"], "no address by https"),
        (["--address", "acme=https://x"], "prices of 'acme' cannot be fetched"),
        (["--from", "acme"], "prices of 'acme' cannot be fetched"),
        (["--region", "eu-central-1"], "is no region"),
        (["--region", "aws/../x"], "is no region"),
        (["--json"], "refresh takes"),
        (["--gcp-key", "/none"], "it holds no key"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused(words, why, tmp_path, capsys):
    assert main(["prices", "refresh", "--state", str(tmp_path), *words]) == 2
    assert why in capsys.readouterr().err


def test_with_no_key_google_alone_gives_nothing_and_changes_nothing(tmp_path, capsys):
    assert main(["prices", "refresh", "--from", "gcp", "--state", str(tmp_path)]) == 0
    assert "nothing was fetched" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_the_file_may_be_named(services, tmp_path):
    aws_says(services)
    path = tmp_path / "kept" / "ours.csv"
    assert refresh(services, tmp_path, "--from", "aws", "--output", str(path)) == 0
    assert prices_in(tmp_path, path).machine("aws/m5.large").hourly.date == "2026-11-20"


# --- show ---------------------------------------------------------------------------------


def show(capsys, state: Path, *words: str) -> tuple[str, str]:
    assert main(["prices", "show", "--state", str(state), *words]) == 0
    return capsys.readouterr()


def test_show_names_each_machine_and_how_old_prices_are(tmp_path, capsys):
    out, err = show(capsys, tmp_path, "--provider", "aws")
    assert len(out.splitlines()) == 1 + len(PRICES.in_reach("aws"))
    assert "aws/c7g.large" in out
    assert "the oldest price of a machine is of 2026-01-19" in err
    assert "warning: prices of machines are up to" in err


def test_show_has_every_source_as_json(tmp_path, capsys):
    out, _ = show(capsys, tmp_path, "--json", "--region", "us-east-1")
    told = json.loads(out)
    assert {machine["region"] for machine in told["machines"]} == {"us-east-1"}
    assert {"usd", "source", "date", "confidence"} == {*told["machines"][0]["hourly"]}
    assert {"usd", "source", "date", "confidence"} == {*told["meters"][0]["price"]}
    assert told["stale"] is True


def test_what_show_writes_as_csv_is_taken_back(tmp_path, capsys):
    out, _ = show(capsys, tmp_path, "--csv")
    path = tmp_path / "mine.csv"
    path.write_text(out)
    assert prices_in(tmp_path, path).machines == PRICES.machines
    out, _ = show(capsys, tmp_path, "--prices", str(path), "--json")
    assert json.loads(out)["version"] == f"{PRICES.version} + mine.csv"


def test_show_has_what_is_paid_by_use(tmp_path, capsys):
    out, _ = show(capsys, tmp_path, "--meters", "--provider", "aws")
    assert "aws/lambda" in out
    assert "internet above 10240" in out


@pytest.mark.parametrize(
    "words", [["--csv", "--json"], ["--csv", "--meters"], ["--region=a", "--region=b"]]
)
def test_show_refuses_what_does_not_go_together(words, tmp_path, capsys):
    assert main(["prices", "show", "--state", str(tmp_path), *words]) == 2
    assert "show takes one region" in capsys.readouterr().err
