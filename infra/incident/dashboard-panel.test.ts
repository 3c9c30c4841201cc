import { equal, ok, throws } from 'node:assert/strict'
import { findPanel, inUnit, substitute } from './dashboard-panel.ts'
import { scenarios } from './scenarios.ts'

describe('the panels of an incident', () => {
  it('are on the dashboards, each with something to ask', () => {
    for (const { name, panels, exemplars } of Object.values(scenarios)) {
      for (const panel of [...panels, exemplars.panel]) {
        const { queries, id, dashboardUid } = findPanel(panel)
        ok(queries.length > 0 && id > 0 && dashboardUid.startsWith('sagascope-'), name)
      }
    }
  })

  it('have single traces beside their lines where one is looked for', () => {
    for (const { name, exemplars } of Object.values(scenarios)) {
      ok(
        findPanel(exemplars.panel).queries.some(({ exemplar }) => exemplar === true),
        name,
      )
    }
  })

  it('are refused by a title that there is not', () => {
    throws(() => findPanel({ dashboard: 'saga', title: 'Weather' }), /dashboard saga has no panel "Weather"/)
  })

  it('are asked as Grafana asks them, with what was chosen, or all', () => {
    const expr = 'rate(x{service_name=~"$service", le!="${le:regex}"}[$__rate_interval])'
    equal(substitute(expr), 'rate(x{service_name=~".+", le!=".+"}[20s])')
    equal(substitute(expr, { service: 'users' }), 'rate(x{service_name=~"users", le!=".+"}[20s])')
  })

  it('show their values in their unit', () => {
    equal(inUnit('s', 0.0421), '42 ms')
    equal(inUnit('s', 12.34), '12.3 s')
    equal(inUnit('bytes', 80 * 1_048_576), '80 MiB')
    equal(inUnit('percentunit', 0.873), '87 %')
    equal(inUnit('short', 1_204), '1204')
  })
})
