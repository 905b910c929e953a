"""Reading a package: every damage is found, no link is followed, what was hashed is used."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import models

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import CardChoice, Feedback, FileFact, Package, Payloads
from fairlead.packages import manifest
from fairlead.packages.read import open_package, read_verified, verify


@pytest.fixture
def package(tmp_path):
    return models.classifier(tmp_path)


def files_of(package: Package) -> list[str]:
    return sorted([*package.files, manifest.NAME])


def rewrite(folder: Path, **facts: object) -> None:
    """Changes facts of the manifest, as a hand would; `files` are hashed anew."""
    file = folder / manifest.NAME
    data = json.loads(file.read_text()) | facts
    data["files"] = {k: asdict(f) for k, f in manifest.files_below(folder).items()}
    file.write_text(json.dumps(data))


def test_a_fresh_package_is_whole(package):
    verify(open_package(package.folder))


def test_one_flipped_bit_in_any_file_is_found(package):
    for relative in files_of(package):
        file = package.folder / relative
        good = file.read_bytes()
        for place in {0, len(good) // 2, len(good) - 1}:
            bad = bytearray(good)
            bad[place] ^= 1
            file.write_bytes(bad)
            with pytest.raises(PackageInvalid):
                _whole(package.folder, relative, good)
        file.write_bytes(good)
    verify(open_package(package.folder))


def _whole(folder: Path, relative: str, good: bytes) -> None:
    """Opens and verifies; a manifest that still reads must not be the one that was written."""
    read = open_package(folder)
    verify(read)
    if relative == manifest.NAME and manifest.parse(good, "") != manifest.parse(
        (folder / relative).read_bytes(), ""
    ):
        raise PackageInvalid("the manifest says something else")


@pytest.mark.parametrize("cut", ["empty", "half", "one byte less", "one byte more", "gone"])
def test_a_file_that_is_cut_grown_or_gone_is_found(package, cut):
    for relative in package.files:
        file = package.folder / relative
        good = file.read_bytes()
        if cut == "gone":
            file.unlink()
        else:
            sizes = {"empty": 0, "half": len(good) // 2, "one byte less": len(good) - 1}
            file.write_bytes(good[: sizes[cut]] if cut in sizes else good + b"\n")
        with pytest.raises(PackageInvalid) as caught:
            verify(open_package(package.folder))
        assert relative in caught.value.what
        file.write_bytes(good)


def test_an_edited_file_is_refused_with_the_command_that_makes_the_next_version(package):
    file = package.folder / "model.toml"
    file.write_text(file.read_text() + "# a note\n")
    with pytest.raises(PackageInvalid, match="edited or damaged") as caught:
        open_package(package.folder)
    assert "fairlead amend" in caught.value.line()


def test_an_added_file_is_found_when_verifying(package):
    (package.folder / "graph" / "extra.bin").write_bytes(b"x")
    with pytest.raises(PackageInvalid, match=r"graph/extra\.bin is not in the manifest"):
        verify(open_package(package.folder))


def test_a_huge_file_in_place_of_a_small_one_is_not_read(package):
    """A sparse terabyte is told from 100 bytes without reading it."""
    with (package.folder / "signature.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(PackageInvalid, match="edited or damaged"):
        open_package(package.folder)


# --- links ------------------------------------------------------------------------------


@pytest.mark.parametrize("relative", ["model.toml", "graph/model.onnx", manifest.NAME])
@pytest.mark.parametrize("kind", ["symbolic", "hard", "fifo"])
def test_a_link_is_not_followed_even_to_the_very_same_bytes(package, tmp_path, relative, kind):
    file, elsewhere = package.folder / relative, tmp_path / "elsewhere"
    file.rename(elsewhere)
    if kind == "symbolic":
        file.symlink_to(elsewhere)
    elif kind == "hard":
        os.link(elsewhere, file)
    else:
        os.mkfifo(file)
    with pytest.raises(PackageInvalid):
        verify(open_package(package.folder))


def test_a_folder_inside_the_package_that_is_a_link_is_not_entered(package, tmp_path):
    graph = package.folder / "graph"
    graph.rename(tmp_path / "elsewhere")
    graph.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageInvalid, match="graph cannot be opened"):
        read_verified(package, package.graph)


@pytest.mark.parametrize(
    "path", ["../secret", "graph/../../secret", "/etc/passwd", "./a", "a//b", "", "a/", ".", ".."]
)
def test_a_path_that_leaves_the_package_is_refused_though_the_manifest_names_it(
    package, tmp_path, path
):
    (package.folder.parent / "secret").write_bytes(b"secret")
    fact = FileFact(6, hashlib.sha256(b"secret").hexdigest())
    package.files[path] = fact
    with pytest.raises(PackageInvalid, match="leaves the package"):
        read_verified(package, path)


def test_a_file_that_the_manifest_does_not_name_cannot_be_read(package):
    (package.folder / "other").write_bytes(b"x")
    with pytest.raises(PackageInvalid, match="not in the manifest"):
        read_verified(package, "other")


def test_what_was_hashed_is_what_is_used_while_another_swaps_the_file(package):
    """A thread replaces the graph as fast as it can; every read is the right bytes or an error."""
    file = package.folder / package.graph
    good, bad = file.read_bytes(), b"\0" * package.files[package.graph].size
    over = threading.Event()

    def swap() -> None:
        new = package.folder / "new"
        while not over.is_set():
            for content in (bad, good):
                new.write_bytes(content)
                new.replace(file)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = {"good": 0, "refused": 0}
    try:
        while min(seen.values()) < 20:
            try:
                assert read_verified(package, package.graph) == good
                seen["good"] += 1
            except PackageInvalid:
                seen["refused"] += 1
    finally:
        over.set()
        swapper.join()


# --- what it says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"name": "../up"}, "cannot name a model"),
        ({"name": None}, "TypeError"),
        ({"version": -1}, "-1 is not a version"),
        ({"version": "1"}, "'1' is not a version"),
        ({"version": True}, "True is not a version"),
        ({"version": 10**18}, "is not a version"),
        ({"graph": "graph/other.onnx"}, "is not in the manifest"),
        ({"graph": ["graph"]}, "TypeError"),
        ({"trained": 3}, "TypeError"),
        ({"environment": "x"}, "ValueError"),
    ],
)
def test_a_fact_that_cannot_be_is_refused(package, facts, says):
    rewrite(package.folder, **facts)
    with pytest.raises(PackageInvalid, match=says):
        open_package(package.folder)


@pytest.mark.parametrize("fact", ["name", "version", "runtime", "isolated", "graph", "files"])
def test_a_fact_that_is_absent_is_named(package, fact):
    file = package.folder / manifest.NAME
    data = json.loads(file.read_text())
    del data[fact]
    file.write_text(json.dumps(data))
    with pytest.raises(PackageInvalid, match="KeyError"):
        open_package(package.folder)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("max_rows = 0", "must be above 0"),
        ("max_rows = -1", "must be above 0"),
        ("max_rows = 0.5", "must be a whole number"),
        ("max_rows = true", "must be a whole number"),
        ("max_rows = 'many'", "must be a whole number"),
        ("max_batch = inf", "must be a whole number"),
        ("time_budget_s = nan", "must be above 0"),
        ("time_budget_s = inf", "must be above 0"),
        ("time_budget_s = '1'", "must be a number"),
        ("max_body_mib = 0", "must be above 0"),
        ("max_body_mib = 0.5", "must be a whole number"),
        ("threads = 0", "must be above 0"),
        ("threads = 1.5", "must be a whole number"),
        ("threads = 257", "threads must be at most 256"),
        ("max_row = 1", "max_row is not known"),
    ],
)
def test_an_impossible_limit_is_refused_with_its_name(package, limits, says):
    (package.folder / "model.toml").write_text(f"[limits]\n{limits}\n")
    rewrite(package.folder)
    with pytest.raises(PackageInvalid, match=says):
        open_package(package.folder)


def test_the_owners_limits_are_read_and_the_rest_have_defaults(package):
    (package.folder / "model.toml").write_text(
        "[limits]\nmax_rows = 7\ntime_budget_s = 2\nthreads = 3\n"
    )
    rewrite(package.folder)
    limits = open_package(package.folder).limits
    assert (limits.max_rows, limits.time_budget_s, limits.max_batch) == (7, 2.0, 256)
    assert limits.threads == 3


@pytest.mark.parametrize(
    ("feedback", "says"),
    [
        ("outcomes = 1", r"\[feedback\] outcomes must be true or false"),
        ("days = 0", "days must be a whole number from 1 to 366"),
        ("days = 367", "from 1 to 366"),
        ("days = 1.0", "from 1 to 366"),
        ("days = true", "from 1 to 366"),
        ("outcome = true", "outcome is not known"),
    ],
)
def test_feedback_that_cannot_be_is_refused_with_its_name(package, feedback, says):
    (package.folder / "model.toml").write_text(f"[feedback]\n{feedback}\n")
    rewrite(package.folder)
    with pytest.raises(PackageInvalid, match=says):
        open_package(package.folder)


def test_no_outcomes_are_kept_unless_the_owner_says_so(package):
    assert open_package(package.folder).feedback == Feedback(outcomes=False, days=30)
    (package.folder / "model.toml").write_text("[feedback]\noutcomes = true\ndays = 7\n")
    rewrite(package.folder)
    assert open_package(package.folder).feedback == Feedback(outcomes=True, days=7)


@pytest.mark.parametrize(
    ("payloads", "says"),
    [
        ("sample = 1.5", r"\[payloads\] sample must be from 0 to 1"),
        ("sample = true", "from 0 to 1"),
        ('fields = ["a"]', "fields must be a table"),
        ('fields = { a = "raw" }', "fields must be a table"),
        ("fields = { a = [] }", "fields must be a table"),
        ("days = 0", "from 1 to 366"),
        ("keep = true", "keep is not known"),
        ('sample = 0.5\nfields = { nobody = "plain" }', "there is no column 'nobody'"),
    ],
)
def test_payloads_that_cannot_be_are_refused_with_their_name(package, payloads, says):
    (package.folder / "model.toml").write_text(f"[payloads]\n{payloads}\n")
    rewrite(package.folder)
    with pytest.raises(PackageInvalid, match=says):
        open_package(package.folder)


def test_no_payloads_are_kept_unless_the_owner_says_which(package):
    assert open_package(package.folder).payloads == Payloads(sample=0.0, fields={}, days=7)
    name = package.signature.columns[0].name
    fields = f'fields = {{ {json.dumps(name)} = "hash" }}'
    (package.folder / "model.toml").write_text(f"[payloads]\nsample = 0.5\n{fields}\n")
    rewrite(package.folder)
    assert open_package(package.folder).payloads == Payloads(0.5, {name: "hash"}, 7)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("required = 1.5", r"\[card\] required must be from 0 to 1"),
        ("required = true", "from 0 to 1"),
        ('groups = "sex"', "groups must be a list of columns"),
        ("groups = [1]", "groups must be a list of columns"),
        ("favourable = 1", "favourable must be a label"),
        ("require = 0.5", "require is not known"),
    ],
)
def test_a_card_that_cannot_be_is_refused_with_its_name(package, card, says):
    (package.folder / "model.toml").write_text(f"[card]\n{card}\n")
    rewrite(package.folder)
    with pytest.raises(PackageInvalid, match=says):
        open_package(package.folder)


def test_a_card_requires_and_compares_nothing_unless_the_owner_says_so(package):
    assert open_package(package.folder).card == CardChoice(0.0, (), "")
    text = '[card]\nrequired = 0.8\ngroups = ["sex"]\nfavourable = "yes"\n'
    (package.folder / "model.toml").write_text(text)
    rewrite(package.folder)
    assert open_package(package.folder).card == CardChoice(0.8, ("sex",), "yes")


@pytest.mark.parametrize(
    "words", ["limits = 3", "card = 1", "feedback = true", "x = [", "\0", "a = 1\na = 2"]
)
def test_a_model_toml_that_is_none_is_refused(package, words):
    (package.folder / "model.toml").write_text(words)
    rewrite(package.folder)
    with pytest.raises(PackageInvalid):
        open_package(package.folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(raw=st.binary(max_size=60))
def test_any_signature_is_read_or_one_clear_error(package, raw):
    (package.folder / "signature.json").write_bytes(raw)
    rewrite(package.folder)
    with pytest.raises(PackageInvalid):
        open_package(package.folder)


def test_a_folder_without_a_manifest_was_never_finished(tmp_path):
    with pytest.raises(PackageInvalid, match="never finished"):
        open_package(tmp_path)
    with pytest.raises(PackageInvalid, match="never finished"):
        open_package(tmp_path / "absent")


def test_a_file_in_the_place_of_the_folder_is_no_package(tmp_path):
    (tmp_path / "3").write_text("x")
    with pytest.raises(PackageInvalid, match="cannot be opened"):
        open_package(tmp_path / "3")


def test_an_error_names_model_and_version_and_no_path_of_the_server(package, tmp_path):
    (package.folder / manifest.NAME).write_text("{")
    with pytest.raises(PackageInvalid) as caught:
        open_package(package.folder)
    assert caught.value.where == "classifier/1"
    assert str(tmp_path) not in caught.value.line()
