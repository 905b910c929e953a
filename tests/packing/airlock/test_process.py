"""The airlock as a whole: real processes, real files, and what they must not get away with."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import socket
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn import linear_model, preprocessing
from tests.packing.airlock import hostile

from fairlead.core.errors import (
    AirlockFailed,
    AirlockWeak,
    ConversionFailed,
    FairleadError,
    MissingExtra,
    UnsafeFile,
    VersionDrift,
)
from fairlead.packing.airlock import process
from fairlead.packing.airlock.process import Airlock

LINUX = sys.platform.startswith("linux")
X = np.arange(40.0).reshape(10, 4)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Iterator[Path]:
    """A temporary folder of the test's own, empty again whatever happened."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert [p.name for p in folder.iterdir()] == []


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def saved(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(raw)
    return path


def convert(airlock: Airlock, path: Path, out: Path, **more: Any) -> dict[str, Any]:
    return airlock.convert({"format": "pickle", "path": str(path), **more}, out)


def source(tmp_path: Path, text: str) -> dict[str, Any]:
    """A job for a Python function, which may do as it likes in there."""
    path = tmp_path / "model.py"
    path.write_text(text)
    rows = tmp_path / "rows.npz"
    np.savez(rows, a=np.ones(3), b=np.arange(3.0))
    return {
        "format": "python",
        "path": str(path),
        "object": "predict",
        "rows": str(rows),
        "columns": ["a", "b"],
    }


# --- attacks ------------------------------------------------------------------------------

REAL = [
    "os.system by REDUCE", "os.system by INST", "builtins.eval", "builtins.getattr",
    "dotted sklearn.tree:_classes.os.system", "compressed by gzip", "joblib with objects",
]  # fmt: skip


@pytest.mark.parametrize("title", REAL)
def test_an_attack_is_refused_with_its_name_and_how_to_allow_it(tmp_path, out, title):
    canary = tmp_path / "canary"
    raw, culprit = hostile.corpus(str(canary))[title]
    with pytest.raises(UnsafeFile) as refused:
        convert(Airlock(), saved(tmp_path, raw), out)
    assert culprit in refused.value.what
    assert f"--allow {culprit}" in (refused.value.fix or "")
    assert refused.value.where == "model.pkl"
    assert not canary.exists()


def test_every_name_that_is_not_allowed_is_told_at_once(tmp_path, out):
    names = [hostile.name("pkg", f"Model{n}") + b"0" for n in range(7)]
    with pytest.raises(UnsafeFile, match=r"pkg.Model0, .*pkg.Model4 and 2 more"):
        convert(Airlock(), saved(tmp_path, hostile.file(b"".join(names) + b"N")), out)


def test_a_name_cannot_write_to_the_terminal_or_add_to_the_advice(tmp_path, out):
    code = hostile.stack_name("evil\x1b[2J; rm", "x\nFRL-0000 all is well")
    with pytest.raises(UnsafeFile) as refused:
        convert(Airlock(), saved(tmp_path, hostile.file(code)), out)
    line = refused.value.line()
    assert line.isprintable()
    assert "--allow 'evil" in line


def test_what_the_owner_allows_is_read(tmp_path, out):
    path = saved(tmp_path, pickle.dumps({"model": Fraction(1, 3)}))
    with pytest.raises(UnsafeFile) as refused:
        convert(Airlock(), path, out)
    allowed = (refused.value.fix or "").partition("--allow ")[2].partition(",")[0]
    (tmp_path / "second").mkdir()
    with pytest.raises(ConversionFailed, match="predict"):
        convert(Airlock(allow=(allowed,)), path, tmp_path / "second")


def test_looking_makes_nothing_and_says_what_would_be_refused(tmp_path):
    canary = tmp_path / "canary"
    raw, _ = hostile.corpus(str(canary))["os.system by REDUCE"]
    facts = Airlock().look(saved(tmp_path, raw))
    assert facts["refused"] == ["os.system"]
    assert facts["names"] == [["os", "system"]]
    assert not canary.exists()


# --- broken files and bombs ---------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x80\x04", b"\x80\x04.", b"\x80\x09N.", b"\x1f\x8b\x08broken", b"garbage", b"\x78\x9c"],
)
def test_a_broken_file_is_one_clear_line(tmp_path, raw):
    with pytest.raises(AirlockFailed) as failed:
        Airlock().look(saved(tmp_path, raw))
    assert failed.value.what.startswith("the file cannot be read: ")
    assert "Traceback" not in failed.value.line()


