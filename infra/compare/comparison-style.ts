/** How a page that compares looks; it follows the reader's choice of light or dark. */
import { Markup } from './markup.ts'

export const style = new Markup(`
  :root {
    color-scheme: light dark;
    --ground: light-dark(#fff, #14171b); --band: light-dark(#f5f7fa, #1b1f25);
    --line: light-dark(#d8dce2, #3a4048); --soft: light-dark(#5a6472, #9aa4b2);
    --a: light-dark(#7a8ba6, #8296b4); --b: light-dark(#2f6fdb, #6aa2ff);
    --more: light-dark(#b3261e, #ff8a80); --less: light-dark(#1b6e3c, #7fd6a0);
  }
  * { box-sizing: border-box }
  body { margin: 0; padding: 1.5rem; background: var(--ground); font: 14px/1.45 system-ui, sans-serif }
  h1 { font-size: 1.25rem; margin: 0 0 .5rem }
  h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
  p, dl, ul { margin: .25rem 0 }
  dt { float: left; clear: left; width: 1.5rem; font-weight: 600 }
  dd { margin: 0 0 0 1.5rem }
  .soft { color: var(--soft) }
  .slower, .missing, .failed { color: var(--more) }
  .faster, .added { color: var(--less) }

  .scroll { overflow-x: auto }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
  th, td { padding: .2rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap }
  th { text-align: left; font-weight: inherit }
  thead th { font-weight: 600; color: var(--soft) }
  tbody tr:hover, tbody tr:focus-within { background: var(--band) }
  .number { text-align: right }

  .bars { width: 24%; min-width: 10rem }
  .lane { position: relative; display: block; height: 1.1rem }
  .bar { position: absolute; top: .15rem; height: .8rem; min-width: 2px; border-radius: 2px; opacity: .4 }
  .bar.critical { opacity: 1 }
  .a .bar { background: var(--a) }
  .b .bar { background: var(--b) }
  .wait .bar { background: repeating-linear-gradient(90deg, var(--soft) 0 3px, transparent 3px 6px) }

  summary { cursor: pointer }
  :focus-visible { outline: 2px solid var(--b); outline-offset: 2px }
  details dl { white-space: normal; overflow-wrap: anywhere; max-width: 60rem }
  details dt { float: none; width: auto; color: var(--soft); font-weight: inherit }
  details dd, details p { color: CanvasText }

  body:has(#differences:checked) tr.same { display: none }
  @media print { .filter { display: none } }
`)
