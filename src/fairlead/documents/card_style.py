"""The style of a model card, over the tokens of every page (`page.STYLE`)."""

STYLE = """
.mc-top { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 16px;
  margin-top: 24px; }
.mc-box { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; break-inside: avoid; }
.mc-unknown { border-left: 4px solid var(--moved); }
.mc-big { font-size: 40px; line-height: 1.1; letter-spacing: -.02em; font-weight: 650;
  display: block; margin: 4px 0 2px; }
.mc-unknown .mc-big { color: var(--moved); font-size: 28px; }
.mc-box .mc-bar { margin: 12px 0 4px; max-width: 460px; }
.mc-score { height: 8px; margin: 10px 0 12px; border-radius: 4px; overflow: hidden; }
.mc-filled { fill: var(--good); }
.mc-tags { display: flex; flex-wrap: wrap; gap: 6px; padding: 0; margin: 8px 0 0;
  list-style: none; }
.mc-tags li { border: 1px dashed var(--moved); color: var(--moved); border-radius: 999px;
  padding: 1px 10px; font-size: 12px; }
.mc-nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 22px 0 0; padding: 10px 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); font-size: 13px; }
.mc-nav a { color: var(--now); text-decoration: none; }
.mc-nav a:hover { text-decoration: underline; }
.mc-section { margin-top: 36px; }
.mc-section > h2 { margin: 0 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
.mc-section > h2 span { color: var(--soft); font-weight: 400; margin-right: 10px; }
.mc-words { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr));
  gap: 14px 28px; margin: 0 0 18px; }
.mc-words dt { color: var(--soft); font-size: 13px; }
.mc-words dd { margin: 2px 0 0; overflow-wrap: anywhere; }
.mc-words dd p { margin: 0 0 4px; }
.mc-missing { color: var(--moved); border: 1px dashed var(--moved); border-radius: 6px;
  display: inline-block; padding: 1px 10px; font-size: 13px; }
.mc-facts { display: grid; grid-template-columns: minmax(150px, 240px) minmax(0, 1fr); margin: 0;
  font-size: 14px; }
.mc-facts dt, .mc-facts dd { padding: 6px 0; border-bottom: 1px solid var(--line); margin: 0; }
.mc-facts dt { color: var(--soft); padding-right: 16px; }
.mc-facts dd { overflow-wrap: anywhere; }
.mc-facts dd p { margin: 0; max-width: none; }
.mc-limits { margin: 0 0 16px; padding: 0; list-style: none; }
.mc-limits li { border-left: 3px solid var(--moved); padding: 2px 0 2px 14px; margin: 0 0 10px;
  max-width: 86ch; overflow-wrap: anywhere; }
.mc-sub { font-size: 15px; margin: 26px 0 2px; }
.mc-bar { display: block; width: 100%; height: auto; }
.mc-chart { display: block; width: 100%; height: auto; max-width: 480px; }
.mc-cell { width: 34%; min-width: 150px; }
.mc-slices td { vertical-align: middle; }
.mc-slices tr.mc-few td { color: var(--soft); }
.mc-slices tr.mc-worst td:first-child { border-left: 3px solid var(--moved); padding-left: 9px; }
.mc-column-name td { padding-top: 14px; border-bottom: 0; color: var(--soft); font-size: 13px; }
.mc-slices td + td { padding-top: 4px; padding-bottom: 4px; }
.mc-scale { stroke: var(--line); stroke-width: 1; }
.mc-mark { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 2 2; }
.mc-span { stroke: var(--now); stroke-width: 3; stroke-linecap: round; opacity: .45; }
.mc-dot { fill: var(--now); } .mc-cap { stroke: var(--now); stroke-width: 1.6; }
tr.mc-worst .mc-dot { fill: var(--moved); } tr.mc-worst .mc-span { stroke: var(--moved); }
tr.mc-few .mc-dot { fill: var(--soft); } tr.mc-few .mc-span { stroke: var(--soft); }
.mc-ideal { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
.mc-line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.mc-line.mc-raw, .mc-whisker.mc-raw { stroke: var(--soft); }
.mc-line.mc-calibrated, .mc-whisker.mc-calibrated { stroke: var(--now); }
.mc-whisker { opacity: .5; stroke-width: 1.2; }
circle.mc-raw { fill: var(--soft); } circle.mc-calibrated { fill: var(--now); }
.mc-column { fill: var(--learnt); } .mc-strange { fill: var(--moved); }
.mc-tick, .mc-name { fill: var(--soft); font-size: 11px; }
.mc-name { font-size: 11.5px; }
.mc-charts { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); }
.mc-charts .card { gap: 6px; } .mc-charts .key { margin-top: 0; }
.mc-right { font-weight: 650; color: var(--good); }
.mc-code { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, monospace; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: 10px 0 0; }
.mc-live { border-top: 3px solid var(--good); }
@media (max-width: 720px) { .mc-top { grid-template-columns: 1fr; }
  .mc-facts { grid-template-columns: 1fr; } .mc-facts dt { border-bottom: 0; padding-bottom: 0; }
  .mc-facts dd { padding-top: 0; } .mc-big { font-size: 32px; } .mc-cell { display: none; } }
@media print { .mc-nav { display: none; } .mc-section { margin-top: 20px; }
  .mc-top { margin-top: 12px; } .mc-big { font-size: 26px; } .mc-facts { font-size: 11px; }
  .mc-charts { grid-template-columns: repeat(3, 1fr); } .mc-words { gap: 8px 20px; }
  details.mc-more { display: block; } }
"""
