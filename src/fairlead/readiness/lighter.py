"""Lighter variant: whether something smaller would do."""

from __future__ import annotations

from fairlead.readiness.facts import MIB, PASS, WARN, Facts, Finding, Question, mib, span

GROUP = "Lighter variant"
_LARGE, _SLOW_S = 100 * MIB, 0.1


def lighter(facts: Facts) -> Finding:
    run, package = facts.run, facts.package
    size = sum(
        f.size for name, f in package.files.items() if name.startswith(("graph/", "native/"))
    )
    told = f"{mib(size)} on disk, {mib(run.model)} in memory, {span(run.median_s)} for a row"
    if size < _LARGE and run.model < 4 * _LARGE and run.median_s < _SLOW_S:
        return Finding(PASS, f"{told}: little is left to gain")
    if package.runtime != "onnx":
        return Finding(WARN, told, f"export it to ONNX; {facts.packed()}")
    quantize = "onnxruntime.quantization.quantize_dynamic('model.onnx', 'light.onnx')"
    place = facts.repository or "models"
    pack = f"fairlead pack light.onnx --name {package.name}-light --repository {place}"
    return Finding(WARN, told, f'python -c "import onnxruntime.quantization; {quantize}"; {pack}')


def native(facts: Facts) -> Finding:
    package = facts.package
    if package.runtime == "onnx":
        return Finding(PASS, "a graph: no framework is loaded to serve it")
    reason = package.reason or "it is code"
    fix = "docs/reference/formats.md says what is converted, and fairlead pack why it was not"
    return Finding(facts.mild, f"kept as {package.runtime}: {reason}", fix)


QUESTIONS = (
    Question("lighter-variant", "Would a smaller one do?", lighter, True),
    Question("framework-free", "Does it need its framework to be served?", native),
)
