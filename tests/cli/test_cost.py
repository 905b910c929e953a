"""`fairlead capacity` and `fairlead cost`: from a profile to machines and bills, or a clear no."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests import models
from tests.costs.samples import profile

from fairlead.cli.main import main as command


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A repository with one model of which a profile is kept, and the working directory there."""
    package = models.total(tmp_path / "models")
    kept = tmp_path / ".fairlead" / "profiles" / "total-1.json"
    kept.parent.mkdir(parents=True)
    known = replace(profile(), graph_sha256=package.files[package.graph].sha256)
    kept.write_text(json.dumps(known.to_json()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys, *words: str) -> dict:
    assert command([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words: str) -> str:
    assert command([*words]) == 2
    return capsys.readouterr().err


def test_capacity_says_how_many_machines_and_what_happens_next(place, capsys):
    assert command(["capacity", "total", "--traffic", "400/s, steady", "--p99", "300ms"]) == 0
    text = capsys.readouterr().out
    for word in ("needed", "safe", "twice", "one dies", "99 % of calls within 300 ms"):
        assert word in text


def test_capacity_is_the_same_for_a_seed_and_tells_it_as_json(place, capsys):
    words = ["capacity", "total", "--traffic", "100/s, bursty", "--p99", "0.3", "--seed", "7"]
    first = told(capsys, *words)
    assert first == told(capsys, *words)
    assert first["replicas"] >= 1
    assert first["traffic"]["dispersion"] == 70


def test_a_day_of_machines_that_come_and_go_is_simulated_where_it_is_quiet(place, capsys):
    quiet = told(capsys, "capacity", "total", "--traffic", "50/hour, open 8-18", "--elastic")
    assert quiet["elastic"]["cold_share"] > 0
    busy = ["capacity", "total", "--traffic", "30/s, steady", "--elastic", "--p99", "300ms"]
    assert told(capsys, *busy)["elastic"] is None
    assert command(busy) == 0
    assert "is not simulated" in capsys.readouterr().out


def test_cost_tells_every_offer_with_its_lines(place, capsys):
    found = told(capsys, "cost", "total", "--traffic", "100k/day", "--p99", "300ms")
    assert len(found["cheapest"]) == 3
    for one in found["offers"]:
        assert {"kind", "monthly", "per_million", "lines"} <= {*one}
    assert found["prices"]["version"]


def test_cost_prints_for_people_and_as_a_page(place, capsys):
    words = ["cost", "total", "--traffic", "100k/day, growth 5%/month", "--p99", "300ms"]
    assert command(words) == 0
    text = capsys.readouterr().out
    assert "what moves it" in text
    assert "in a year, as it grows" in text
    assert command([*words, "--html", "--output", "cost.html"]) == 0
    page = (place / "cost.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "The cheapest that reach the goal" in page


def test_negotiated_rates_and_a_machine_at_home_change_the_answer(place, capsys):
    rates = place / "rates.csv"
    assert command(["prices", "show", "--provider", "aws", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = lines[0].split(",")
    row = next(line for line in lines if ",c7g.large," in line).split(",")
    row[head.index("hourly_usd")] = "0.0001"
    rates.write_text("\n".join([lines[0], ",".join(row)]) + "\n")
    words = ["cost", "total", "--traffic", "20/s, steady", "--p99", "300ms", "--on", "vm,aws"]
    found = told(capsys, *words, "--prices", str(rates))
    assert found["cheapest"][0] == "vm aws/c7g.large"
    assert "rates.csv" in found["prices"]["version"]
    home = ["cost", "total", "--traffic", "1/s", "--p99", "300ms", "--on", "local"]
    assert told(capsys, *home, "--power", "20:40", "--country", "DE")["offers"][0]["meets"]
    assert not told(capsys, *home)["cheapest"]


def test_a_profile_from_a_machine_is_taken_for_that_machine(place, capsys):
    measured = place / "there.json"
    fast = profile(0.01, 0.001, offer="aws/c7g.large", arch="arm64")
    measured.write_text(json.dumps(fast.to_json()))
    words = ["cost", "total", "--traffic", "100/s, steady", "--p99", "300ms", "--on", "vm,aws"]
    found = told(capsys, *words, "--measured", str(measured))
    assert any(one["band"] == 0.05 for one in found["offers"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--traffic", "lots"], "says nothing about traffic"),
        (["--traffic", "0/s"], "no calls"),
        (["--traffic", "x" * 5000], "says nothing about traffic"),
        (["--traffic", "@missing.log"], "cannot be read"),
        (["--traffic", "1/s", "--p99", "soon"], "is no time"),
        (["--traffic", "1/s", "--refused", "200"], "below 100"),
        (["--traffic", "1/s", "--measured", "missing.json"], "cannot be read"),
    ],
)
@pytest.mark.parametrize("name", ["capacity", "cost"])
def test_bad_words_are_refused_by_name(place, capsys, name, words, says):
    assert says in refused(capsys, name, "total", *words)


def test_an_impossible_goal_is_refused_by_capacity_and_met_by_no_offer(place, capsys):
    words = ["--traffic", "1/s", "--p99", "1ms"]
    assert "FRL-2505" in refused(capsys, "capacity", "total", *words)
    assert told(capsys, "cost", "total", *words)["cheapest"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--on", "amazon"], "FRL-2507"),
        (["--region", "aws/mars"], "FRL-2507"),
        (["--region", "mars"], "FRL-2507"),
        (["--power", "lots"], "FRL-2509"),
        (["--prices", "missing.csv"], "missing.csv"),
        (["--log-bytes", "nan"], "--log-bytes"),
        (["--log-bytes=-5"], "--log-bytes"),
        (["--on", "lambda,azure"], "FRL-2507"),
    ],
)
def test_a_place_or_a_power_that_nobody_knows_is_refused(place, capsys, words, says):
    assert says in refused(capsys, "cost", "total", "--traffic", "1/s", *words)


def test_what_was_never_measured_is_not_guessed(place, capsys):
    (place / ".fairlead" / "profiles" / "total-1.json").unlink()
    said = refused(capsys, "cost", "total", "--traffic", "1/s")
    assert "FRL-2502" in said
    assert "fairlead profile total" in said


def test_a_journal_is_replayed_as_traffic(place, capsys):
    log = place / "access.log"
    log.write_text("\n".join(str(1_700_000_000 + n * 0.5) for n in range(2000)))
    found = told(capsys, "capacity", "total", "--traffic", str(log), "--p99", "300ms")
    assert found["traffic"]["peak_per_s"] == pytest.approx(2, rel=0.05)