def zeros() -> bytes:
    piece = b"B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b"0"
    return gzip.compress(hostile.file(piece * 300 + b"N"), 1)


def doubled() -> bytes:
    """A tuple of itself twice, sixty times over, as a key that must be hashed."""
    pairs = b"".join(b"q\x010(h\x01h\x01t" for _ in range(60))
    return hostile.file(b"}\x8c\x01a" + pairs + b"Ns")


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a claimed text": (lambda: b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"a.", "memory"),
    "a claimed frame": (
        lambda: b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.",
        "memory",
    ),
    "a claimed array": (
        lambda: hostile.corpus("C")["joblib's wrapper of bytes that are not there"][0],
        "shorter than the arrays",
    ),
    "zeros, packed": (zeros, "decompresses to far more"),
    "a hash without end": (doubled, "processor time"),
    "sets without end": (lambda: hostile.file(b"](" + b"\x8f" * (2 << 20) + b"e"), "memory"),
}
SMALL = Airlock(memory=256 << 20, cpu_s=3, wall_s=90)


@pytest.mark.skipif(not LINUX, reason="the limits that end it are Linux's")
@pytest.mark.parametrize("title", BOMBS)
def test_a_bomb_ends_in_an_error_that_names_the_bound(tmp_path, title):
    raw, why = BOMBS[title]
    with pytest.raises(FairleadError, match=why) as ended:
        SMALL.look(saved(tmp_path, raw()))
    assert ended.value.line().isprintable()


def test_a_deep_file_and_one_of_many_memos_are_read(tmp_path):
    deep = hostile.file(b"]" * 200_000 + b"a" * 199_999)
    assert Airlock().look(saved(tmp_path, deep))["class"] == "list"
    memos = b"".join(b"r" + n.to_bytes(4, "little") for n in range(1 << 16))
    assert Airlock().look(saved(tmp_path, hostile.file(b"N" + memos)))["class"] == "NoneType"


@pytest.mark.skipif(not LINUX, reason="the limits that end it are Linux's")
def test_each_bound_is_named_when_it_is_reached(tmp_path):
    folders = iter(range(10))

    def told(text: str, airlock: Airlock) -> str:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        with pytest.raises(FairleadError) as failed:
            airlock.convert(source(tmp_path, text), folder)
        return failed.value.line()

    body = "def predict(a, b): "
    assert "processor time" in told("while True: pass", Airlock(cpu_s=1))
    assert "did not finish within 1 s" in told("import time; time.sleep(60)", Airlock(wall_s=1))
    assert "more memory" in told("x = bytearray(1 << 30)", Airlock(memory=300 << 20))
    assert "crashed (SIGSEGV)" in told("import ctypes; ctypes.string_at(0)", Airlock())
    assert "ended without a result" in told("import os; os._exit(0)", Airlock())
    assert "SystemExit" in told("import sys; sys.exit(0)", Airlock())
    many = "for n in range(1000): open(f'{n}', 'wb').write(bytes(1 << 20))\nwhile True: pass"
    assert "wrote more than 32 MiB" in told(many, Airlock(disk_bytes=32 << 20, wall_s=60))
    loud = "while True: print('x' * 10_000)"
    assert "wrote more than 32 MiB" in told(loud, Airlock(disk_bytes=32 << 20, wall_s=60))
    large = (
        "open('x', 'wb').write(bytes(2 << 20)); open('x', 'ab').write(b'x')\n" + body + "return a"
    )
    assert "File too large" in told(large, Airlock(file_bytes=1 << 20))


# --- the locks, from inside ---------------------------------------------------------------

