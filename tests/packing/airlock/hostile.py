"""Files that attack whoever reads them, built opcode by opcode; none was found anywhere.

Each would leave a canary file if any of its objects were made; `corpus(canary)` gives them by
name with the object that a refusal must name ("" where it is the form that is refused).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import random
import zlib
from collections.abc import Iterator
from typing import Any

from tests.packing.airlock import forged
from tests.packing.airlock.assembler import (
    NDARRAY,
    Raw,
    Reduces,
    array,
    built,
    calls,
    element,
    file,
    made,
    name,
    stack_name,
    value,
)
from tests.packing.airlock.forged import Attack

__all__ = [
    "NDARRAY", "Raw", "array", "built", "calls", "corpus", "element", "file", "made", "mutations",
    "name", "stack_name", "value",
]  # fmt: skip

OPCODES = bytes(
    {v[0] for k, v in vars(pickle).items() if k.isupper() and isinstance(v, bytes) and len(v) == 1}
)


# --- the corpus ---------------------------------------------------------------------------


def corpus(canary: str) -> dict[str, tuple[bytes, str]]:
    """name: (file, the object that must be named)."""
    found: dict[str, tuple[bytes, str]] = {}
    for title, code, culprit in _attacks(canary):
        found[title] = file(code), culprit
    touch = f"touch {canary}"
    for protocol in (0, 1, 2, 3, 4, 5):
        raw = pickle.dumps(Reduces("posix", "system", touch), protocol)
        found[f"pickled by protocol {protocol}"] = raw, "posix.system"
    system = file(calls(name("posix", "system"), touch))
    for title, pack in _PACKERS.items():
        found[f"compressed by {title}"] = pack(system), "posix.system"
    found |= {t: (raw, culprit) for t, raw, culprit in forged.inside_joblib(touch)}
    return found


_PACKERS: dict[str, Any] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
}


FUNCTIONS = (
    ("subprocess", "Popen"), ("subprocess", "check_output"), ("posix", "system"),
    ("nt", "system"), ("os", "popen"), ("pty", "spawn"), ("runpy", "_run_code"),
    ("timeit", "timeit"), ("pdb", "run"), ("cProfile", "run"),
    ("code", "InteractiveInterpreter"),
    ("importlib", "import_module"), ("webbrowser", "open"), ("shutil", "rmtree"),
    ("pathlib", "PosixPath"), ("ctypes", "CDLL"), ("pickle", "loads"), ("marshal", "loads"),
    ("types", "FunctionType"), ("types", "CodeType"), ("socket", "create_connection"),
    ("joblib", "load"), ("joblib.numpy_pickle", "load"), ("logging.config", "dictConfig"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "save"), ("numpy", "DataSource"),
    ("numpy.testing._private.utils", "runstring"), ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.core", "_ufunc_reconstruct"), ("numpy._core", "_ufunc_reconstruct"),
    ("numpy.core._internal", "_ctypes"), ("scipy.io", "loadmat"), ("pandas", "read_pickle"),
    ("sklearn.utils._estimator_html_repr", "estimator_html_repr"),
    ("sklearn.datasets", "fetch_openml"), ("sklearn.utils.fixes", "_open_text"),
    ("lightgbm.basic", "_load_lib"), ("xgboost.core", "_load_lib"),
    ("onnxruntime", "InferenceSession"), ("torch", "load"), ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"), ("_io", "FileIO"), ("cffi", "FFI"), ("pip", "main"),
    ("sklearn.tree", "os"), ("fairlead.packing.airlock.child", "main"),
)  # fmt: skip
"""What public attacks call, and what else of the listed libraries would serve them."""


def _attacks(canary: str) -> Iterator[Attack]:
    touch, write = f"touch {canary}", f"open({canary!r}, 'w').close()"
    system = name("os", "system")
    yield "os.system by REDUCE", calls(system, touch), "os.system"
    yield "os.system by STACK_GLOBAL", calls(stack_name("os", "system"), touch), "os.system"
    yield "os.system by INST", b"(" + value(touch) + b"ios\nsystem\n", "os.system"
    yield "os.system by OBJ", b"(" + system + value(touch) + b"o", "os.system"
    yield "os.system by NEWOBJ", made(system, touch), "os.system"
    yield "os.system by NEWOBJ_EX", system + value((touch,)) + b"}\x92", "os.system"
    yield "os.system in a nested tuple", value((1, [{"a": Raw(calls(system, touch))}])), "os.system"
    yield "os.system as a dictionary's key", b"}" + calls(system, touch) + b"Ns", "os.system"
    yield (
        "os.system behind the memo",
        system + b"q\x00" + b"0h\x00" + value((touch,)) + b"R",
        "os.system",
    )
    yield "os.system after a good value", value({"a": 1}) + b"0" + calls(system, touch), "os.system"
    for builtin in ("eval", "exec"):
        yield f"builtins.{builtin}", calls(name("builtins", builtin), write), f"builtins.{builtin}"
    yield "__builtin__.eval", calls(name("__builtin__", "eval"), write), "__builtin__.eval"
    yield "builtins.open", calls(name("builtins", "open"), canary, "w"), "builtins.open"
    yield "builtins.__import__", calls(name("builtins", "__import__"), "os"), "builtins.__import__"
    got = calls(name("builtins", "getattr"), Raw(name("os", "path")), "os")
    yield "builtins.getattr", got, "builtins.getattr"
    yield "builtins.type", calls(name("builtins", "type"), "T", (), {}), "builtins.type"
    yield "builtins.map", calls(name("builtins", "map"), Raw(system), [touch]), "builtins.map"
    yield (
        "builtins.list over builtins.map",
        calls(name("builtins", "list"), Raw(calls(name("builtins", "map"), Raw(system), [touch]))),
        "builtins.map",
    )
    yield (
        "operator.methodcaller",
        calls(name("operator", "methodcaller"), "touch"),
        "operator.methodcaller",
    )
    yield (
        "operator.attrgetter",
        calls(name("operator", "attrgetter"), "system"),
        "operator.attrgetter",
    )
    yield (
        "functools.partial",
        calls(name("functools", "partial"), Raw(system), touch),
        "functools.partial",
    )
    yield (
        "functools.reduce",
        calls(name("functools", "reduce"), Raw(system), [touch]),
        "functools.reduce",
    )
    for module, function in FUNCTIONS:
        yield f"{module}.{function}", calls(name(module, function), canary), f"{module}.{function}"
    yield from _dotted(touch)
    yield from _by_listed_names(canary, touch)


def _dotted(touch: str) -> Iterator[Attack]:
    """Listed modules and classes as a way to others."""
    for module, attribute in (
        ("sklearn.tree", "_classes.os.system"),
        ("sklearn.tree._classes", "os.system"),
        ("sklearn.tree._classes", "DecisionTreeClassifier.__init__.__globals__"),
        ("builtins", "object.__subclasses__"),
        ("builtins", "dict.__class__"),
        ("numpy", "dtype.__reduce__"),
        ("numpy", "ndarray.tofile"),
        ("lightgbm.basic", "Booster.save_model"),
        ("sklearn", "tree._tree.Tree"),
        ("", "os"),
    ):
        code = calls(stack_name(module, attribute), touch)
        yield f"dotted {module}:{attribute}", code, f"{module}.{attribute}"
    yield "a name with a line end", calls(stack_name("os\n", "system"), touch), "system"
    yield "a name in another case", calls(stack_name("OS", "System"), touch), "OS.System"
    yield "a name with a look-alike letter", calls(stack_name("\u043es", "system"), touch), "system"


def _by_listed_names(canary: str, touch: str) -> Iterator[Attack]:
    """Listed objects, used for what they are not listed for."""
    tree = name("sklearn.tree._classes", "DecisionTreeClassifier")
    ridge = made(name("sklearn.linear_model._ridge", "Ridge"))
    booster = name("lightgbm.basic", "Booster")
    yield "a class called", calls(tree, "gini"), "sklearn.tree._classes.DecisionTreeClassifier"
    yield "a booster from a file", calls(booster, None, None, canary), "lightgbm.basic.Booster"
    yield (
        "a booster from a file by keywords",
        booster + b")" + value({"model_file": canary}) + b"\x92",
        "lightgbm.basic.Booster",
    )
    yield (
        "an XGBoost booster from a file",
        calls(name("xgboost.core", "Booster"), {}, (), canary),
        "xgboost.core.Booster",
    )
    yield "a class kept as a value", built(ridge, {"alpha": Raw(booster)}), "lightgbm.basic.Booster"
    yield "an instance called", calls(ridge, touch), ""
    yield "an instance made again", ridge + b")\x81", ""
    yield "a text called", calls(value("os.system"), touch), ""
    yield "BUILD on a class", built(tree, {"__init__": 1}), ""
    yield "BUILD on a kept class", built(name("builtins", "dict"), {"a": 1}), ""
    yield "BUILD on a function", built(name("numpy", "mean"), {"__code__": 1}), ""
    yield "BUILD on a ufunc", built(name("numpy", "exp"), {"a": 1}), ""
    yield (
        "a state that replaces __setstate__",
        built(ridge, {"__setstate__": Raw(name("builtins", "list"))}),
        "",
    )
    yield "a state that replaces __class__", built(ridge, {"__class__": 1}), ""
    yield "a state with slots", built(ridge, (None, {"__class__": 1})), ""
    yield "a state that is a list", built(ridge, ["a"]), ""
    address = {"data": (4096, False), "shape": (1,), "typestr": "|O8", "version": 3}
    yield "memory by its address", built(ridge, {"__array_interface__": address}), ""
    yield "memory by its address in pairs", built(ridge, [("__array_interface__", address)]), ""
    bunch = made(name("sklearn.utils", "Bunch"))
    yield (
        "memory by its address in a Bunch",
        bunch + value("__array_interface__") + value(address) + b"s",
        "",
    )
    yield "an extension code", b"\x82\x01", ""
    yield "a wide extension code", b"\x84\x01\x00\x00\x00", ""
    yield "a persistent id", b"Pid\n", ""
    yield "a persistent id from the stack", value(touch) + b"Q", ""
    yield "bytes by another codec", calls(name("_codecs", "encode"), touch, "rot13"), ""
    yield "bytes of a number", calls(name("builtins", "bytearray"), 1 << 30), ""
    yield "appending to an instance", ridge + b"Na", ""
    yield "filling an instance", ridge + b"NNs", ""
    yield "adding to an instance", ridge + b"(N\x90", ""
    yield from forged.types(canary)
    yield from forged.arrays(canary)


# --- mutations ----------------------------------------------------------------------------


def mutations(seeds: list[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Files near the given ones: bytes and opcodes changed, pieces moved from one to another."""
    chance = random.Random(seed)
    for number in range(count):
        raw = bytearray(seeds[number % len(seeds)])
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            at = chance.randrange(len(raw))
            way = chance.randrange(6)
            if way == 0:
                raw[at] = chance.randrange(256)
            elif way == 1:
                raw[at] = chance.choice(OPCODES)
            elif way == 2:
                raw[at:at] = bytes([chance.choice(OPCODES)])
            elif way == 3:
                del raw[at : at + chance.randint(1, 8)]
            elif way == 4:
                other = chance.choice(seeds)
                start = chance.randrange(len(other))
                raw[at:at] = other[start : start + chance.randint(1, 200)]
            else:
                del raw[at:]
            if not raw:
                raw = bytearray(b".")
        yield bytes(raw)
