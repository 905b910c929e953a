"""Is a torch.export archive (.pt2) what it should be: operators of torch and plain tensors?

torch.export.load is no safe reader: it unpickles freely where a plain tensor cannot be read,
evaluates the expressions of symbolic sizes as Python, calls any attribute of torch that a node
names, and loads compiled libraries. So the archive is looked through first. The airlock is the
wall; this says early and in words what is wrong with a file.

Standalone: the standard library and torch only.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.packing.converters.tensors import Refused

_NAME = re.compile(r"[A-Za-z_]\w*\Z|\Z", re.ASCII)
_TARGET = re.compile(r"torch\.(ops\.[a-z]\w*\.\w+(\.\w+)?|_?sym_\w+)\Z|math\.\w+\Z", re.ASCII)
_PYTHON = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor|"
    r"not_|invert|lshift|rshift|getitem)\Z"
)
_FILES = frozenset(("torch.ops.aten.from_file", "torch.ops.aten._from_file"))
_QUOTED = re.compile(r"Symbol\('([a-z]+\d+)'", re.ASCII)
_SYMBOL = re.compile(r"[a-z]+\d+\Z", re.ASCII)
_WORD = re.compile(
    r"(Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|CeilToInt|FloorToInt|IntTrueDiv|"
    r"FloatTrueDiv|FloatPow|PowByNatural|ModularIndexing|Where|Identity|ToFloat|TruncToInt|"
    r"TruncToFloat|RoundToInt|RoundDecimal|LShift|RShift|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Abs|Pow|oo|"
    r"int_oo|true|false|True|False|Piecewise|ceiling|floor|sqrt|Symbol|Integer|Rational|Float|Mul|"
    r"Add|Equality|Unequality|GreaterThan|LessThan|StrictGreaterThan|StrictLessThan|BooleanTrue|"
    r"BooleanFalse|Infinity|NegativeInfinity|positive|negative|nonnegative|integer|real|precision)"
    r"\Z"
)
_EXPRESSION = re.compile(r"[\w\s+\-*/(),.<>=!&|~%]*\Z", re.ASCII)
_ASKED = frozenset(("size", "stride", "storage_offset", "dim", "numel"))


def check(path: Path) -> None:
    """Raises Refused, or ValueError for what is no such archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise Refused("the archive holds an entry twice")
            for name in names:
                _check_entry(archive, name)
    except (zipfile.BadZipFile, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"the archive cannot be read: {error}") from error


@contextmanager
def tensors_only() -> Generator[None]:
    """Lets torch.load read tensors and nothing else, whatever its callers ask for."""
    torch: Any = import_module("torch")
    original = torch.load

    def load(*args: Any, **named: Any) -> Any:
        return original(*args, **{**named, "weights_only": True})

    torch.load = load
    try:
        yield
    finally:
        torch.load = original


def _check_entry(archive: zipfile.ZipFile, name: str) -> None:
    parts = name.split("/")
    if "aotinductor" in parts or name.endswith((".so", ".cubin")):
        raise Refused("the archive holds compiled code: save the program with torch.export.save")
    if parts[-1].startswith(("custom_obj_", "opaque_obj_")):
        raise Refused(f"the archive holds an object that is no tensor: {name}")
    if name.endswith(".json") and not name.endswith("_config.json"):
        try:
            _walk(json.loads(archive.read(name)))
        except json.JSONDecodeError:
            raise ValueError(f"{name} in the archive is not JSON") from None


def _walk(value: Any) -> None:
    """Checks every place of the program's JSON that torch would turn into code."""
    if value.__class__ is list:
        for entry in value:
            _walk(entry)
    elif value.__class__ is dict:
        if value.get("target").__class__ is str and "inputs" in value:
            _check_target(value["target"])
        for key, entry in value.items():
            _check_field(key, entry)
            _walk(entry)


def _check_field(key: str, entry: Any) -> None:
    if key in ("name", "as_name") and isinstance(entry, str):
        _check_name(entry)
    elif key == "forward_arg_names":
        for name in entry or ():
            _check_name(str(name))
    elif key == "expr_str":
        _check_expression(str(entry))
    elif key == "range_constraints":
        for name in entry:
            _check_expression(str(name))
    elif key == "guards_code":
        for guard in entry:
            _check_guard(str(guard))
    elif key == "in_spec" and isinstance(entry, str):
        _check_arguments(json.loads(entry))


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise Refused(f"{name[:60]!r} is no name of a value")


def _check_target(target: str) -> None:
    """Only torch's operators and arithmetic on sizes are called."""
    file = target in _FILES or target.rpartition(".")[0] in _FILES
    good = _PYTHON.match(target) or _TARGET.match(target)
    if not good or file or "__" in target:
        raise Refused(f"the program calls {target[:80]!r}, which is no operator of torch")


def _check_expression(text: str) -> None:
    """A symbolic size holds symbols, numbers, arithmetic and torch's own functions of sizes."""
    text = _QUOTED.sub(r"Symbol(\1", text)
    words = re.findall(r"[A-Za-z_]\w*", text, re.ASCII)
    if not _EXPRESSION.match(text) or not all(_SYMBOL.match(w) or _WORD.match(w) for w in words):
        raise Refused(f"{text[:60]!r} is no size")


def _check_guard(text: str) -> None:
    """A guard compares sizes of the inputs, and calls nothing else."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except SyntaxError:
        raise Refused(f"{text[:60]!r} is no guard") from None
    for node in nodes:
        called = isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute)
        attribute = isinstance(node, ast.Attribute) and node.attr not in _ASKED
        name = isinstance(node, ast.Name) and node.id != "L" and not _WORD.match(node.id)
        if called or attribute or name or isinstance(node, ast.Lambda | ast.NamedExpr):
            raise Refused(f"{text[:60]!r} is no guard")


def _check_arguments(spec: Any) -> None:
    """The keys of arguments become names in generated code."""
    if spec.__class__ is list:
        for entry in spec:
            _check_arguments(entry)
    elif spec.__class__ is dict:
        if spec.get("type") == "builtins.dict":
            for key in json.loads(str(spec.get("context"))) or ():
                _check_name(str(key))
        _check_arguments(spec.get("children_spec", []))
