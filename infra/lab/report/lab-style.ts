/** How the lab's page looks: as the pages that compare do, with its charts. */
import { Markup } from '../../compare/markup.ts'
import { style as comparisonStyle } from '../../compare/comparison-style.ts'

export const style = new Markup(`${comparisonStyle.text}
  :root {
    --good: light-dark(#1b6e3c, #7fd6a0); --bad: light-dark(#b3261e, #ff8a80); --open: light-dark(#8a5a00, #f0b64f);
    --services: light-dark(#2f6fdb, #6aa2ff); --collector: light-dark(#c2570c, #f59e5b);
    --broker: light-dark(#7a8ba6, #8296b4); --store: light-dark(#b3bdcc, #4d5a6e);
  }
  main { max-width: 72rem; margin: 0 auto }
  h2 { margin-top: 2.5rem }
  .met { color: var(--good) } .not-met { color: var(--bad) } .undecided { color: var(--open) }
  .verdict { font-weight: 600; white-space: nowrap }
  .wrapping th, .wrapping td { white-space: normal }
  .wrapping tbody th { min-width: 14rem }
  .wrapping td { min-width: 6rem }

  @media (max-width: 40rem) {
    .wrapping thead { display: none }
    .wrapping tr { display: grid; grid-template-columns: max-content 1fr; padding: .4rem 0; border-bottom: 1px solid var(--line) }
    .wrapping th, .wrapping td { border: 0; padding: .1rem .5rem .1rem 0 }
    .wrapping th, .wrapping td:last-child { grid-column: 1 / -1 }
  }

  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1.5rem 2rem }
  .charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)) }
  figure { margin: 0; min-width: 0 }
  figcaption { font-weight: 600; margin-bottom: .4rem }
  figcaption .soft { font-weight: 400 }
  .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right }

  .forest, .stacks { display: grid; grid-template-columns: minmax(6rem, 38%) 1fr; column-gap: .6rem; align-items: center }
  .stacks { grid-template-columns: minmax(6rem, 30%) 1fr max-content; row-gap: .25rem }
  .forest .group { grid-column: 1 / -1; margin: .35rem 0 0; color: var(--soft); font-size: 12px }
  .forest .lane { height: 1.35rem }
  .lane i { position: absolute; display: block }
  .tick { top: 0; bottom: 0; border-left: 1px solid var(--line); opacity: .6 }
  .tick.one { border-color: var(--soft); opacity: 1 }
  .lane .band { top: 0; bottom: 0; background: var(--soft); opacity: .12 }
  .limit { top: 0; bottom: 0; border-left: 2px dashed var(--open) }
  .whisker { top: calc(50% - 1px); height: 2px; min-width: 2px; background: var(--mark) }
  .dot { width: 9px; height: 9px; top: calc(50% - 4.5px); margin-left: -4.5px; border-radius: 50%; background: var(--mark) }
  .forest .lane { --mark: var(--soft) }
  .forest .lane.more, .forest .lane.less { --mark: var(--b) }
  .labels i { transform: translateX(-50%); font-style: normal; font-size: 11px; color: var(--soft) }

  .stacks .lane { display: flex; height: 1rem }
  .stacks .lane i { position: static; height: 100% }
  .stacks .lane i:last-child { border-radius: 0 2px 2px 0 }
  .services { background: var(--services) } .collector { background: var(--collector) }
  .broker { background: var(--broker) } .store { background: var(--store) }
  .legend span { margin-right: 1rem; white-space: nowrap }
  .legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 2px; vertical-align: -1px }

  svg { display: block; width: 100%; height: auto; max-width: 36rem }
  svg text { fill: var(--soft); font-size: 11px; dominant-baseline: middle }
  svg .value { text-anchor: end } svg .end { text-anchor: end } svg .middle { text-anchor: middle }
  svg line { stroke: var(--line) } svg .one { stroke: var(--soft) }
  svg .band { fill: var(--soft); opacity: .12 }
  svg .course { fill: none; stroke: var(--soft); stroke-width: 1.2; opacity: .55 }
  svg .pair, svg .point { fill: var(--b) }
  svg .curve { fill: none; stroke: var(--b); stroke-width: 1.5 }
  svg .whisker { stroke: var(--b); stroke-width: 1.5 }
`)
