"""How the page looks: on telephones and wide screens, by day, by night and on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fff; --panel: #f6f7f9; --text: #1c2024; --quiet: #5c6570; --rule: #d5dae0; --accent: #0b5cad;
  --good: #146c2e; --good-back: #e6f4ea; --bad: #9c1c1c; --bad-back: #fdecea; --doubt: #7a4b00; --doubt-back: #fff4dc;
  --cell: #eef1f4; --level1: #d3e5f8; --level2: #9cc7ef; --level3: #2f6db3; --level4: #12477f;
  --on1: #10243a; --on2: #0c1e33; --on3: #fff; --on4: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --panel: #1d2125; --text: #e6e9ec; --quiet: #a2abb5; --rule: #3a4148; --accent: #7db8f5;
    --good: #7fd899; --good-back: #15301d; --bad: #ff9d94; --bad-back: #3b1816; --doubt: #f3c266; --doubt-back: #33270f;
    --cell: #22272c; --level1: #1b3550; --level2: #245a8e; --level3: #5fa3e6; --level4: #b5d8fb;
    --on1: #e6e9ec; --on2: #fff; --on3: #06131f; --on4: #06131f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2.5rem) 3rem; max-width: 90rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei",
  "Noto Sans CJK SC", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .4rem 0; max-width: 70rem; }
a { color: var(--accent); }
section { margin-top: 1.75rem; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); font-size: 11px; font-family: inherit; }
details { margin-top: .75rem; }
summary { cursor: pointer; color: var(--accent); }
.quiet, .sql { color: var(--quiet); font-weight: 400; }
.sql { font-size: .875rem; margin-top: .75rem; }
.foreign { overflow-wrap: anywhere; }
.banner {
  margin-bottom: 1.25rem; padding: .5rem 1rem; border: 2px solid var(--bad); border-left-width: .75rem;
  border-radius: .375rem; background: var(--bad-back);
}
.banner strong { color: var(--bad); font-size: 1.2rem; }
.banner ul { margin: .25rem 0; padding-left: 1.25rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
.card { padding: .5rem 1rem .75rem; border: 1px solid var(--rule); border-left: .5rem solid; border-radius: .375rem; }
.card h3 { margin: .25rem 0; }
.sentence { font-size: 1.1rem; font-weight: 600; }
.badge, .verdict { padding: .05rem .5rem; border-radius: 1rem; border: 1px solid; white-space: nowrap; }
.badge { font-size: .9rem; margin-right: .25rem; }
.card.proven { border-left-color: var(--good); }
.card.stale, .card.unproven { border-left-color: var(--doubt); }
.card.never { border-left-color: var(--bad); }
.proven .badge, .verdict.proven { color: var(--good); background: var(--good-back); }
.stale .badge, .unproven .badge, .verdict.unproven { color: var(--doubt); background: var(--doubt-back); }
.never .badge { color: var(--bad); background: var(--bad-back); }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { font-size: .875rem; color: var(--quiet); white-space: nowrap; vertical-align: bottom; }
td { white-space: nowrap; }
td.number, th.number { text-align: right; }
td.grows, td.thing, td.id, td p { white-space: normal; }
td.thing { min-width: 6em; }
td.id { min-width: 12em; }
td p { margin: 0; }
.stacked { width: 100%; }
.stacked td.grows { min-width: 14rem; }
.share { display: flex; align-items: center; gap: .5rem; min-width: 9rem; }
.bar { width: 6rem; height: 8px; flex: none; fill: var(--level3); }
.bar .rail { fill: var(--cell); }
.months { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1.25rem; }
.month { max-width: 25rem; }
.month text { text-anchor: middle; font-size: 12px; font-weight: 600; }
.month .weekday { fill: var(--quiet); font-size: 11px; font-weight: 400; }
.month .date { text-anchor: start; font-size: 10px; font-weight: 400; }
.month .bytes { font-size: 9.5px; font-weight: 400; }
.day rect { fill: var(--cell); }
.past rect { fill: none; stroke: var(--cell); }
.level0 text, .past text { fill: var(--quiet); }
.level1 rect { fill: var(--level1); } .level1 text { fill: var(--on1); }
.level2 rect { fill: var(--level2); } .level2 text { fill: var(--on2); }
.level3 rect { fill: var(--level3); } .level3 text { fill: var(--on3); }
.level4 rect { fill: var(--level4); } .level4 text { fill: var(--on4); }
.today rect { stroke: var(--text); stroke-width: 3; }
.today .date { font-weight: 700; }
.volume { margin-top: .75rem; max-width: 72rem; }
.volume .narrow { display: none; }
.grid { stroke: var(--rule); }
.value { text-anchor: end; }
.volume .date { text-anchor: middle; }
.line { fill: none; stroke: var(--level3); stroke-width: 2; stroke-linejoin: round; }
.area { fill: var(--level3); opacity: .18; }
.dot { fill: var(--level3); }
.hatch { stroke: var(--quiet); stroke-width: 1; fill: none; opacity: .6; }
@media screen and (max-width: 44rem) {
  .volume .wide { display: none; }
  .volume .narrow { display: block; }
  .stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stacked, .stacked tbody, .stacked tr, .stacked td { display: block; width: 100%; }
  .stacked tr { padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  .stacked td { display: flex; gap: .75rem; padding: .1rem 0; border: 0; text-align: left; white-space: normal; }
  .stacked td::before { content: attr(data-label); flex: 0 0 6.5rem; color: var(--quiet); font-size: .875rem; }
  .stacked td > * { min-width: 0; }
  .stacked td.grows, .stacked td.thing, .stacked td.id { min-width: 0; }
  .bar { width: 3.5rem; }
  .share { min-width: 0; }
}
@media print {
  @page { margin: 14mm 12mm; }
  :root {
    --page: #fff; --panel: #fff; --text: #000; --quiet: #444; --rule: #bbb; --accent: #000;
    --good: #146c2e; --good-back: #fff; --bad: #9c1c1c; --bad-back: #fff; --doubt: #7a4b00; --doubt-back: #fff;
    --cell: #f0f2f4; --level1: #d3e5f8; --level2: #9cc7ef; --level3: #2f6db3; --level4: #12477f;
    --on1: #10243a; --on2: #0c1e33; --on3: #fff; --on4: #fff; color-scheme: light;
  }
  body { padding: 0; max-width: none; font-size: 9.5pt; }
  nav, details { display: none; }
  section { margin-top: 1rem; padding-top: .75rem; }
  h2, h3, figcaption { break-after: avoid; }
  tr, .card, .month, .banner, .volume { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  .stacked td.grows { min-width: 8rem; }
  table { font-size: 8.5pt; }
  td.id { min-width: 14.5em; }
  .months { grid-template-columns: repeat(3, 1fr); }
  svg, .badge, .verdict { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
