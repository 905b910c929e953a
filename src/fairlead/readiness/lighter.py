"""Lighter variant: whether something smaller would do."""

from __future__ import annotations

from math import isfinite
from shlex import quote

from fairlead.readiness.facts import MIB, PASS, WARN, Facts, Finding, Question, mib, span

GROUP = "Lighter variant"
_LARGE, _SLOW_S = 100 * MIB, 0.1
_WORTH = 0.7
"""What a lighter variant may keep of size or time to be worth its loss of precision."""


def _lighter(facts: Facts) -> Finding:
    run, package = facts.run, facts.package
    files = package.files.items()
    size = sum(fact.size for name, fact in files if name.startswith(("graph/", "native/")))
    told = f"{mib(size)} on disk, {mib(run.model)} in memory, {span(run.median_s)} for a row"
    heavy = size >= _LARGE or run.model >= 4 * _LARGE or run.median_s >= _SLOW_S
    light = run.lighter
    if light is None:
        if not heavy:
            return Finding(PASS, f"{told}: little is left to gain")
        fix = f"export it to ONNX; {facts.packed()}"
        if package.runtime == "onnx":
            fix = "pip install 'fairlead[onnx]', with which the check tries 8-bit weights"
        return Finding(WARN, f"{told}: no lighter one was tried", fix)
    off = f"off by {light.difference:.2g}" if isfinite(light.difference) else "another one"
    asked = "the example" if run.real else "a row of zeros"
    told += f"; with 8-bit weights {mib(light.size)}, {span(light.median_s)}, and the answer to "
    told += f"{asked} is {off}"
    gains = light.size < _WORTH * size or light.median_s < _WORTH * run.median_s
    quantize = f"quantize_dynamic({str(package.graph_path)!r}, 'light.onnx')"
    make = f"python -c {quote(f'from onnxruntime.quantization import *; {quantize}')}"
    place = facts.repository or "models"
    pack = f"fairlead pack light.onnx --name {package.name}-light --repository {place}"
    return Finding(WARN if heavy and gains else PASS, told, f"{make}; {pack}")


def _native(facts: Facts) -> Finding:
    package = facts.package
    if package.runtime == "onnx":
        return Finding(PASS, "a graph: no framework is loaded to serve it")
    reason = package.reason or "it is code"
    fix = f"{facts.packed()}; it says why the model is kept as it is"
    return Finding(facts.mild, f"kept as {package.runtime}: {reason}", fix)


QUESTIONS = (
    Question("lighter-variant", "Would a smaller one do?", _lighter, True),
    Question("framework-free", "Does it need its framework to be served?", _native),
)
