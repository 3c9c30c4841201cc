import { deepEqual, equal, ok } from 'node:assert/strict'
import { pickFreePorts } from '../native/ports.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import { isWhole, linkNames } from './incident-result.ts'
import type { Incident } from './run-incident.ts'
import { runIncident } from './run-incident.ts'
import { scenarios } from './scenarios.ts'

describe('an incident of a slow payment network, on the real servers', function () {
  // Where nothing is cached yet, the servers are compiled first.
  this.timeout(20 * 60_000)

  const stops: Stop[] = []
  let incident: Incident

  before(async () => {
    const scenario = scenarios['slow-payment-network']
    ok(scenario)
    incident = await runIncident(
      {
        scenario,
        ports: await pickFreePorts(),
        ratePerSecond: 5,
        speed: 30,
        warmUpMillis: 4_000,
        steadyMillis: 8_000,
        pages: {},
      },
      { onStop: (stop) => stops.push(stop), onEntry: () => undefined, progress: () => undefined },
    )
  })
  after(async () => {
    for (const stop of stops.reverse()) await stop()
  })

  it('has every link of the chain, from the alert to the numbers that are back', () => {
    const { links } = incident.result
    deepEqual(
      links.filter(({ isFound }) => !isFound),
      [],
    )
    deepEqual(links.map(({ name }) => name).sort(), Object.keys(linkNames).sort())
    ok(isWhole(incident.result))
  })

  it('names the call to the payment network, which only the scenario knows', () => {
    const { guilty } = incident.result
    equal(guilty?.name, 'payments: insert ledger (within capture payment)')
    equal(guilty.agrees, true)
  })

  it('measures each step, one after the other', () => {
    const { figures } = incident.result
    const { faultToPendingMillis = NaN, faultToFiringMillis = NaN, faultToFixMillis = NaN } = figures
    ok(faultToPendingMillis > 0 && faultToPendingMillis < faultToFiringMillis, JSON.stringify(figures))
    ok(faultToFiringMillis < faultToFixMillis, JSON.stringify(figures))
    ok((figures.alertToGuiltyMillis ?? NaN) > (figures.alertToTraceMillis ?? NaN), JSON.stringify(figures))
    ok((figures.fixToResolvedMillis ?? NaN) > 0, JSON.stringify(figures))
  })

  it('shows in the latency to the end while it lasts, and hardly in that to the 202', () => {
    const { before, during, after } = incident.result.phases
    ok(before && during && after)
    ok(during.toEnd.p50 > 10 * before.toEnd.p50, JSON.stringify({ before, during }))
    ok(during.toEnd.p50 > 10 * after.toEnd.p50, JSON.stringify({ during, after }))
    ok(during.toAccepted.p50 < during.toEnd.p50 / 10, JSON.stringify(during))
    ok(during.slowerThanAnyBefore > 0)
  })
})
