"""The deployment check as a page for a manager: one file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from fairlead.documents.charts import escaped
from fairlead.documents.check_report import FOR, Report, counts, summary
from fairlead.documents.page import page

_MOST = 600
"""Characters of a measured fact or of a command; names and words can be of any length."""

_KINDS = {"fail": "fail", "warn": "warn", "owner must say": "owner", "pass": "good"}
"""The class of each verdict."""
_MARKS = {"fail": "✕", "warn": "!", "owner must say": "?", "pass": "✓"}
_TILES = {
    "fail": "stand in the way",
    "warn": "to look at",
    "owner must say": "for the owner to say",
    "pass": "in order",
}
_HEADS = {
    "fail": "What stands in the way",
    "warn": "What to look at",
    "owner must say": "What only the owner can say",
}
_WIDTH, _GAP = 1000, 4

STYLE = """
:root { --warn: #9a6700; --owner: #2463c9; }
@media (prefers-color-scheme: dark) { :root { --warn: #e3b341; --owner: #7fb0ff; } }
.check .verdict.fail { border-color: var(--moved); }
.check .verdict.warn { border-color: var(--warn); }
.check .verdict.owner { border-color: var(--owner); }
.check .strip { margin: 28px 0 0; height: 10px; }
.check svg .fail { fill: var(--moved); } .check svg .warn { fill: var(--warn); }
.check svg .owner { fill: var(--owner); } .check svg .good { fill: var(--good); }
.check .figures { margin-top: 12px; }
.check .figures b { font-size: 28px; line-height: 1.2; }
.check .figures .fail b { color: var(--moved); } .check .figures .warn b { color: var(--warn); }
.check .figures .owner b { color: var(--owner); } .check .figures .good b { color: var(--good); }
.check .figures .none b { color: var(--soft); }
.check .findings { list-style: none; padding: 0; margin: 12px 0 0; display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); }
.check .findings > li { background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--line); border-radius: 10px; padding: 14px 18px 16px;
  break-inside: avoid; }
.check .findings > .fail { border-left-color: var(--moved); }
.check .findings > .warn { border-left-color: var(--warn); }
.check .findings > .owner { border-left-color: var(--owner); }
.check .findings header { display: flex; justify-content: space-between; gap: 16px;
  align-items: baseline; }
.check .findings h3 { font-size: 16px; }
.check .findings p { overflow-wrap: anywhere; }
.check code { display: block; font: 12.5px/1.5 ui-monospace, "Cascadia Mono", Menlo, monospace;
  background: var(--paper); border: 1px solid var(--line); border-radius: 6px;
  padding: 7px 10px; margin-top: 10px; overflow-wrap: anywhere; white-space: pre-wrap; }
.check code span { white-space: nowrap; }
.check .every { margin-top: 16px; display: grid; gap: 16px; }
.check .group { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 18px 8px; break-inside: avoid; }
.check .group h3 { margin-bottom: 6px; }
.check .group ul { list-style: none; margin: 0; padding: 0; }
.check .group li { display: grid; grid-template-columns: 22px minmax(0, 5fr) minmax(0, 7fr);
  gap: 0 12px; padding: 7px 0; border-top: 1px solid var(--line); align-items: baseline; }
.check .group li span { overflow-wrap: anywhere; }
.check .group li span:last-child { color: var(--soft); font-size: 14px; }
.check i.mark { font-style: normal; font-weight: 700; text-align: center; }
.check .mark.fail { color: var(--moved); } .check .mark.warn { color: var(--warn); }
.check .mark.owner { color: var(--owner); } .check .mark.good { color: var(--good); }
.check + .check { margin-top: 72px; }
@media (max-width: 640px) {
  .check .group li { grid-template-columns: 22px minmax(0, 1fr); }
  .check .group li span:last-child { grid-column: 2; }
  .check .findings header { display: block; }
}
@media print { :root { --warn: #9a6700; --owner: #2463c9; } }
"""


def html_page(reports: Sequence[Report]) -> str:
    """The reports as one page."""
    title = "Deployment check"
    if len(reports) == 1:
        title = f"Deployment check of {reports[0]['model']} version {reports[0]['version']}"
    listed = _listed(reports) if len(reports) > 1 else ""
    every = (f'<section class="check">{_head(one)}\n{sections(one)}</section>' for one in reports)
    return page(title, listed + "\n".join(every), STYLE)


def about(report: Report) -> str:
    """For whom a version was checked, and when."""
    return f"{_whom(report)} · {_moment(str(report['when']))}"


def sections(report: Report) -> str:
    """One report below its title, for a page with STYLE: classes only, within `.check`."""
    told = counts(report)
    kind = _KINDS.get(str(report["verdict"]), "fail")
    parts = [
        f'<div class="verdict {kind}"><strong>{_ready(report)}</strong>'
        f"<p>{_sentence(told)}</p></div>",
        _strip(told),
        f'<div class="figures">{"".join(_tile(v, n) for v, n in told.items())}</div>',
    ]
    for verdict, head in _HEADS.items():
        found = [answer for answer in report["answers"] if answer["verdict"] == verdict]
        if found:
            items = "".join(map(_finding, found))
            parts.append(f'<h2>{head}</h2>\n<ol class="findings">{items}</ol>')
    parts.append(_every(report))
    return "\n".join(parts)


def _head(report: Report) -> str:
    return (
        f'<div class="eyebrow">Deployment check · {escaped(about(report))}</div>\n'
        f'<h1>{escaped(report["model"])} <span class="soft">version '
        f"{escaped(report['version'])}</span></h1>"
    )


def _whom(report: Report) -> str:
    return FOR.get(str(report["exposure"]), str(report["exposure"]))


def _ready(report: Report) -> str:
    ready = "Not ready" if report["verdict"] == "fail" else "Ready"
    return escaped(f"{ready} {_whom(report)}")


def _sentence(told: Mapping[str, int]) -> str:
    every = sum(told.values())
    good, wrong, owner = told["pass"], told["fail"], told["owner must say"]
    said = f"{good} of {every} questions are in order"
    if wrong:
        said += f"; {wrong} {'has' if wrong == 1 else 'have'} an answer that stands in the way"
    if owner:
        said += f"; {owner} only the owner can answer"
    return f"{said}. Every figure was measured on the machine where the check ran."


def _strip(told: Mapping[str, int]) -> str:
    """One bar of all answers, in the order of their verdicts."""
    every, left, parts = sum(told.values()) or 1, 0.0, list[str]()
    for verdict, count in told.items():
        width = count / every * _WIDTH
        if count:
            parts.append(
                f'<rect class="{_KINDS[verdict]}" x="{left:.1f}" y="0" '
                f'width="{max(1.0, width - _GAP):.1f}" height="10" rx="2">'
                f"<title>{count} {verdict}</title></rect>"
            )
        left += width
    label = ", ".join(f"{count} {verdict}" for verdict, count in told.items())
    return (
        f'<svg class="strip" viewBox="0 0 {_WIDTH} 10" role="img" aria-label="{label}" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
    )


def _tile(verdict: str, count: int) -> str:
    kind = _KINDS[verdict] if count else "none"
    return f'<div class="{kind}"><b>{count}</b>{_TILES[verdict]}</div>'


def _finding(answer: Mapping[str, Any]) -> str:
    kind = _KINDS.get(str(answer["verdict"]), "fail")
    fix = f"<code>{_command(answer['fix'])}</code>" if answer["fix"] else ""
    return (
        f'<li class="{kind}"><header><h3>{escaped(answer["question"])}</h3>'
        f'<span class="tag">{escaped(answer["group"])}</span></header>'
        f"<p>{_long(answer['measured'])}</p>{fix}</li>"
    )


def _every(report: Report) -> str:
    parts = ['<h2>Every question</h2>\n<div class="every">']
    for group, answers in groupby(report["answers"], lambda answer: answer["group"]):
        lines = "".join(map(_line, answers))
        parts.append(f'<div class="group"><h3>{escaped(group)}</h3><ul>{lines}</ul></div>')
    return "".join([*parts, "</div>"])


def _line(answer: Mapping[str, Any]) -> str:
    verdict = str(answer["verdict"])
    kind, mark = _KINDS.get(verdict, "fail"), _MARKS.get(verdict, "?")
    return (
        f'<li><i class="mark {kind}" title="{escaped(verdict)}">{mark}</i>'
        f"<span>{escaped(answer['question'])}</span><span>{_long(answer['measured'])}</span></li>"
    )


def _listed(reports: Sequence[Report]) -> str:
    """What several reports come to, before the first of them."""
    lines = "".join(
        f'<li><i class="mark {_KINDS.get(str(told["verdict"]), "fail")}">'
        f"{_MARKS.get(str(told['verdict']), '?')}</i><span>{escaped(told['model'])}</span>"
        f"<span>{escaped(summary(told).partition(': ')[2])}</span></li>"
        for told in reports
    )
    head = f"<h1>{len(reports)} models</h1>"
    return f'<section class="check">{head}<div class="group"><ul>{lines}</ul></div></section>\n'


def _moment(when: str) -> str:
    try:
        return f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return when


def _command(text: object) -> str:
    """A command whose lines do not end within a flag."""
    parts = _long(text).split(" ")
    return " ".join(f"<span>{part}</span>" if part.startswith("--") else part for part in parts)


def _long(text: object) -> str:
    """A text that may be longer than a name, without markup and control characters."""
    shown = str(text)
    shown = shown if len(shown) <= _MOST else shown[: _MOST - 1] + "…"
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in shown))
