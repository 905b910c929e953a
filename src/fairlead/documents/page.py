"""The frame of every page: one file that needs nothing else, light or dark as the reader has it.

No scripts and no requests, which the page's own policy says too, so that a text that slipped
through could do nothing.
"""

from __future__ import annotations

from fairlead.documents.charts import escaped

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a page of ours may load, as its own head and whoever serves it say: nothing."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #ffffff; --ink: #1b1f24; --soft: #656d76; --line: #e3e3de;
  --learnt: #cdd3da; --now: #2463c9; --now-area: #2463c91f; --moved: #c2410c; --good: #1a7f4b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101316; --card: #181c20; --ink: #e9ecef; --soft: #98a2ac; --line: #2a3036;
    --learnt: #48515b; --now: #7fb0ff; --now-area: #7fb0ff2b; --moved: #ff8f5e; --good: #5fd39a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
:focus-visible { outline: 2px solid var(--now); outline-offset: 2px; border-radius: 2px; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.01em; margin: 4px 0 6px; }
h2 { font-size: 18px; margin: 40px 0 4px; }
h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
p { margin: 4px 0; max-width: 74ch; }
.soft, caption, th { color: var(--soft); font-weight: 400; }
.small { font-size: 13px; }
.eyebrow { color: var(--soft); font-size: 13px; letter-spacing: .04em; }
.verdict { border-left: 4px solid var(--good); padding: 2px 0 2px 16px; margin: 24px 0 0; }
.verdict.moved { border-color: var(--moved); }
.verdict strong { font-size: 20px; display: block; }
.figures { display: flex; flex-wrap: wrap; gap: 1px; background: var(--line); margin-top: 28px;
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.figures > div { background: var(--card); padding: 14px 16px; flex: 1 1 158px; }
.figures b { display: block; font-size: 20px; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr));
  gap: 16px; margin-top: 16px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 16px 14px; break-inside: avoid; display: flex; flex-direction: column; gap: 8px; }
.card.moved { border-top: 3px solid var(--moved); padding-top: 14px; }
.card header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.tag { color: var(--soft); font-size: 12px; white-space: nowrap; }
.moved .tag, td.moved { color: var(--moved); font-weight: 600; }
.card .words { font-size: 13px; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.ends { display: flex; justify-content: space-between; gap: 8px; color: var(--soft);
  font-size: 12px; margin-top: -4px; }
.ends span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1 1 0;
  text-align: center; }
.ends.two span:first-child { text-align: left; }
.ends.two span:last-child { text-align: right; }
.learnt { fill: var(--learnt); } .now { fill: var(--now); }
.now-area { fill: var(--now-area); }
.now-line { fill: none; stroke: var(--now); stroke-width: 1.6; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; }
.moved .now { fill: var(--moved); }
.moved .now-line { stroke: var(--moved); }
.moved .now-area { fill: color-mix(in srgb, var(--moved) 14%, transparent); }
.over { fill: transparent; } .axis { stroke: var(--line); }
.past { fill: var(--learnt); } .past.beyond { fill: var(--moved); }
.sizes { display: grid; grid-template-columns: 4fr 3fr 4fr; gap: 10px; }
.sizes span { display: block; color: var(--soft); font-size: 12px; white-space: nowrap; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px;
  margin-top: 8px; }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px;
  vertical-align: -1px; background: var(--learnt); }
.key i.now { background: var(--now); } .key i.moved { background: var(--moved); }
table { border-collapse: collapse; width: 100%; margin-top: 12px; font-size: 14px; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal;
  overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
ol.alarms { list-style: none; padding: 0; margin: 12px 0 0; }
ol.alarms > li { display: grid; grid-template-columns: 200px 1fr; gap: 0 20px; padding: 8px 0;
  border-bottom: 1px solid var(--line); }
ol.alarms div { overflow-wrap: anywhere; } ol.alarms div + div { margin-top: 4px; }
ol.alarms > li > span:first-child { color: var(--soft); font-size: 13px; padding-top: 1px; }
summary { cursor: pointer; color: var(--soft); padding-top: 8px; font-size: 13px; }
@media (max-width: 640px) { ol.alarms > li { grid-template-columns: 1fr; }
  main { padding: 24px 16px 40px; } }
footer { color: var(--soft); font-size: 13px; margin-top: 40px; }
@media print {
  :root { color-scheme: light;
    --paper: #fff; --card: #fff; --ink: #000; --soft: #555; --line: #ccc; --learnt: #cdd3da;
    --now: #2463c9; --now-area: #2463c91f; --moved: #c2410c; --good: #1a7f4b; }
  body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .cards { grid-template-columns: repeat(3, 1fr); gap: 10px; }
  summary { display: none; }
  h2, tr, li { break-inside: avoid; } h2 { break-after: avoid; }
}
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole page. body: markup, in which every text from outside is escaped.

    style: of what only this page has, behind the style of all pages.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
