"""The pages of administration of a real server: on its own listener, for keys that allow it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.costs.samples import profile
from tests.pages.browsing import Reader, Seen
from tests.pages.keys import new_key
from tests.processes import Running, server, until

from fairlead.cli.main import main as command


@dataclass(frozen=True)
class Place:
    """A server with its administration, and the secrets of its keys by name."""

    folder: Path
    running: Running
    keys: dict[str, str]

    def administrator(self, name: str = "boss") -> Reader:
        """A browser that has signed in at the admin listener."""
        reader = Reader(self.running.admin_port)
        page = reader.send("/sign-in", {"key": self.keys[name]})
        assert page.status in (200, 403), page.text
        return reader


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("admin")
    models.total(folder / "models")
    models.classifier(folder / "models")
    state = folder / "state"
    scopes = {
        "boss": ["admin:keys", "admin:audit", "admin:models", "metrics:read"],
        "watcher": ["metrics:read"],
        "caller": ["predict:*"],
    }
    keys = {name: new_key(state, name, *its)["key"] for name, its in scopes.items()}
    priced = {"FAIRLEAD_USAGE__MACHINE_USD_PER_HOUR": "0.34", "FAIRLEAD_USAGE__MACHINE": "attic"}
    with server(folder / "models", state=state, environ=priced) as running:
        made = Place(folder, running, keys)
        until(
            lambda: Reader(running.admin_port).send("/sign-in", {"key": keys["boss"]}).status < 400
        )
        yield made


def seal_of(reader: Reader, path: str) -> str:
    return Seen(reader.look(path)).fields["seal"]


def test_the_administration_is_on_no_page_of_the_service(place):
    reader = Reader(place.running.port)
    for path in ("/admin", "/admin/keys", "/admin/audit", "/admin/models/total"):
        assert reader.look(path).status == 404


def test_whoever_has_not_signed_in_sees_nothing(place):
    reader = Reader(place.running.admin_port)
    paths = ("/", "/admin", "/admin/keys", "/admin/usage", "/admin/audit", "/admin/models/total")
    for path in paths:
        page = reader.look(path)
        assert page.status == 401
        assert "total" not in page.text


def test_each_page_needs_the_scope_that_it_is_about(place):
    watcher = place.administrator("watcher")
    assert watcher.look("/admin").status == 200
    assert watcher.look("/admin/keys").status == 403
    assert watcher.look("/admin/audit").status == 403
    assert watcher.look("/admin/usage").status == 403
    assert "Keys" not in Seen(watcher.look("/admin")).text
    seal = seal_of(watcher, "/admin")
    assert watcher.send("/admin/models/total/unload", {"seal": seal}).status == 403
    assert place.administrator("caller").look("/admin").status == 403


def test_the_overview_counts_what_was_asked(place):
    for _ in range(3):
        answer = place.running.asked(
            "/predict/total", place.keys["caller"], {"a": 1, "b": 2, "c": 3}
        )
        assert answer[0] == 200
    reader = place.administrator()
    until(lambda: "requests in an hour 3" in Seen(reader.look("/admin")).text)
    assert "total 1 ready 3 0" in Seen(reader.look("/admin")).text


def test_what_calls_cost_is_shown_with_its_price_and_told_to_programs(place):
    answer = place.running.asked("/predict/total", place.keys["caller"], {"a": 1, "b": 2, "c": 3})
    assert answer[0] == 200
    boss = place.administrator()
    page = until(lambda: _with_cost(boss))
    assert "attic: 0.34 USD/h" in page.text
    assert "[usage] machine_usd_per_hour; 1 workers" in page.text
    # A server that has just begun has cost nothing yet.
    told = until(lambda: _told_costs(place), 60)
    assert told["machine"]["prices"][0]["usd_per_hour"] == "0.34"
    [row] = told["usage"]
    parts = [Decimal(row["machine"][name]) for name in ("busy_usd", "idle_usd")]
    assert sum(parts) == Decimal(row["machine"]["usd"]) > 0
    assert _asked_for_costs(place, "watcher")[0] == 403
    assert place.administrator("watcher").look("/admin/usage").status == 403


def _with_cost(boss: Reader) -> Seen | None:
    """The page, once the call is in the ledger."""
    page = Seen(boss.look("/admin/usage"))
    return page if "a million requests $" in page.text and "total" in page.text else None


def _told_costs(place: Place) -> dict[str, Any] | None:
    """What programs are told, once it is more than nothing."""
    status, told = _asked_for_costs(place, "boss")
    assert status == 200
    return told if any(Decimal(row["machine"]["usd"]) for row in told["usage"]) else None


def _asked_for_costs(place: Place, key: str) -> tuple[int, dict[str, Any]]:
    with closing(HTTPConnection("127.0.0.1", place.running.admin_port, timeout=30)) as line:
        head = {"authorization": f"Bearer {place.keys[key]}"}
        line.request("GET", "/usage/cost?by=model", headers=head)
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())


def test_the_page_of_a_model_says_how_it_stands_and_how_it_is_checked(place):
    page = Seen(place.administrator().look("/admin/models/total"))
    assert "Answers by latency" in page.text
    assert "fairlead check total" in page.text
    assert place.administrator().look("/admin/models/nothing").status == 404


def test_a_model_that_was_checked_shows_the_whole_report(place, capsys):
    package, state = place.folder / "models" / "classifier", place.folder / "state"
    words = ["check", str(package), "--for", "internet", "--json", "--state", str(state)]
    assert command(words) == 1
    report = json.loads(capsys.readouterr().out)
    page = Seen(place.administrator().look("/admin/models/classifier"))
    assert "Not ready for the internet" in page.text
    for answer in report["answers"]:
        assert answer["question"] in page.text
    assert "fairlead check classifier" not in page.text


def test_the_card_of_a_model_is_shown_as_it_was_packed(place):
    page = place.administrator().look("/admin/models/total/card")
    assert page.status == 200
    assert "Quantitative analyses" in Seen(page).text
    assert place.administrator().look("/admin/models/nothing/card").status == 404
    assert place.administrator("caller").look("/admin/models/total/card").status == 403


def test_the_page_of_costs_reckons_with_what_was_measured_and_only_with_that(place):
    reader = place.administrator("watcher")
    unmeasured = reader.look("/admin/models/classifier/costs")
    assert unmeasured.status == 200
    assert "fairlead profile classifier" in Seen(unmeasured).text
    kept = place.folder / "state" / "profiles" / "total-1.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(replace(profile(), graph_sha256="").to_json()))
    page = Seen(reader.look("/admin/models/total/costs?calls=4&peak=3&p99=3&hours=office"))
    assert "10,000 a day" in page.text
    assert "The cheapest that reach the goal" in page.text
    assert "vm aws/" in page.text
    strange = reader.look("/admin/models/total/costs?calls=lots&peak=nan&p99=1e9&hours=%00&rows=-1")
    assert strange.status == 200
    assert "100,000 a day" in Seen(strange).text
    assert reader.look("/admin/models/nothing/costs").status == 404
    assert place.administrator("caller").look("/admin/models/total/costs").status == 403


def test_a_key_that_is_made_works_and_is_shown_once(place):
    reader = place.administrator()
    fields = {"name": "new one", "scopes": "predict:total usage:read", "limits": "requests=9/day"}
    page = reader.send("/admin/keys", {**fields, "seal": seal_of(reader, "/admin/keys")})
    assert page.status == 200
    (key,) = [word for word in Seen(page).text.split() if word.startswith("frl_live_")]
    until(lambda: place.running.asked("/models", key)[0] == 200)
    listed = reader.look("/admin/keys")
    assert key not in listed.text
    assert "requests=9/day" in Seen(listed).text


def test_a_key_that_cannot_be_made_says_why_and_keeps_what_was_entered(place):
    reader = place.administrator()
    fields = {"name": "broken", "scopes": "fly:total", "tenant": "acme"}
    page = reader.send("/admin/keys", {**fields, "seal": seal_of(reader, "/admin/keys")})
    seen = Seen(page)
    assert page.status == 400
    assert "is no scope" in seen.text
    assert seen.fields["tenant"] == "acme"


def test_a_key_is_revoked_by_its_button(place):
    reader = place.administrator()
    seal = seal_of(reader, "/admin/keys")
    page = reader.send("/admin/keys", {"name": "ends", "scopes": "predict:total", "seal": seal})
    (key,) = [word for word in Seen(page).text.split() if word.startswith("frl_live_")]
    until(lambda: place.running.asked("/models", key)[0] == 200)
    forms = [about["action"] or "" for about in Seen(reader.look("/admin/keys")).all("form")]
    revoke = [action for action in forms if action.endswith("/revoke")][-1]
    assert reader.send(f"/admin/{revoke}", {}).status == 403
    assert reader.send(f"/admin/{revoke}", {"seal": seal}).status == 200
    until(lambda: place.running.asked("/models", key)[0] == 401)


def test_what_was_done_by_a_page_is_in_the_trail_under_the_key_that_did_it(place):
    reader = place.administrator()
    seal = seal_of(reader, "/admin/keys")
    reader.send("/admin/keys", {"name": "traced", "scopes": "predict:total", "seal": seal})
    page = Seen(reader.look("/admin/audit"))
    assert "keys.create" in page.text
    assert "traced" in page.text
    made_by_page = [word for word in page.text.split() if word.startswith("key_")]
    assert made_by_page


def test_a_model_is_unloaded_and_loaded_again_by_its_buttons(place):
    reader = place.administrator()
    seal = seal_of(reader, "/admin")
    caller = place.keys["caller"]
    row = {"length": 1, "width": 1, "height": 1, "weight": 1}
    assert place.running.asked("/predict/classifier", caller, row)[0] == 200
    reader.send("/admin/models/classifier/unload", {"seal": seal})
    until(lambda: place.running.asked("/predict/classifier", caller, row)[0] == 503)
    page = reader.send("/admin/models/classifier/load", {"seal": seal})
    assert page.status == 200
    assert place.running.asked("/predict/classifier", caller, row)[0] == 200


def test_a_page_of_another_site_does_nothing_here(place):
    reader = place.administrator()
    seal = seal_of(reader, "/admin/keys")
    fields = {"name": "evil", "scopes": "predict:*", "seal": seal}
    page = reader.send("/admin/keys", fields, origin="http://evil.example")
    assert page.status == 403
    page = reader.send("/admin/keys", fields, **{"sec-fetch-site": "cross-site"})
    assert page.status == 403
    assert "evil" not in Seen(reader.look("/admin/keys")).text


def test_a_hostile_name_is_text_on_every_page_that_shows_it(place):
    reader = place.administrator()
    seal = seal_of(reader, "/admin/keys")
    name = '<img src=x onerror=alert(1)>{{7*7}}"'
    page = reader.send("/admin/keys", {"name": name, "scopes": "predict:total", "seal": seal})
    assert page.status == 200
    for path in ("/admin/keys", "/admin/audit"):
        looked = reader.look(path)
        assert "<img src=x" not in looked.text
        assert "onerror" not in [name for _, about in Seen(looked).tags for name in about]
        assert "{{7*7}}" in Seen(looked).text


def test_where_a_platform_has_the_addresses_of_models_their_pages_are_here_alone(tmp_path):
    models.total(tmp_path / "models")
    state = tmp_path / "state"
    may = ["admin:models", "metrics:read", "predict:*"]
    boss = new_key(state, "boss", *may)["key"]
    with server(state=state, environ={"SAGEMAKER_MULTI_MODEL": "true"}) as running:
        place = Place(tmp_path, running, {"boss": boss})
        wish = {"model_name": "sums", "url": str(tmp_path / "models")}
        until(lambda: running.asked("/models", boss, wish)[0] in (200, 409))
        reader = Reader(running.port)
        assert reader.look("/").text == '{"status": "alive"}'
        reader.headers["authorization"] = f"Bearer {boss}"
        assert reader.look("/models").headers["content-type"] == "application/json"
        administrator = place.administrator()

        def listed() -> list[str]:
            links = [a.get("href") or "" for a in Seen(administrator.look("/admin")).all("a")]
            return [link for link in links if link.startswith("admin/models/")]

        (model,) = until(listed)
        assert administrator.look(f"/{model}").status == 200
        # A worker without time for its status page for a moment is not counted as one that serves.
        until(lambda: "Quantitative analyses" in administrator.look(f"/{model}/card").text)
