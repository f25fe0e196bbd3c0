"""How the page looks: the report's style, and what only the page has; and its icon."""

from __future__ import annotations

import hashlib

from syncer.report.style import STYLE as REPORT_STYLE

_OWN = """
body { padding-top: 0; font-size: .9375rem; }
a { text-decoration-thickness: 1px; text-underline-offset: .15em; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem;
}
.skip { position: absolute; left: -999rem; }
.skip:focus { left: .75rem; top: .25rem; padding: .25rem .5rem; background: var(--page); }
.top {
  display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.5rem; padding: .75rem 0;
  border-bottom: 1px solid var(--rule); margin-bottom: 1.25rem;
}
.brand { font-weight: 700; font-size: 1.05rem; color: var(--text); text-decoration: none; }
.top nav { flex: 1; gap: .25rem 1.25rem; }
.top nav a { text-decoration: none; padding: .1rem 0; border-bottom: 2px solid transparent; }
.top nav a[aria-current] { color: var(--text); font-weight: 600; border-bottom-color: var(--accent); }
.count {
  display: inline-block; min-width: 1.35rem; padding: 0 .35rem; border-radius: 1rem; text-align: center;
  background: var(--bad); color: var(--page); font-size: .8rem; font-weight: 700;
}
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; }
h2 a { font-weight: 400; font-size: .875rem; margin-left: .5rem; }
section { margin-top: 1.5rem; padding-top: 0; border-top: 0; }
.cards { grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.card { background: var(--panel); border-radius: .5rem; }
.card p { margin: .3rem 0; }
.sentence { font-size: 1.05rem; }
.progress { margin: .5rem 0 .25rem; }
.progress svg { height: 10px; fill: var(--accent); border-radius: 5px; }
.progress .rail { fill: var(--cell); }
.tiles { display: flex; flex-wrap: wrap; gap: 1px; padding: 0; margin: 0; background: var(--rule);
  border: 1px solid var(--rule); border-radius: .5rem; overflow: hidden; list-style: none; }
.tiles li { flex: 1 1 9rem; background: var(--panel); padding: .6rem .9rem; }
.tiles.small li { flex-basis: 7rem; padding: .4rem .75rem; } .tiles.small .figure { font-size: 1.1rem; }
.tiles a { color: inherit; text-decoration: none; display: block; }
.tiles a:hover .figure { color: var(--accent); }
.tiles .label { color: var(--quiet); font-size: .85rem; }
.tiles .figure { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.alerts { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
.alert {
  display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; padding: .5rem .75rem; border-radius: .5rem;
  border: 1px solid var(--rule); border-left: .5rem solid var(--quiet); background: var(--panel);
}
.alert.critical { border-left-color: var(--bad); } .alert.warning { border-left-color: var(--doubt); }
.alert .told { flex: 1 1 20rem; min-width: 0; }
.alert p { margin: 0; }
.severity { font-weight: 600; margin-right: .35rem; }
.critical .severity { color: var(--bad); } .warning .severity { color: var(--doubt); }
.good { color: var(--good); }
.unheard { max-width: none; margin: .3rem 0 .6rem; padding: .5rem .75rem; border-radius: .5rem;
  background: var(--panel); border: 1px solid var(--rule); border-left: .5rem solid var(--bad); }
.unheard strong { color: var(--bad); }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
label { display: grid; gap: .1rem; font-size: .85rem; color: var(--quiet); }
input, select, button {
  font: inherit; font-size: .9375rem; color: var(--text); background: var(--page); border: 1px solid var(--quiet);
  border-radius: .35rem; padding: .3rem .6rem; min-height: 2.25rem; max-width: 100%;
}
label.wide { flex: 1 1 16rem; max-width: 30rem; } label.wide input { width: 100%; }
h1 + form { margin-top: .75rem; } h1 .aside { font-size: .875rem; font-weight: 400; margin-left: .5rem; }
button { cursor: pointer; background: var(--accent); border-color: var(--accent); color: var(--page);
  font-weight: 600; }
button.plain { background: var(--page); color: var(--accent); }
.pager a[aria-current] { color: var(--text); font-weight: 600; text-decoration: none; }
.pager { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .75rem; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1.25rem; margin: .75rem 0; }
.facts dt { color: var(--quiet); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.empty { padding: 1.25rem; border: 1px dashed var(--rule); border-radius: .5rem; color: var(--quiet); }
.empty p { margin: .2rem 0; } .empty strong { color: var(--text); }
table { font-size: .9rem; }
tbody tr:hover { background: var(--panel); }
.stacked td.grows { min-width: 12rem; }
.mark { font-weight: 700; } .mark.yes { color: var(--good); } .mark.no { color: var(--doubt); }
footer { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--rule); font-size: .85rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 0 2.5rem; }
.months { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
@media screen and (max-width: 44rem) {
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; } .facts dd { margin-bottom: .5rem; }
  .top { gap: .25rem 1rem; justify-content: space-between; } .top nav { order: 3; flex-basis: 100%; }
  .alert form { width: 100%; }
}
"""

STYLE = REPORT_STYLE + _OWN
"""The style sheet."""
STYLE_VERSION = hashlib.sha256(STYLE.encode()).hexdigest()[:12]
"""Stands in the style sheet's address, so that browsers keep it until it changes."""

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" fill="#0b5cad"/>'
    '<path d="M4 8.4l2.8 2.8L12.2 5" fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
"""The picture for the browser's tab: a tick."""