INSIDE = """
import json, os, socket
def attempt(do):
    try:
        return f"done: {do()!r}"
    except OSError as error:
        return type(error).__name__
found = {
    "environment": sorted(os.environ.values()),
    "network": attempt(lambda: socket.create_connection(("127.0.0.1", %(port)d), 5)),
    "secret": attempt(lambda: open(%(secret)r).read()),
    "write": attempt(lambda: open(%(secret)r, "w")),
    "program": attempt(lambda: os.execv("/bin/true", ["true"])),
    "child": attempt(os.fork),
    "parent": attempt(lambda: os.kill(os.getppid(), 9)),
    "parent's environment": attempt(lambda: open(f"/proc/{os.getppid()}/environ").read()),
    "own file": attempt(lambda: open(__file__).read(3)),
}
open(os.path.dirname(os.getcwd()) + "/told.json", "w").write(json.dumps(found))
def predict(a, b):
    return a + b
"""


@pytest.mark.skipif(not LINUX, reason="elsewhere the airlock is weak, and says so")
def test_a_function_in_there_reaches_nothing_of_ours(tmp_path, out, monkeypatch):
    monkeypatch.setenv("FAIRLEAD_SECRET_KEY", "hidden-value")
    secret = tmp_path / "state"
    secret.write_text("key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = INSIDE % {"port": server.getsockname()[1], "secret": str(secret)}
        Airlock().convert(source(tmp_path, text), out)
    found = json.loads((out / "told.json").read_text())
    assert "hidden-value" not in str(found["environment"])
    assert found.pop("own file").startswith("done")
    ours = process.launch._environment(out / "scratch")
    assert set(found.pop("environment")) <= set(ours.values())
    assert found == dict.fromkeys(found, "PermissionError")
    assert secret.read_text() == "key"


def test_a_function_cannot_plant_a_link_or_a_device_in_the_result(tmp_path, out):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    text = (
        f"import os\ntarget = os.path.dirname(os.getcwd()) + '/planted'\n"
        f"for make in (lambda: os.symlink({str(secret)!r}, target), lambda: os.mkfifo(target),"
        f" lambda: os.link({str(secret)!r}, target)):\n"
        "    try: make()\n    except OSError: continue\n    raise SystemExit('planted')\n"
        "def predict(a, b): return a + b\n"
    )
    facts = Airlock().convert(source(tmp_path, text), out)
    assert facts["locks"] == {"files": LINUX, "network": LINUX, "processes": LINUX}
    assert not (out / "planted").exists()


def test_a_result_that_the_function_forged_is_checked(tmp_path, out):
    """It runs in there and may write the result itself; what leads outside is refused."""
    forged = {
        "runtime": "python", "graph": "../../../../etc/passwd", "reason": "", "sampled": False,
        "versions": {}, "about": {}, "signature": {"format": 1, "inputs": [], "outputs": []},
    }  # fmt: skip
    text = (
        "import os\n"
        f"open(os.path.dirname(os.getcwd()) + '/facts.json', 'w').write({json.dumps(forged)!r})\n"
        "os._exit(0)"
    )
    with pytest.raises(AirlockFailed, match="cannot be used"):
        Airlock().convert(source(tmp_path, text), out)


# --- versions, extras, weakness -----------------------------------------------------------


def test_a_machine_that_cannot_cut_the_network_needs_to_be_told(tmp_path, out, monkeypatch):
    code = process.launch._BOOT.replace("sys.exit(", "sys.platform='darwin';sys.exit(")
    monkeypatch.setattr(process.launch, "_BOOT", code)
    path = tmp_path / "model.joblib"
    joblib.dump(linear_model.Ridge().fit(X, X[:, 0]), path)
    with pytest.raises(AirlockWeak, match="cannot cut the airlock's network") as weak:
        Airlock().look(path)
    assert "--weak-airlock" in (weak.value.fix or "")
    assert Airlock(weak=True).look(path)["locks"] == {
        "files": False,
        "network": False,
        "processes": False,
    }


def test_a_file_of_a_newer_library_is_refused_and_says_what_to_do(tmp_path, out):
    model = linear_model.Ridge().fit(X, X[:, 0])
    model.__dict__["_sklearn_version"] = "99.1"
    raw = pickle.dumps(model).replace(b"_sklearn_version", b"_sklearn_version")
    state = model.__getstate__() | {"_sklearn_version": "99.1"}
    ridge = hostile.made(hostile.name("sklearn.linear_model._ridge", "Ridge"))
    plain = {k: v for k, v in state.items() if isinstance(v, str | int | float | bool | None)}
    raw = hostile.file(hostile.built(ridge, plain))
    with pytest.raises(VersionDrift, match=r"trained with scikit-learn 99\.1") as drift:
        convert(Airlock(), saved(tmp_path, raw), out)
    assert "--python" in (drift.value.fix or "")


def test_a_listed_object_that_the_library_has_no_more_is_drift(tmp_path, out):
    raw = hostile.file(
        hostile.made(hostile.name("sklearn.ensemble._gb_losses", "BinomialDeviance"))
    )
    with pytest.raises(VersionDrift, match="no part of scikit-learn"):
        convert(Airlock(), saved(tmp_path, raw), out)


def test_a_missing_library_of_an_owners_class_is_not_advised_from_a_registry(tmp_path, out):
    raw = hostile.file(hostile.made(hostile.name("my_own_package.models", "Model")))
    airlock = Airlock(allow=("my_own_package.models.Model",))
    with pytest.raises(MissingExtra) as missing:
        convert(airlock, saved(tmp_path, raw), out)
    assert "my_own_package is not installed" in missing.value.what
    assert "pip install my_own" not in (missing.value.fix or "")


def test_an_interpreter_that_is_none_is_said(tmp_path):
    with pytest.raises(AirlockFailed, match="interpreter cannot be started"):
        Airlock(python=str(tmp_path / "no-python")).look(saved(tmp_path, b"\x80\x04N."))


def test_the_parent_lives_when_the_child_is_killed(tmp_path, out):
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(AirlockFailed, match="ended by the system"):
        Airlock().convert(source(tmp_path, text), out)
    assert os.getpid() > 0


# --- skops --------------------------------------------------------------------------------


ATTACKS_BY_SKOPS: dict[str, Callable[[str], Any]] = {
    "posix.system": lambda touch: os.system,
    "functools.partial": lambda touch: partial(os.system, touch),
    "operator.methodcaller": lambda touch: methodcaller("system", touch),
    "builtins.eval": lambda touch: eval,
}


@pytest.mark.parametrize("culprit", ATTACKS_BY_SKOPS)
def test_a_skops_file_makes_nothing_that_is_not_allowed(tmp_path, out, culprit):
    canary, path = tmp_path / "canary", tmp_path / "model.skops"
    function = ATTACKS_BY_SKOPS[culprit](f"touch {canary}")
    skops.io.dump(preprocessing.FunctionTransformer(function), path)
    with pytest.raises(UnsafeFile) as refused:
        Airlock().convert({"format": "skops", "path": str(path)}, out)
    assert culprit in refused.value.what
    assert f"--allow {culprit}" in (refused.value.fix or "")
    assert not canary.exists()
    facts = Airlock().look(path, "skops")
    assert facts["class"] == "sklearn.preprocessing._function_transformer.FunctionTransformer"
    assert culprit in facts["refused"]


def test_an_array_of_a_skops_file_that_is_a_pickle_is_not_read(tmp_path, out):
    canary, path = tmp_path / "canary", tmp_path / "model.skops"
    skops.io.dump(linear_model.Ridge().fit(X, X[:, 0]), path)
    attack, _ = hostile.corpus(str(canary))["os.system by REDUCE"]
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + attack
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in entries.items():
            archive.writestr(name, array if name.endswith(".npy") else raw)
    with pytest.raises(AirlockFailed, match="cannot be loaded"):
        Airlock().convert({"format": "skops", "path": str(path)}, out)
    assert not canary.exists()
